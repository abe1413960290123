import FlattenTensor
import Testing

@testable import FlattenImage

@Suite struct NormalisationTests {
  @Test func bytesBecomeNumbersAndThePaddingIsZero() {
    let rule = Normalisation(mean: [10, 20, 30], std: [2, 4, 8])
    let bytes: [UInt8] = [12, 20, 38, 10, 28, 30]
    let input = rule.input(
      bytes.span, height: 2, width: 1, padded: (3, 3), pool: BufferPool())
    #expect(input.shape == [1, 3, 3, 3])
    let zeros = [Float](repeating: 0, count: 6)
    #expect(
      input.elements == [1, 0, 1] + zeros + [0, 2, 0] + zeros + [Float](repeating: 0, count: 9))
  }

  /// Every byte is divided as torch divides, in single precision.
  @Test func theDivisionIsExact() {
    let rule = Normalisation.imageNet
    let bytes = (0..<256).flatMap { [UInt8](repeating: UInt8($0), count: 3) }
    let input = rule.input(
      bytes.span, height: 1, width: 256, padded: (1, 256), pool: BufferPool())
    let expected = bytes.indices.map {
      (Float(bytes[$0]) - [123.675, 116.28, 103.53][$0 % 3]) / [58.395, 57.12, 57.375][$0 % 3]
    }
    #expect(input.elements == expected)
  }
}
