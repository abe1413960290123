import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenRegions
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenModels

/// Necks and heads of detectors against mmdetection's, feature maps in.
@Suite struct GoldenDetectionHeadTests {
  static let kinds: Set<String> = [
    "det_neck", "retina_head", "rpn_head", "standard_roi_head", "cascade_roi_head",
  ]

  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingDetection(kinds: Self.kinds).isEmpty)
  }

  private func configuration(_ golden: Golden, _ fixture: FixtureCase) throws
    -> DetectorConfiguration
  {
    let text = Golden.detectorText(golden.parameters["model"], kind: fixture.kind)
    return try DetectorConfiguration(ConfigNode.parse(text, name: fixture.id))
  }

  private func placements(_ p: JSONValue, isRescaled: Bool) throws -> [PicturePlacement] {
    try p["metas"].list.map { meta in
      let inside = meta["img_shape"].ints
      let scale = meta["scale_factor"].list.compactMap(\.number)
      try #require(inside.count == 2 && scale.count == 2)
      let size = PixelSize(height: inside[0], width: inside[1])
      return isRescaled
        ? PicturePlacement(inside: size, scale: (scale[0], scale[1]))
        : PicturePlacement(inside: size)
    }
  }

  @Test(arguments: Fixtures.detectionCases(kind: "det_neck"))
  func neckAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let c = try configuration(golden, fixture)
    let x = try golden.maps()
    let (start, further) = c.pyramid(of: x.count)
    let infos = x.enumerated().map { FeatureInfo(channels: $1.shape[3], stride: 4 << $0) }
    let tree = try golden.moduleWeights(below: "neck.")
    let neck = try FeaturePyramidNetwork(
      from: Array(infos.dropFirst(start)), channels: c.neckChannels, further: further,
      tree: tree.root.scope("neck"))
    try tree.finish(ignoring: [])
    let y = neck(Array(x.dropFirst(start)), ForwardPass(threadCount: 2))
    #expect(y.count == golden.expected.count)
    for (index, map) in y.enumerated() {
      #expect(golden.mismatch(map: "y\(index + 1)", map) == nil)
      #expect(map.shape[3] == neck.featureInfo[index].channels)
    }
  }

  @Test(
    arguments: Fixtures.detectionCases(kind: "retina_head")
      + Fixtures.detectionCases(kind: "rpn_head"))
  func denseHeadAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let c = try configuration(golden, fixture)
    let isProposing = fixture.kind == "rpn_head"
    let place = isProposing ? "rpn_head" : "bbox_head"
    let tree = try golden.moduleWeights(below: place + ".")
    let scope = tree.root.scope(place)
    let head =
      isProposing
      ? try DenseHead(proposals: c, in: c.neckChannels, from: scope)
      : try DenseHead(retina: c, in: c.neckChannels, from: scope)
    try tree.finish(ignoring: [])
    let boxes = AnchorBoxes(
      c.anchors, strides: golden.parameters["model"]["anchor_generator"]["strides"].ints)
    let pass = ForwardPass(threadCount: 2)
    let output = head(try golden.maps(), pass)
    for level in output.scores.indices {
      for (name, map) in [
        ("cls_score\(level + 1)", output.scores[level]),
        ("bbox_pred\(level + 1)", output.deltas[level]),
      ] where golden.expected[name] != nil {
        #expect(golden.mismatch(map: name, map) == nil)
      }
    }
    for (prefix, isRescaled) in [("", true), ("network_", false)] {
      let placements = try placements(golden.parameters, isRescaled: isRescaled)
      for (item, placement) in placements.enumerated() {
        let name = prefix + (placements.count > 1 ? "image\(item)_" : "")
        guard golden.expected[name + "bboxes"] != nil else { continue }
        let found =
          isProposing
          ? boxes.proposals(output, item: item, placement: placement, c.selection, pass)
          : boxes.objects(output, item: item, placement: placement, c.selection, pass)
        try expect(found, golden, name)
      }
    }
  }

  /// Compares boxes, scores and labels.
  private func expect(_ found: [ScoredBox], _ golden: Golden, _ prefix: String) throws {
    #expect(golden.mismatch(found: prefix + "bboxes", boxes(found.map(\.box))) == nil)
    #expect(
      golden.mismatch(found: prefix + "scores", Tensor([found.count], found.map(\.score))) == nil)
    if golden.expected[prefix + "labels"] != nil {
      #expect(
        golden.mismatch(
          found: prefix + "labels", Tensor([found.count], found.map { Float($0.label) })) == nil)
    }
  }

  private func boxes(_ boxes: [Box]) -> Tensor {
    Tensor([boxes.count, 4], boxes.flatMap { [$0.left, $0.top, $0.right, $0.bottom] })
  }

  private func regions(_ regions: [RegionOfInterest]) -> Tensor {
    Tensor(
      [regions.count, 5],
      regions.flatMap {
        [Float($0.item), $0.box.left, $0.box.top, $0.box.right, $0.box.bottom]
      })
  }

  @Test(
    arguments: Fixtures.detectionCases(kind: "standard_roi_head")
      + Fixtures.detectionCases(kind: "cascade_roi_head"))
  func regionHeadAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let c = try configuration(golden, fixture)
    let tree = try golden.moduleWeights(below: "roi_head.", translating: c.translating)
    let strides = golden.parameters["model"]["bbox_roi_extractor"]["featmap_strides"].ints
    let head = try RegionHead(
      c, from: strides.map { FeatureInfo(channels: c.neckChannels, stride: $0) },
      tree: tree.root.scope("roi_head"))
    try tree.finish(ignoring: ObjectDetector.ignoredKeys(c))
    let isRescaled = golden.parameters["rescale"].bool ?? true
    let placements = try placements(golden.parameters, isRescaled: isRescaled)
    let maps = try golden.maps()
    let proposals = try placements.indices.flatMap { item in
      let boxes = try golden.input(placements.count > 1 ? "proposals\(item)" : "proposals")
      let numbers = boxes.elements
      return (0..<boxes.shape[0]).map { row in
        head.region(
          Box(
            left: numbers[4 * row], top: numbers[4 * row + 1], right: numbers[4 * row + 2],
            bottom: numbers[4 * row + 3]), item: item)
      }
    }
    let pass = ForwardPass(threadCount: 2)
    let tap = OutputTap(pass)
    let stages = head.stages(maps, proposals, placements: placements, pass)
    for (index, stage) in stages.enumerated() {
      let prefix = fixture.kind == "cascade_roi_head" ? "stage\(index + 1)_" : ""
      #expect(golden.mismatch(prefix + "rois", regions(stage.regions)) == nil)
      #expect(
        golden.mismatch(
          prefix + "roi_levels",
          Tensor([stage.regions.count], stage.regions.map { Float($0.level) })) == nil)
      #expect(golden.mismatch(prefix + "cls_score", stage.scores) == nil)
      #expect(golden.mismatch(prefix + "bbox_pred", stage.deltas) == nil)
    }
    if stages.count == 1, golden.expected["bbox_feats"] != nil {
      let cut = try #require(tap.outputs["roi_head.bbox_roi_extractor"])
      #expect(golden.mismatch(map: "bbox_feats", cut) == nil)
    }
    var found: [[ScoredBox]] = []
    for (item, placement) in placements.enumerated() {
      found.append(head.boxes(stages, item: item, placement: placement, c.selection))
    }
    let all = found.enumerated().flatMap { item, boxes in
      boxes.map { head.region($0.box, item: item) }
    }
    if head.hasMasks, !all.isEmpty {
      #expect(golden.mismatch("mask_rois", regions(all)) == nil)
      try expectMasks(head, maps, all, found, placements, c, golden, pass)
    }
    for (item, placement) in placements.enumerated() {
      let prefix = placements.count > 1 ? "image\(item)_" : ""
      try expect(
        found[item].map { box in
          var box = box
          if head.hasMasks { box.box = box.box.divided(x: placement.scale.x, y: placement.scale.y) }
          return box
        }, golden, prefix)
    }
  }

  private func expectMasks(
    _ head: RegionHead, _ maps: [Tensor], _ regions: [RegionOfInterest], _ found: [[ScoredBox]],
    _ placements: [PicturePlacement], _ c: DetectorConfiguration, _ golden: Golden,
    _ pass: ForwardPass
  ) throws {
    let logits = head.masks(maps, regions, pass)
    let boxes = found.flatMap { $0 }
    for (stage, map) in logits.enumerated() {
      let name = logits.count > 1 ? "stage\(stage + 1)_mask_logits" : "mask_logits"
      let side = map.shape[1]
      let values = map.elements
      let own = boxes.enumerated().flatMap { row, box in
        (0..<side * side).map { values[(row * side * side + $0) * c.classes + box.label] }
      }
      #expect(golden.mismatch(name, Tensor([boxes.count, side, side], own)) == nil)
    }
    var row = 0
    for (item, placement) in placements.enumerated() {
      let prefix = placements.count > 1 ? "image\(item)_" : ""
      let size = try #require(golden.expected[prefix + "masks"]?.shape)
      let bitmaps = found[item].map { box in
        defer { row += 1 }
        let cells = head.mask(logits, row: row, label: box.label)
        return cells.withUnsafeBufferPointer {
          RunLengthMask(
            pasting: $0, side: PixelSize(height: 28, width: 28),
            in: box.box.divided(x: placement.scale.x, y: placement.scale.y),
            size: PixelSize(height: size[1], width: size[2]), threshold: c.selection.mask
          ).bitmap()
        }
      }
      #expect(golden.mismatch(masks: prefix + "masks", bitmaps) == nil)
    }
  }
}
