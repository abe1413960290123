import FlattenTensor
import Testing

@Suite struct TensorTests {
  @Test func elementsAreRowMajor() {
    let x = Tensor([2, 3], [0, 1, 2, 3, 4, 5])
    #expect(x.count == 6 && x.shape == [2, 3] && x.elements == [0, 1, 2, 3, 4, 5])
    #expect(x.withUnsafeBuffer { $0[4] } == 4)
    #expect(x.reshaped([3, 2]).elements == x.elements)
    #expect(x.reshaped([3, 2]).pointer == x.pointer)
  }

  @Test func scalarsAndNothingAreTensorsToo() {
    let scalar = Tensor([], [7])
    #expect(
      scalar.count == 1 && scalar.elements == [7] && scalar.reshaped([1, 1]).shape == [1, 1])
    let nothing = Tensor([3, 0, 2], [])
    #expect(nothing.count == 0 && nothing.elements.isEmpty && nothing.reshaped([0]).shape == [0])
    #expect(Tensor(zeros: [2, 2]).elements == [0, 0, 0, 0])
  }

  @Test func anErrorWhileFillingIsPassedOn() {
    struct Broken: Error {}
    #expect(throws: Broken.self) { try Tensor([2]) { _ in throw Broken() } }
  }
}
