import FlattenBackbones
import FlattenConfig
import FlattenImage
import FlattenModels
import FlattenRegions
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenVision

/// Whole detectors against mmdetection's, picture files in, compared at every step.
@Suite struct GoldenDetectorTests {
  static let cases = Fixtures.detectionCases(kind: "detector")

  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingDetection(kinds: ["detector"]).isEmpty)
  }

  /// A case's model and how its pictures are prepared.
  private struct Loaded {
    let golden: Golden
    let model: DetectorConfiguration
    let network: ObjectDetector
    let input: InputRule
    let picture: Image

    init(_ fixture: FixtureCase) throws {
      golden = try Golden(fixture)
      let p = golden.parameters
      model = try DetectorConfiguration(
        ConfigNode.parse(Golden.detectorText(p["model"], kind: fixture.kind), name: fixture.id))
      let tree = try golden.weights(translating: model.translating)
      network = try ObjectDetector.load(model, from: tree.root)
      try tree.finish(ignoring: ObjectDetector.ignoredKeys(model))
      let input = JSONValue.object([
        "mean": p["preprocessor"]["mean"], "std": p["preprocessor"]["std"],
        "scale": p["pipeline"]["scale"],
        "pad_to_multiple_of": p["preprocessor"]["pad_size_divisor"],
      ])
      self.input = try InputRule(ConfigNode.parse(input.configText, name: fixture.id))
      let file = try #require(try fixture.file("image"))
      picture = try Image.decode(path: file.path).value
    }
  }

  @Test(arguments: cases) func detectorAgrees(with fixture: FixtureCase) throws {
    let loaded = try Loaded(fixture)
    let (golden, network) = (loaded.golden, loaded.network)
    let resized = loaded.input.resized(loaded.picture)
    expect(bgr: "decoded_bgr", loaded.picture, golden)
    expect(bgr: "resized_bgr", resized, golden)
    let padded = loaded.input.padded(resized.size)
    #expect(golden.expected["input_shape"]?.integers == [padded.height, padded.width])

    let pass = ForwardPass(threadCount: 2)
    let x = loaded.input.normalised(resized, to: padded, pool: BufferPool())
    let stages = network.backbone(x, pass)
    for (index, map) in stages.enumerated() where golden.expected["stage\(index + 1)"] != nil {
      #expect(golden.mismatch(map: "stage\(index + 1)", map) == nil)
    }
    let tap = OutputTap(pass)
    let output = network.output(x, pass)
    for (index, map) in output.levels.enumerated() where golden.expected["fpn\(index + 1)"] != nil {
      #expect(golden.mismatch(map: "fpn\(index + 1)", map) == nil)
    }
    let names = loaded.model.kind.hasProposals ? ("rpn_cls", "rpn_reg") : ("cls_score", "bbox_pred")
    for level in output.levels.indices {
      for (name, map) in [
        ("\(names.0)\(level + 1)", output.dense.scores[level]),
        ("\(names.1)\(level + 1)", output.dense.deltas[level]),
      ] where golden.expected[name] != nil {
        #expect(golden.mismatch(map: name, map) == nil)
      }
    }
    let placement = PicturePlacement(inside: resized.size, of: loaded.picture.size)
    #expect(
      golden.mismatch(
        "scale_factor", Tensor([2], [placement.scale.x, placement.scale.y])) == nil)
    let found = try #require(
      network.objects(in: output, placements: [placement], loaded.model.selection, pass))[0]
    for (name, layer) in [
      ("cls_score", "roi_head.bbox_head.fc_cls"), ("bbox_pred", "roi_head.bbox_head.fc_reg"),
      ("stage1_cls_score", "roi_head.bbox_head.0.fc_cls"),
      ("stage2_cls_score", "roi_head.bbox_head.1.fc_cls"),
      ("stage3_cls_score", "roi_head.bbox_head.2.fc_cls"),
      ("stage1_bbox_pred", "roi_head.bbox_head.0.fc_reg"),
      ("stage2_bbox_pred", "roi_head.bbox_head.1.fc_reg"),
      ("stage3_bbox_pred", "roi_head.bbox_head.2.fc_reg"),
    ] where golden.expected[name] != nil {
      #expect(golden.mismatch(name, try #require(tap.outputs[layer])) == nil)
    }
    expect(found, golden, "")
    try expectMasks(found, loaded)
    if golden.expected["network_bboxes"] != nil {
      let own = PicturePlacement(inside: resized.size)
      let unscaled = try #require(
        network.objects(in: output, placements: [own], loaded.model.selection, pass))[0]
      expect(unscaled, golden, "network_")
    }
  }

  private func expect(bgr name: String, _ picture: Image, _ golden: Golden) {
    guard let wanted = golden.expected[name] else { return }
    #expect(Array(wanted.shape) == [picture.height, picture.width, 3])
    let allowed = Int(golden.json["expected"][name]["acceptable_atol"].number ?? 0)
    let got = (0..<picture.pixels.count).map { Int(picture.pixels[$0 / 3 * 3 + 2 - $0 % 3]) }
    #expect(zip(got, wanted.integers).allSatisfy { abs($0 - $1) <= allowed }, "\(name)")
  }

  private func expect(_ found: [FoundObject], _ golden: Golden, _ prefix: String) {
    let boxes = found.flatMap { [$0.box.left, $0.box.top, $0.box.right, $0.box.bottom] }
    #expect(golden.mismatch(found: prefix + "bboxes", Tensor([found.count, 4], boxes)) == nil)
    #expect(
      golden.mismatch(found: prefix + "scores", Tensor([found.count], found.map(\.score))) == nil)
    #expect(
      golden.mismatch(
        found: prefix + "labels", Tensor([found.count], found.map { Float($0.label) })) == nil)
  }

  private func expectMasks(_ found: [FoundObject], _ loaded: Loaded) throws {
    guard loaded.golden.expected["masks"] != nil else { return }
    let size = loaded.picture.size
    let side = PixelSize(height: 2 * MaskHead.side, width: 2 * MaskHead.side)
    let masks = try found.map { object in
      try #require(object.mask).withUnsafeBufferPointer {
        RunLengthMask(
          pasting: $0, side: side, in: object.box, size: size,
          threshold: loaded.model.selection.mask)
      }
    }
    #expect(loaded.golden.mismatch(masks: "masks", masks.map { $0.bitmap() }) == nil)
  }
}
