import FlattenRegions
import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenImage

private let cases = Fixtures.cases(kinds: ["image_decode"])
  .filter { (try? $0.json()["params"]["as_label"].bool) == true }
private let badLabels = BadInput.entries(kind: "label")

extension Sample {
  /// Ids 0 to 19, with no order in them.
  static func labels(_ width: Int, _ height: Int) -> LabelMap {
    var generator = SeededGenerator(seed: 3)
    return LabelMap(
      width: width, height: height,
      ids: (0..<width * height).map { _ in UInt16.random(in: 0..<20, using: &generator) })
  }
}

@Suite struct LabelImageTests {
  /// mmsegmentation reads labels with `astype(uint8)`: 16-bit ids lose their high byte. We do not cut,
  /// so the golden maps are compared after doing here what mmsegmentation does.
  private func inTheReferencesConvention(_ ids: [UInt16], reduceZero: Bool) -> [UInt8] {
    ids.map { id in
      let low = UInt8(truncatingIfNeeded: id)
      guard reduceZero else { return low }
      // 0 becomes 255; the others move down by one, and the 254 that 255 gives is 255 again.
      return low == 0 || low == 255 ? 255 : low - 1
    }
  }

  @Test(arguments: cases)
  func decodesLikeTheReference(_ fixture: FixtureCase) throws {
    let file = try #require(try fixture.file("image"))
    let reduceZero = try fixture.json()["params"]["reduce_zero_label"].bool ?? false
    let map = try LabelImage.decode(path: file.path).value
    try expectEqual(
      inTheReferencesConvention(map.ids, reduceZero: reduceZero), shape: [map.height, map.width],
      to: "label", of: fixture)
  }

  @Test(.enabled(if: Fixtures.badInputs != nil, "the collection of bad inputs is not present"))
  func theCollectionHoldsLabels() {
    #expect(badLabels.filter { $0.expect == "ok" }.count >= 20)
    #expect(badLabels.filter { $0.expect == "error" }.count >= 10)
  }

  @Test(
    .enabled(if: Fixtures.badInputs != nil, "the collection of bad inputs is not present"),
    arguments: badLabels)
  func judgesAwkwardFiles(_ entry: BadInput) throws {
    if let map = try entry.outcome(of: { try LabelImage.decode(path: entry.path) }),
      entry.expect == "ok"
    {
      expect(map, toBe: entry.json)
      var histogram: [String: Int] = [:]
      for id in map.ids { histogram["\(id)", default: 0] += 1 }
      #expect(histogram == entry.json["histogram"].fields.compactMapValues(\.int))
    }
    let declared = entry.json["expect_if"]
    if declared["encoding"].text == "ade20k-full-rgb" {
      expect(
        try LabelImage.decode(path: entry.path, encoding: .ade20kFullRGB).value, toBe: declared)
    }
  }

  private func expect(_ map: LabelMap, toBe json: JSONValue) {
    #expect(map.width == json["width"].int)
    #expect(map.height == json["height"].int)
    let bytes = map.ids.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    #expect(SHA256.hex(bytes) == json["sha256_index"].text, "other ids")
  }

  @Test func refusesPicturesWithAReason() throws {
    let picture = Sample.image(4, 3)
    let colour = #expect(throws: FileError.self) {
      try LabelImage.decode(try picture.encodedAsPNG(), name: "a")
    }
    #expect(colour?.reason.hasPrefix("is a picture of 8-bit RGB, a label has one channel") == true)
    let jpeg = #expect(throws: FileError.self) {
      try LabelImage.decode(try picture.encodedAsJPEG(), name: "a")
    }
    #expect(jpeg?.reason.hasPrefix("is a JPEG") == true)
    let grey = try Sample.labels(4, 3).encoded(as: .grey8)
    #expect(throws: FileError.self) {
      try LabelImage.decode(grey, name: "a", encoding: .ade20kFullRGB)
    }
  }

  @Test func mirrors() {
    let map = LabelMap(width: 3, height: 2, ids: [1, 2, 3, 4, 5, 600])
    #expect(map.flipped(.horizontal).ids == [3, 2, 1, 600, 5, 4])
    #expect(map.flipped(.vertical).ids == [4, 5, 600, 1, 2, 3])
    #expect(map.flipped(.diagonal).ids == [600, 5, 4, 3, 2, 1])
  }

  // MARK: Colours

  private static let colours: [RGBColor: UInt16] = [
    RGBColor(red: 255, green: 0, blue: 0): 3, RGBColor(red: 0, green: 0, blue: 0): 255,
    RGBColor(red: 0, green: 0, blue: 1): 0,
  ]

  private func ids(_ pixels: [[UInt8]]) throws -> [UInt16] {
    let picture = Image(width: pixels.count / 2, height: 2, pixels: pixels.flatMap { $0 })
    return try LabelImage.decode(
      picture.encodedAsPNG(), name: "l.png", encoding: .colours(Self.colours)
    ).value.ids
  }

  @Test func coloursStandForIds() throws {
    let (red, black, blue): ([UInt8], [UInt8], [UInt8]) = ([255, 0, 0], [0, 0, 0], [0, 0, 1])
    #expect(
      try ids([red, black, blue, blue, red, red]) == [3, 255, 0, 0, 3, 3])
    // A palette picture of the same colours is as good.
    let palette = Palette([
      RGBColor(red: 0, green: 0, blue: 1), RGBColor(red: 255, green: 0, blue: 0),
    ])
    let indexed = LabelMap(width: 2, height: 1, ids: [1, 0])
    let file = try indexed.encoded(as: .palette8(palette))
    let map = try LabelImage.decode(file, name: "l", encoding: .colours(Self.colours)).value
    #expect(map.ids == [3, 0])
    // Grey samples are ids, not colours.
    let grey = try indexed.encoded(as: .grey8)
    let error = #expect(throws: FileError.self) {
      try LabelImage.decode(grey, name: "l", encoding: .colours(Self.colours))
    }
    #expect(error?.reason.contains("8-bit grey") == true)
  }

  /// The nearest colour is another: what is not exact has no meaning.
  @Test func unknownColoursAreNamedWithTheirPlace() {
    let red: [UInt8] = [255, 0, 0]
    let one = #expect(throws: FileError.self) {
      try ids([red, red, red, red, [254, 0, 0], [254, 0, 0]])
    }
    #expect(one?.path == "l.png" && one?.kind == .refused)
    #expect(
      one?.reason.hasPrefix(
        "holds the colour [254, 0, 0] (2 pixels, first at x 1, y 1), which stands for no class.")
        == true)
    let many = #expect(throws: FileError.self) { try ids([red, [9, 9, 9], [8, 8, 8], red]) }
    #expect(
      many?.reason.hasPrefix(
        "holds the colour [9, 9, 9] (1 pixel, first at x 1, y 0) and others, which stand") == true)
  }
}
