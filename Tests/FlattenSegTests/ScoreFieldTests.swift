import FlattenTensor
import Testing

@testable import FlattenSeg

@Suite struct ScoreFieldTests {
  @Test(arguments: [
    (extent: 72, crop: 48, stride: 32, starts: [0, 24]),
    (extent: 98, crop: 48, stride: 32, starts: [0, 32, 50]),
    (extent: 48, crop: 48, stride: 32, starts: [0]),
    (extent: 40, crop: 48, stride: 32, starts: [0]),
    (extent: 112, crop: 48, stride: 32, starts: [0, 32, 64]),
  ])
  func windowsCoverAllAndStayInside(extent: Int, crop: Int, stride: Int, starts: [Int]) {
    let windows = ScoreField.windowStarts(extent: extent, crop: crop, stride: stride)
    #expect(windows.map(\.start) == starts)
    #expect(windows.allSatisfy { $0.start + $0.size <= extent })
    #expect(windows.last.map { $0.start + $0.size } == extent)
  }

  @Test func overlapsAreAveragedAndFlipsTurnedBack() {
    // Two windows of 4x4 over a 4x6 input, one class per constant: 1 on the left, 3 on the right.
    func tile(_ value: Float, left: Int) -> ScoreField.Tile {
      ScoreField.Tile(
        logits: Tensor([1, 1, 1, 1], [value]), top: 0, left: left, height: 4, width: 4)
    }
    let size = PixelSize(height: 4, width: 6)
    for (isFlipped, expected) in [
      (false, [1, 1, 2, 2, 3, 3] as [Float]), (true, [3, 3, 2, 2, 1, 1]),
    ] {
      let field = ScoreField(
        [tile(1, left: 0), tile(3, left: 2)], size: size, isFlipped: isFlipped,
        alignCorners: false)
      let out = Tensor(zeros: [6])
      var rows = field.rows(memory: BufferPool())
      rows.write(2, into: out.mutablePointer)
      #expect(out.elements == expected)
    }
  }
}
