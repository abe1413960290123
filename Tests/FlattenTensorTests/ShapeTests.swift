import FlattenTensor
import Testing

@Suite struct ShapeTests {
  /// The same shape, however it is written.
  @Test func allWaysOfWritingAgree() {
    #expect(Shape(7) == [7] && Shape(7, 5) == [7, 5] && Shape(7, 5, 3) == [7, 5, 3])
    #expect(Shape(7, 5, 3, 2) == [7, 5, 3, 2])
    #expect(Shape([7, 5, 3, 2].dropFirst()) == Shape(5, 3, 2))
    let most: Shape = [1, 2, 3, 4, 5, 6]
    #expect(most.count == Shape.mostAxes && Array(most) == [1, 2, 3, 4, 5, 6])
  }

  @Test(
    arguments: [
      ([], [1]), ([2, 3], [3, 2]), ([2, 3], [2, 3, 1]), ([2, 3, 0], [2, 3]),
      ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7]),
    ] as [(Shape, Shape)])
  func differentShapesDiffer(one: Shape, other: Shape) {
    #expect(one != other && other != one)
    #expect(Set([one, other, one]).count == 2)
  }

  @Test func itReadsLikeAnArray() {
    var shape: Shape = [4, 5, 6]
    #expect(shape.first == 4 && shape.last == 6 && shape[1] == 5 && "\(shape)" == "[4, 5, 6]")
    #expect(shape.elementCount == 120 && Shape().elementCount == 1 && Shape(3, 0).elementCount == 0)
    shape[0] = 9
    #expect(shape == [9, 5, 6] && shape.replacingLast(with: 1) == [9, 5, 1])
    #expect(Shape().isEmpty && "\(Shape())" == "[]")
  }

  @Test func moreAxesEndTheProgram() async {
    await #expect(processExitsWith: .failure) { _ = Shape([Int](repeating: 1, count: 7)) }
    await #expect(processExitsWith: .failure) { _ = Shape(1, 2)[2] }
  }
}
