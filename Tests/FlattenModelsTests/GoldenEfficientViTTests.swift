import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenModels

/// EfficientViT's block, backbones, classifier and segmentor against their authors' classes.
@Suite struct GoldenEfficientViTTests {
  static let types: Set = ["EfficientViT", "EfficientViTLarge"]

  static let blocks = Fixtures.literatureCases(kinds: ["block_evit"])

  static func networks(_ kind: String) -> [FixtureCase] {
    Fixtures.literatureCases(kinds: [kind]).filter { fixture in
      guard let p = try? fixture.json()["params"] else { return true }
      return types.contains((p["backbone"].isNull ? p : p["backbone"])["type"].text ?? "")
    }
  }

  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingLiterature(kinds: ["block_evit"]).isEmpty)
  }

  private let counters = [
    IgnoredKeys(pattern: "*.num_batches_tracked", reason: "a training counter")
  ]

  @Test(arguments: blocks) func blockAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let activation = try #require(ActivationName(rawValue: p["act_func"].text ?? ""))
    let tree = try golden.weights()
    let block = try EfficientViTBlock(
      try #require(p["dim"].int), width: try #require(p["dim_head"].int),
      expansion: try #require(p["expand_ratio"].number), activation: activation.activation,
      normEpsilon: Float(try #require(p["norm_eps"].number)), from: tree.root)
    try tree.finish(ignoring: counters)
    try expectSameBits {
      block(try golden.map(), $0)
    } agreeing: {
      #expect(golden.mismatch(map: "y", $0) == nil)
    }
  }

  /// The same bits with 1, 2 and 3 threads.
  private func expectSameBits(
    _ run: (ForwardPass) throws -> Tensor, agreeing check: (Tensor) -> Void
  ) throws {
    var bits: [[UInt32]] = []
    for threads in 1...3 {
      let y = try run(ForwardPass(threads: ThreadPool(threads: threads)))
      check(y)
      bits.append(y.elements.map(\.bitPattern))
    }
    #expect(bits[0] == bits[1] && bits[0] == bits[2])
  }

  @Test(arguments: networks("backbone")) func backboneAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let section = Golden.efficientViTBackbone(golden.parameters)
    let c = try BackboneConfiguration(ConfigNode.parse(section.configText, name: fixture.id))
    let tree = try golden.weights { c.translating($0, below: "") }
    let backbone = try c.make(for: .densePrediction, from: tree.root)
    try tree.finish(ignoring: c.ignoredKeys)
    let x = try golden.map()
    var stem: [Tensor] = []
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    pass.observer = {
      if case .intermediate(let name, let tensor, _) = $0, name == "stem" {
        stem.append(tensor)
      }
    }
    let maps = backbone(x, pass)
    if golden.expected["stem"] != nil {
      let map = try #require(stem.first)
      #expect(golden.mismatch(map: "stem", map) == nil)
    }
    #expect(maps.count == 4)
    for (index, map) in maps.enumerated() {
      #expect(golden.mismatch(map: "stage\(index + 1)", map) == nil)
    }
    let again = backbone(x, ForwardPass(threads: ThreadPool(threads: 3)))
    let alone = backbone(x, ForwardPass(threads: ThreadPool(threads: 1)))
    #expect(zip(maps, again).allSatisfy { $0.elements == $1.elements })
    #expect(zip(maps, alone).allSatisfy { $0.elements == $1.elements })
  }

  @Test(arguments: networks("classifier")) func classifierAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let text = JSONValue.object([
      "backbone": Golden.efficientViTBackbone(
        p.replacing([
          "num_classes": Optional<JSONValue>.none, "head_widths": Optional<JSONValue>.none,
        ])),
      "classifier": .object([
        "type": .string("efficientvit_head"), "num_classes": p["num_classes"],
        "head_widths": p["head_widths"], "act_func": p["act_func"], "norm_eps": p["norm_eps"],
      ]),
    ]).configText
    let c = try ClassifierConfiguration(ConfigNode.parse(text, name: fixture.id))
    let tree = try golden.weights(translating: c.translating)
    let model = try ImageClassifier.load(c, from: tree.root)
    try tree.finish(ignoring: ImageClassifier.ignoredKeys(c))
    let x = try golden.map()
    try expectSameBits {
      model(x, $0).logits
    } agreeing: {
      #expect(golden.mismatch("logits", $0) == nil)
    }
  }

  @Test(arguments: networks("segmentor")) func segmentorAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let c = try SegmentorConfiguration(
      ConfigNode.parse(Golden.modelText(golden.parameters), name: fixture.id))
    let tree = try golden.weights(translating: c.translating)
    let model = try SemanticSegmentor.load(c, from: tree.root)
    try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(c))
    let x = try golden.map()
    try expectSameBits {
      model(x, $0)
    } agreeing: {
      #expect(golden.mismatch(map: "logits", $0) == nil)
    }

    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let maps = model.backbone(x, pass)
    for (index, map) in maps.enumerated() {
      #expect(golden.mismatch(map: "stage\(index + 1)", map) == nil)
    }
    let head = try #require(model.head as? EfficientViTHead)
    let sum = head.merged(maps, pass)
    #expect(golden.mismatch(map: "merged", sum) == nil)
    #expect(golden.mismatch(map: "middle", head.middle(sum, pass)) == nil)
    let full = pass.resizeBicubic(
      head(maps, pass), height: x.shape[1], width: x.shape[2], layer: "")
    let steps = golden.parameters["logits_full_stride"].ints
    try #require(steps.count == 2)
    #expect(
      golden.mismatch(
        map: "logits_full_sample", full.sampled(rows: steps[0], columns: steps[1])) == nil)
    #expect(golden.mismatch(labels: "labels", full.argmax()) == nil)
  }

  /// Sides that are no multiples of 32: logits at stride 8, rounded up.
  @Test func anySizeHasLogits() throws {
    let text = """
      {backbone: {type: efficientvit, variant: b0},
       decode_head: {type: efficientvit_head, channels: 32, head_depth: 1, expand_ratio: 4,
        middle_op: mbconv, act_func: hswish, norm_eps: 1.0e-5, num_classes: 5}}
      """
    let c = try SegmentorConfiguration(ConfigNode.parse(text, name: "b0"))
    let model = try SemanticSegmentor.load(c, from: ParameterTree.shapesOnly().root)
    for (height, width) in [(32, 32), (33, 95), (500, 333), (1, 1)] {
      let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
      let y = model(Tensor(uninitialized: [2, height, width, 3]), pass)
      #expect(y.shape == [2, (height + 7) / 8, (width + 7) / 8, 5])
    }
  }

  /// The head reads three maps: a backbone of one is refused by the config's key.
  @Test func tooFewMapsAreRefused() throws {
    let text = """
      {backbone: {type: deit, variant: tiny},
       decode_head: {type: efficientvit_head, channels: 32, head_depth: 1, expand_ratio: 4,
        middle_op: mbconv, act_func: hswish, norm_eps: 1.0e-5, num_classes: 5}}
      """
    let c = try SegmentorConfiguration(ConfigNode.parse(text, name: "deit"))
    let error = #expect(throws: ConfigError.self) {
      _ = try SemanticSegmentor.load(c, from: ParameterTree.shapesOnly().root)
    }
    #expect(error?.key == "decode_head.type")
  }
}
