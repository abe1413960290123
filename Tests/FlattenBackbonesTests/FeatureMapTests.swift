import FlattenFiles
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenBackbones

@Suite struct FeatureMapTests {
  /// Two pictures, three rows, two columns, four channels; the value tells the place.
  private let map = FeatureMap(
    Tensor(
      [2, 3, 2, 4],
      (0..<48).map { index -> Float in
        let (b, y, x, c) = (index / 24, index / 8 % 3, index / 4 % 2, index % 4)
        return Float(b * 1000 + y * 100 + x * 10 + c)
      }), stride: 8)

  @Test func sizesAreThoseOfTheTensor() {
    #expect(map.batch == 2 && map.height == 3 && map.width == 2 && map.channels == 4)
    #expect(map[1, 2, 0] == [1200, 1201, 1202, 1203])
  }

  /// The elements are seen where they are.
  @Test func elementsAreNotCopied() {
    let address = map.tensor.pointer
    map.withUnsafeBufferPointer { #expect($0.baseAddress == address && $0.count == 48) }
    map.withSpan { span in
      span.withUnsafeBufferPointer { #expect($0.baseAddress == address && $0.count == 48) }
      #expect(span[47] == 1213)
    }
  }

  @Test func nchwIsPyTorchsOrder() {
    let nchw = map.nchw()
    #expect(nchw.shape == [2, 4, 3, 2])
    #expect(nchw.elements == map.tensor.channelsFirst().elements)
    #expect(Array(nchw.elements.prefix(8)) == [0, 10, 100, 110, 200, 210, 1, 11])
  }

  @Test func npyHoldsNCHW() throws {
    let folder = try TemporaryFolder()
    try map.writeNPY(to: folder.path("map.npy"))
    let data = try Data(contentsOf: URL(filePath: folder.path("map.npy")))
    let header = NumpyFile.header(shape: [2, 4, 3, 2])
    #expect(data.count == header.count + 48 * 4 && [UInt8](data.prefix(header.count)) == header)
    let values = stride(from: header.count, to: data.count, by: 4).map { start in
      Float(bitPattern: data[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
    #expect(values == map.nchw().elements)
    #expect(throws: FileError.self) { try map.writeNPY(to: folder.path("absent/map.npy")) }
  }
}
