import FlattenRegions
import FlattenFiles
import Foundation
import Testing

@testable import FlattenImage

private let sizes = [(1, 1), (1, 9), (17, 1), (8, 8), (33, 21)]

@Suite struct EncodingTests {
  @Test(arguments: sizes)
  func picturesSurvivePNG(_ width: Int, _ height: Int) throws {
    let image = Sample.image(width, height)
    for level in [0, 3, 9, 99] {
      let bytes = try image.encodedAsPNG(level: level)
      let decoded = try Image.decode(bytes, name: "a")
      #expect(decoded.value == image)
      #expect(decoded.warnings.isEmpty)
      #expect(try image.encodedAsPNG(level: level) == bytes, "not the same bytes twice")
    }
  }

  @Test(arguments: sizes)
  func picturesNearlySurviveJPEG(_ width: Int, _ height: Int) throws {
    let image = Sample.smoothImage(width, height)
    let decoded = try Image.decode(try image.encodedAsJPEG(quality: 100), name: "a").value
    #expect(decoded.width == width && decoded.height == height)
    let worst = zip(decoded.pixels, image.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
    #expect(worst <= 24)
    let small = try image.encodedAsJPEG(quality: -5)
    #expect(try Image.decode(small, name: "a").value.width == width)
  }

  @Test(arguments: sizes)
  func labelsSurviveEveryFormat(_ width: Int, _ height: Int) throws {
    let map = Sample.labels(width, height)
    let formats: [LabelFormat] = [
      .grey8, .grey16, .palette8(Palette([])), .palette8(.distinct(count: 300)),
    ]
    for format in formats {
      let decoded = try LabelImage.decode(try map.encoded(as: format), name: "a")
      #expect(decoded.value == map)
      #expect(decoded.warnings.isEmpty)
    }
  }

  @Test func wideIdsNeed16Bits() throws {
    let map = LabelMap(width: 2, height: 2, ids: [0, 256, 65535, 300])
    #expect(try LabelImage.decode(try map.encoded(as: .grey16), name: "a").value == map)
    for format in [LabelFormat.grey8, .palette8(.distinct(count: 3))] {
      let error = #expect(throws: FileError.self) { try map.encoded(as: format, name: "out") }
      #expect(error?.reason == "class id 256 does not fit 8 bits, write 16-bit grey instead")
      #expect(error?.kind == .unwritable)
    }
  }

  @Test func palettePicturesShowTheirColours() throws {
    let palette = Palette([RGBColor(0x102030), RGBColor(0xFFFEFD)])
    let map = LabelMap(width: 3, height: 1, ids: [1, 0, 255])
    let bytes = try map.encoded(as: .palette8(palette))
    let image = try Image.decode(bytes, name: "a").value
    #expect(image.pixels == [0xFF, 0xFE, 0xFD, 0x10, 0x20, 0x30, 0, 0, 0])
  }

  @Test func filesAppearWholeOrNotAtAll() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "flatten-image-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let image = Sample.image(9, 4)
    let path = folder.appending(path: "a.png").path
    try image.writePNG(to: path)
    #expect(try Image.decode(path: path).value == image)
    try image.writeJPEG(to: path)
    #expect(try Image.decode(path: path).value.height == 4)
    let wide = LabelMap(width: 1, height: 1, ids: [700])
    #expect(throws: FileError.self) { try wide.write(to: path, as: .grey8) }
    #expect(throws: FileError.self) {
      try image.writePNG(to: folder.appending(path: "none/a.png").path)
    }
    #expect(throws: FileError.self) { try image.writePNG(to: folder.path) }
    #expect(try Image.decode(path: path).value.height == 4, "the old file is gone")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.png"])
  }

  @Test func impossibleSizesAreErrors() {
    let long = Image(width: 65501, height: 1, filledWith: .white)
    let error = #expect(throws: FileError.self) { try long.encodedAsJPEG() }
    #expect(error?.reason == "a JPEG cannot be 65501 x 1 pixels, sides are 1 to 65500")
    let none = LabelMap(width: 0, height: 4, ids: [])
    #expect(throws: FileError.self) { try none.encoded(as: .grey8) }
  }

  @Test func knownDigest() {
    #expect(
      SHA256.hex(Array("abc".utf8))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
