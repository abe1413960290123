import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenImage

@Suite struct CodecTests {
  @Test func memoryThatIsNotThereIsAnError() {
    #expect(throws: Never.self) { try requireMemory(1 << 24, name: "a") }
    let error = #expect(throws: FileError.self) { try requireMemory(.max / 2, name: "a") }
    #expect(error?.reason == "needs \(Int.max / 2) bytes of memory")
  }

  @Test(arguments: [Int.min, -1, 0, 11])
  func limitsBelowThePictureRefuseIt(_ pixels: Int) throws {
    let bytes = try Sample.image(4, 3).encodedAsPNG()
    #expect(throws: FileError.self) {
      try Image.decode(bytes, name: "a", limits: DecodingLimits(pixels: pixels))
    }
  }

  /// A header that says 2^31 - 1 pixels a side, under the highest limit: no product overflows.
  @Test func theHighestLimitStillRefusesTheImpossible() throws {
    let side: [UInt8] = [0x7F, 0xFF, 0xFF, 0xFF]
    // Signature, IHDR of 13 bytes, 8-bit RGB, its checksum, and the length and type of an IDAT.
    let header: [UInt8] = [0x49, 0x48, 0x44, 0x52] + side + side + [8, 2, 0, 0, 0]
    let bytes: [UInt8] =
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + header
      + Exif.bytes(Exif.crc(header), 4, big: true) + [0, 0, 0, 0, 0x49, 0x44, 0x41, 0x54]
    let error = #expect(throws: FileError.self) {
      try Image.decode(bytes, name: "a", limits: DecodingLimits(pixels: .max))
    }
    #expect(error?.reason.hasPrefix("is too large: 2147483647 x 2147483647 pixels") == true)
  }

  @Test func filesBeyondTheLimitAreNotRead() throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "flatten-limit-\(UUID().uuidString).png").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Sample.image(4, 3).writePNG(to: path)
    let size = try FileReader(path: path).size
    #expect(throws: Never.self) {
      try Image.decode(path: path, limits: DecodingLimits(fileBytes: size))
    }
    let error = #expect(throws: FileError.self) {
      try Image.decode(path: path, limits: DecodingLimits(fileBytes: size - 1))
    }
    #expect(error?.reason == "is \(size) bytes, at most \(size - 1) are read")
  }
}
