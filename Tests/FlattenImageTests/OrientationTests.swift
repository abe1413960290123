import FlattenRegions
import FlattenCodecs
import Testing

@testable import FlattenImage

/// EXIF blocks and the files that carry them, built from bytes.
enum Exif {
  static func bytes(_ value: UInt32, _ count: Int, big: Bool) -> [UInt8] {
    let little = (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    return big ? little.reversed() : little
  }

  /// A TIFF header and one IFD whose second entry is the orientation.
  static func block(
    _ orientation: UInt16, big: Bool, type: UInt32 = 3, count: UInt32 = 1, entries: UInt32 = 2,
    offset: UInt32 = 8
  ) -> [UInt8] {
    func field(_ value: UInt32, _ size: Int) -> [UInt8] { bytes(value, size, big: big) }
    let header = Array((big ? "MM" : "II").utf8) + field(42, 2) + field(offset, 4)
    let width = field(0x0100, 2) + field(3, 2) + field(1, 4) + field(99, 2) + [0, 0]
    let turned =
      field(0x0112, 2) + field(type, 2) + field(count, 4)
      + field(UInt32(orientation), 2) + [0, 0]
    return header + field(entries, 2) + width + turned + field(0, 4)
  }

  static func inserted(_ block: [UInt8], intoJPEG jpeg: [UInt8]) -> [UInt8] {
    let body = Array("Exif\0\0".utf8) + block
    return Array(jpeg.prefix(2)) + [0xFF, 0xE1] + bytes(UInt32(body.count + 2), 2, big: true)
      + body + jpeg.dropFirst(2)
  }

  /// - Parameter late: after the pixels instead of before.
  static func inserted(_ block: [UInt8], intoPNG png: [UInt8], late: Bool) -> [UInt8] {
    let body = Array("eXIf".utf8) + block
    let chunk = bytes(UInt32(block.count), 4, big: true) + body + bytes(crc(body), 4, big: true)
    // IHDR ends at byte 33; IEND is the last 12.
    let at = late ? png.count - 12 : 33
    return Array(png.prefix(at)) + chunk + png.dropFirst(at)
  }

  static func crc(_ bytes: [UInt8]) -> UInt32 {
    var sum: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }
}

/// What a picture stored as `abc def` looks like upright.
private let upright: [(orientation: Int, rows: [String])] = [
  (1, ["abc", "def"]), (2, ["cba", "fed"]), (3, ["fed", "cba"]), (4, ["def", "abc"]),
  (5, ["ad", "be", "cf"]), (6, ["da", "eb", "fc"]), (7, ["fc", "eb", "da"]),
  (8, ["cf", "be", "ad"]),
]

@Suite struct OrientationTests {
  @Test(arguments: upright.indices)
  func turnsPicturesAndLabels(_ index: Int) throws {
    let (orientation, rows) = upright[index]
    let ids = rows.joined().utf8.map { UInt16($0) }
    let stored = LabelMap(width: 3, height: 2, ids: "abcdef".utf8.map { UInt16($0) })
    let palette = Palette.distinct(count: 128)
    for big in [false, true] {
      for late in [false, true] {
        let block = Exif.block(UInt16(orientation), big: big)
        let file = Exif.inserted(block, intoPNG: try stored.encoded(as: .grey8), late: late)
        let map = try LabelImage.decode(file, name: "label")
        #expect(map.value == LabelMap(width: rows[0].count, height: rows.count, ids: ids))
        #expect(map.warnings.isEmpty)
        let picture = Exif.inserted(
          block, intoPNG: try stored.encoded(as: .palette8(palette)), late: late)
        #expect(try Image.decode(picture, name: "a").value == map.value.coloured(by: palette))
      }
    }
  }

  @Test(arguments: 1...8)
  func turnsJPEGs(_ orientation: Int) throws {
    let file = try Sample.smoothImage(19, 11).encodedAsJPEG()
    let plain = try Image.decode(file, name: "a").value
    let turned = try Image.decode(
      Exif.inserted(Exif.block(UInt16(orientation), big: true), intoJPEG: file), name: "a"
    ).value
    let wanted = try #require(Orientation(rawValue: orientation))
    #expect(turned == Image(plain.raster.applying(wanted)))
  }

  private func orientation(_ block: [UInt8]) -> Int32 {
    block.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { fc_exif_orientation($0, buffer.count) } ?? 1
    }
  }

  @Test func whatMakesNoSenseCountsAsUpright() {
    #expect(orientation(Exif.block(6, big: false)) == 6)
    #expect(orientation(Exif.block(0, big: false)) == 1)
    #expect(orientation(Exif.block(9, big: true)) == 1)
    #expect(orientation(Exif.block(6, big: true, type: 4)) == 1)
    #expect(orientation(Exif.block(6, big: true, count: 2)) == 1)
    #expect(orientation(Exif.block(6, big: true, entries: 65535)) == 1)
    #expect(orientation(Exif.block(6, big: true, entries: 1)) == 1)
    for offset: UInt32 in [0, 7, 38, 1000, .max - 1, .max] {
      #expect(orientation(Exif.block(6, big: false, offset: offset)) == 1, "offset \(offset)")
    }
  }

  /// Each cut and each changed byte, in memory that ends where the block does.
  @Test func neverReadsOutside() {
    let block = Exif.block(6, big: true)
    for count in 0...block.count {
      // The four bytes after the entries, the next IFD's offset, are not needed.
      #expect(orientation(Array(block.prefix(count))) == (count < block.count - 4 ? 1 : 6))
    }
    for position in block.indices {
      for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
        var changed = block
        changed[position] = value
        #expect((1...8).contains(orientation(changed)))
      }
    }
  }
}
