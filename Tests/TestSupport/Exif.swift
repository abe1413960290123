/// EXIF blocks and the files that carry them, built from bytes.
package enum Exif {
  package static func bytes(_ value: UInt32, _ count: Int, big: Bool) -> [UInt8] {
    let little = (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    return big ? little.reversed() : little
  }

  /// A TIFF header and one IFD whose second entry, or a later one, is the orientation.
  package static func block(
    _ orientation: UInt16, big: Bool, type: UInt32 = 3, count: UInt32 = 1, entries: UInt32? = nil,
    offset: UInt32 = 8, after others: Int = 1
  ) -> [UInt8] {
    func field(_ value: UInt32, _ size: Int) -> [UInt8] { bytes(value, size, big: big) }
    let header = Array((big ? "MM" : "II").utf8) + field(42, 2) + field(offset, 4)
    let width = field(0x0100, 2) + field(3, 2) + field(1, 4) + field(99, 2) + [0, 0]
    let size = [1: 1, 4: 4][type] ?? 2
    let turned =
      field(0x0112, 2) + field(type, 2) + field(count, 4)
      + field(UInt32(orientation), size) + [UInt8](repeating: 0, count: 4 - size)
    let before = (0..<others).flatMap { _ in width }
    return header + field(entries ?? UInt32(others + 1), 2) + before + turned + field(0, 4)
  }

  package static func inserted(_ block: [UInt8], intoJPEG jpeg: [UInt8]) -> [UInt8] {
    let body = Array("Exif\0\0".utf8) + block
    return Array(jpeg.prefix(2)) + [0xFF, 0xE1] + bytes(UInt32(body.count + 2), 2, big: true)
      + body + jpeg.dropFirst(2)
  }

  /// - Parameter late: after the pixels instead of before.
  package static func inserted(_ block: [UInt8], intoPNG png: [UInt8], late: Bool) -> [UInt8] {
    let body = Array("eXIf".utf8) + block
    let chunk = bytes(UInt32(block.count), 4, big: true) + body + bytes(crc(body), 4, big: true)
    // IHDR ends at byte 33; IEND is the last 12.
    let at = late ? png.count - 12 : 33
    return Array(png.prefix(at)) + chunk + png.dropFirst(at)
  }

  package static func crc(_ bytes: [UInt8]) -> UInt32 {
    var sum: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }
}
