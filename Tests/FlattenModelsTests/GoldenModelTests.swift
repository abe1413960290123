import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenModels
import FlattenTensor
import TestSupport
import Testing

/// Whole segmentors and classifiers of the golden set, compared at every level.
@Suite struct GoldenModelTests {
  static let segmentors = Fixtures.segmentors + Golden.literatureNetworks(kind: "segmentor")

  @Test func noKindIsMissing() {
    #expect(Fixtures.lacking(["segmentor", "classifier"]).isEmpty)
    #expect(Fixtures.lackingLiterature(kinds: ["segmentor", "classifier"]).isEmpty)
  }

  /// The wide set's necks and heads are joined wherever published models' are.
  @Test func publishedWaysAreTaken() throws {
    func joins(_ neck: Int, _ head: Int) -> Bool {
      PackedConvolutionPair.saves(inputs: neck, middle: neck, outputs: head)
    }
    let pyramids = try Fixtures.wideSegmentors.map { try Golden($0).parameters }
      .filter { !$0["neck"].isNull }
    #expect(!pyramids.isEmpty)
    for p in pyramids {
      let neck = try #require(p["neck"]["out_channels"].int)
      let head = try #require(p["decode_head"]["channels"].int)
      #expect(joins(neck, head) == joins(256, 128))
    }
  }

  /// - Parameter build: makes the model of its config and its parameters.
  private func load(
    _ golden: Golden, name: String,
    build: (SegmentorConfiguration, ParameterScope) throws -> SemanticSegmentor
  ) throws -> SemanticSegmentor {
    let configuration = try SegmentorConfiguration(golden.parameters, name: name)
    let tree = try golden.weights(translating: configuration.translating)
    let model = try build(configuration, tree.root)
    try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(configuration))
    return model
  }

  /// The model as users run it: loaded for inference.
  @Test(arguments: segmentors) func segmentorAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let model = try load(golden, name: fixture.id) { try SemanticSegmentor.load($0, from: $1) }
    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    let x = try golden.map()
    try expectAgreement(golden, logits: model(x, pass), height: x.shape[1], width: x.shape[2])
  }

  /// Its parts one after the other, so that a failure names the first to diverge.
  @Test(arguments: segmentors) func partsAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let model = try load(golden, name: fixture.id) { try SemanticSegmentor($0, from: $1) }
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let x = try golden.map()

    let stages = model.backbone(x, pass)
    #expect(golden.expected["stage\(stages.count)"] != nil)
    for (index, map) in stages.enumerated() where golden.expected["stage\(index + 1)"] != nil {
      #expect(golden.mismatch(map: "stage\(index + 1)", map) == nil)
    }
    let levels = model.neck?(stages, pass) ?? stages
    for (index, map) in levels.enumerated() where golden.expected["fpn\(index + 1)"] != nil {
      #expect(golden.mismatch(map: "fpn\(index + 1)", map) == nil)
    }
    try expectAgreement(
      golden, logits: model.head(levels, pass), height: x.shape[1], width: x.shape[2])
  }

  /// Compares the logits `[B, H', W', classes]`, and what of the case is at the picture's size.
  private func expectAgreement(
    _ golden: Golden, logits: Tensor, height: Int, width: Int
  ) throws {
    #expect(golden.mismatch(map: "logits", logits) == nil)
    let full = ForwardPass(threads: ThreadPool(threads: 2)).resizeBilinear(
      logits, height: height, width: width, alignCorners: false, layer: "")
    if golden.expected["logits_full"] != nil {
      #expect(golden.mismatch(map: "logits_full", full) == nil)
    }
    if golden.expected["logits_full_sample"] != nil {
      let stride = golden.parameters["logits_full_stride"].ints
      try #require(stride.count == 2)
      #expect(
        golden.mismatch(
          map: "logits_full_sample", full.sampled(rows: stride[0], columns: stride[1])) == nil)
    }
    if golden.expected["labels"] != nil {
      #expect(golden.mismatch(labels: "labels", full.argmax()) == nil)
    }
  }

  static let classifiers =
    Fixtures.cases(kinds: ["classifier"]) + Fixtures.familyCases(kind: "classifier")
    + Golden.literatureNetworks(kind: "classifier")

  @Test(arguments: classifiers) func classifierAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let configuration = try ClassifierConfiguration(golden.parameters, name: fixture.id)
    let tree = try golden.weights(translating: configuration.translating)
    let model = try ImageClassifier.load(configuration, from: tree.root)
    try tree.finish(ignoring: ImageClassifier.ignoredKeys(configuration))
    let (features, logits) = model(
      try golden.map(), ForwardPass(threads: ThreadPool(threads: 2)))
    if golden.expected["features"]?.shape == features.shape {
      #expect(golden.mismatch("features", features) == nil)
    } else {
      Issue.record(
        "features are \(features.shape), expected \(golden.expected["features"]?.shape ?? [])")
    }
    #expect(golden.mismatch("logits", logits) == nil)
  }
}

extension ClassifierConfiguration {
  /// Reads a golden case's `params` through the config reader.
  init(_ p: JSONValue, name: String) throws {
    let model = JSONValue.object([
      "backbone": Golden.backboneSection(p),
      "classifier": .object(["num_classes": p["num_classes"]]),
    ])
    try self.init(ConfigNode.parse(model.configText, name: name))
  }
}

extension SegmentorConfiguration {
  /// Reads a golden case's `params` through the config reader.
  init(_ p: JSONValue, name: String) throws {
    try self.init(ConfigNode.parse(Golden.modelText(p), name: name))
  }
}
