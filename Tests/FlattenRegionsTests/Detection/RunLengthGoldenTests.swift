import FlattenRegions
import Foundation
import TestSupport
import Testing

/// Run lengths against pycocotools.
@Suite struct RunLengthGoldenTests {
  static let cases = Fixtures.detectionCases(kind: "rle")

  @Test func thereAreCases() {
    #expect(!Self.cases.isEmpty)
  }

  @Test(arguments: cases) func masksAreThoseOfPycocotools(_ fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let file = try #require(try fixture.file("expected_json"))
    let written = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))
    let listed = try fixture.file("segmentations").map {
      try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: $0))
    }
    let segmentations = listed?["segmentations"].list ?? []

    switch golden.parameters["do"].text {
    case "encode":
      let bitmaps = try Self.bitmaps(#require(golden.inputs["masks"]))
      let masks = bitmaps.map { RunLengthMask(bitmap: $0.pixels, size: $0.size) }
      try Self.check(masks, golden, written)
      for (mask, counts) in zip(masks, written["uncompressed"].list) {
        #expect(mask.counts.map(Int.init) == counts.ints)
      }
      #expect(written["uncompressed"].list.count == masks.count)
    case "decode":
      try Self.check(segmentations.map(Self.decode), golden, written)
    case "boxes":
      try Self.check(segmentations.map(Self.decode), golden, written)
      let boxes = try #require(golden.inputs["boxes"]).doubles
      let bitmaps = try Self.bitmaps(#require(golden.expected["box_masks"]))
      let masks = bitmaps.indices.map { index in
        let xywh = boxes[4 * index..<4 * index + 4].map { $0 }
        return RunLengthMask(
          x: xywh[0], y: xywh[1], width: xywh[2], height: xywh[3], size: bitmaps[index].size)
      }
      #expect(masks.map { $0.bitmap() } == bitmaps.map(\.pixels))
      #expect(
        masks.map(\.cocoString) == written["rle_of_boxes"].list.map { $0["counts"].text ?? "" })
    case "polygons":
      let size = listed?["size"].ints ?? []
      let masks = segmentations.map { polygons in
        RunLengthMask(
          polygons: polygons.list.map { $0.list.compactMap(\.number) },
          size: PixelSize(height: size[0], width: size[1]))
      }
      try Self.check(masks, golden, written)
      for (polygons, strings) in zip(segmentations, written["separate"].list) {
        let each = polygons.list.map { polygon in
          RunLengthMask(
            polygons: [polygon.list.compactMap(\.number)],
            size: PixelSize(height: size[0], width: size[1])
          ).cocoString
        }
        #expect(each == strings.list.map { $0["counts"].text ?? $0.text ?? "" })
      }
    case "iou":
      let masks = try segmentations.map(Self.decode)
      try Self.check(masks, golden, written)
      try Self.checkOverlaps(masks, golden)
    case "merge":
      try Self.checkMerges(segmentations.map(Self.decode), golden, written)
    case let other:
      Issue.record("\(fixture): nothing is known of '\(other ?? "")'")
    }
  }

  /// Strings, areas, bounds and bitmaps of masks.
  private static func check(
    _ masks: [RunLengthMask], _ golden: Golden, _ written: JSONValue
  ) throws {
    #expect(masks.map(\.cocoString) == written["rle"].list.map { $0["counts"].text ?? "" })
    #expect(
      masks.map { [$0.size.height, $0.size.width] } == written["rle"].list.map { $0["size"].ints })
    #expect(masks.map(\.area) == (try #require(golden.expected["area"])).integers)
    let bounds = masks.flatMap { [$0.bounds.x, $0.bounds.y, $0.bounds.width, $0.bounds.height] }
    #expect(bounds.map(Double.init) == (try #require(golden.expected["bbox"])).doubles)
    if let stored = golden.expected["masks"] {
      #expect(masks.map { $0.bitmap() } == bitmaps(stored).map(\.pixels))
    }
  }

  /// Rows are finds, columns objects. Which objects are crowds is not written down: every column must be that of a
  /// crowd or that of an object.
  private static func checkOverlaps(_ masks: [RunLengthMask], _ golden: Golden) throws {
    let plain = try #require(golden.expected["iou"]).doubles
    let crowd = try #require(golden.expected["iou_crowd"]).doubles
    let count = masks.count
    #expect(plain.count == count * count && crowd.count == count * count)
    for (column, object) in masks.enumerated() {
      let asObject = masks.map { $0.intersectionOverUnion(with: object) }
      let asCrowd = masks.map { $0.intersectionOverUnion(with: object, isCrowd: true) }
      let differs = { (values: [Double], expected: [Double]) in
        values.indices.contains { !(abs(values[$0] - expected[$0 * count + column]) <= 1e-12) }
      }
      #expect(!differs(asObject, plain))
      #expect(!differs(asObject, crowd) || !differs(asCrowd, crowd))
    }
  }

  /// The union of all, the intersection of all, and the unions of neighbours.
  private static func checkMerges(
    _ masks: [RunLengthMask], _ golden: Golden, _ written: JSONValue
  ) throws {
    try check(masks, golden, written)
    let text = { (value: JSONValue) in value["counts"].text ?? "" }
    #expect(try #require(RunLengthMask.merge(masks)).cocoString == text(written["union"]))
    #expect(
      try #require(RunLengthMask.merge(masks, intersect: true)).cocoString
        == text(written["intersection"]))
    let neighbours = zip(masks, masks.dropFirst()).map { $0.union($1).cocoString }
    #expect(neighbours == written["pairs"].list.map(text))
  }

  private static func bitmaps(_ stored: FixtureTensor) -> [(pixels: [UInt8], size: PixelSize)] {
    let size = PixelSize(height: stored.shape[1], width: stored.shape[2])
    let values = stored.integers
    return (0..<stored.shape[0]).map { index in
      (values[index * size.area..<(index + 1) * size.area].map { UInt8($0) }, size)
    }
  }

  private static func decode(_ segmentation: JSONValue) throws -> RunLengthMask {
    let size = segmentation["size"].ints
    let (height, width) = try (#require(size.first), #require(size.last))
    let pixels = PixelSize(height: height, width: width)
    if let text = segmentation["counts"].text {
      return try RunLengthMask(cocoString: text, size: pixels)
    }
    return try RunLengthMask(size: pixels, counts: segmentation["counts"].ints)
  }
}
