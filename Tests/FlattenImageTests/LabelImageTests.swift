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
}
