import FlattenRegions
import FlattenCodecs
import TestSupport
import Testing

@testable import FlattenImage

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
    for type: UInt32 in [0, 2, 5, 7, 12] {
      #expect(orientation(Exif.block(6, big: true, type: type)) == 1, "type \(type)")
    }
    #expect(orientation(Exif.block(6, big: true, count: 2)) == 1)
    #expect(orientation(Exif.block(6, big: true, entries: 65535)) == 1)
    #expect(orientation(Exif.block(6, big: true, entries: 1)) == 1)
    for offset: UInt32 in [0, 7, 38, 1000, .max - 1, .max] {
      #expect(orientation(Exif.block(6, big: false, offset: offset)) == 1, "offset \(offset)")
    }
  }

  /// Some writers store a LONG, or sort by something else than the tag.
  @Test(arguments: [UInt32(1), 3, 4], [0, 1, 63, 64, 200, 1000])
  func otherTypesAndPlacesAreRead(type: UInt32, others: Int) throws {
    for big in [false, true] {
      let block = Exif.block(
        8, big: big, type: type, after: others)
      #expect(orientation(block) == 8)
      let file = Exif.inserted(block, intoJPEG: try Sample.smoothImage(19, 11).encodedAsJPEG())
      let decoded = try Image.decode(file, name: "a").value
      #expect(decoded.width == 11 && decoded.height == 19)
    }
  }

  /// As it is stored, pictures and labels alike.
  @Test(arguments: 1...8)
  func orientationsCanBeIgnored(_ orientation: UInt16) throws {
    let block = Exif.block(orientation, big: false)
    let picture = try Sample.smoothImage(19, 11).encodedAsJPEG()
    let decoded = try Image.decode(
      Exif.inserted(block, intoJPEG: picture), name: "a", exif: .ignore)
    #expect(decoded.value == (try Image.decode(picture, name: "a").value))
    #expect(decoded.hasSidewaysOrientation == (orientation >= 5))
    let stored = LabelMap(width: 3, height: 2, ids: [1, 2, 3, 4, 5, 6])
    let label = Exif.inserted(block, intoPNG: try stored.encoded(as: .grey8), late: false)
    #expect(try LabelImage.decode(label, name: "l", exif: .ignore).value == stored)
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
