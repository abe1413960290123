import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct NumpyFileTests {
  @Test func theHeaderIsTheFormats() throws {
    let header = NumpyFile.header(shape: [2, 3])
    #expect(header.count % 64 == 0)
    #expect(Array(header.prefix(8)) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0])
    #expect(Int(header[8]) + Int(header[9]) << 8 == header.count - 10)
    let text = String(decoding: header[10...], as: UTF8.self)
    #expect(text.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"))
    #expect(text.hasSuffix("\n"))
    #expect(String(decoding: NumpyFile.header(shape: [5])[10...], as: UTF8.self).contains("(5,)"))
  }

  @Test func valuesAreLittleEndian() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("values.npy")
    try NumpyFile.write([1, -2.5], shape: [2, 1], to: path)
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let header = NumpyFile.header(shape: [2, 1])
    #expect(bytes == header + [0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0])
    #expect(throws: FileError.self) {
      try NumpyFile.write([1], shape: [1], to: folder.path("absent/values.npy"))
    }
  }
}
