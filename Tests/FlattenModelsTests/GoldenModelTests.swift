import FlattenBackbones
import FlattenConfig
import FlattenModels
import FlattenTensor
import TestSupport
import Testing

/// Whole segmentors and classifiers of the golden set, compared at every level.
@Suite struct GoldenModelTests {
  static let segmentors =
    Fixtures.cases(kinds: ["segmentor"]) + Fixtures.familyCases(kind: "segmentor")

  @Test func theSetIsNotEmpty() {
    #expect(!Self.segmentors.isEmpty, "no segmentor cases in \(Fixtures.folder.path)")
    #expect(!Self.classifiers.isEmpty, "no classifier cases in \(Fixtures.folder.path)")
  }

  @Test(arguments: segmentors) func segmentorAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let configuration = try SegmentorConfiguration(golden.parameters, name: fixture.id)
    let tree = try golden.weights()
    let model = try SemanticSegmentor(configuration, from: tree.root)
    try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(configuration))
    let pass = ForwardPass(threads: ThreadPool(threads: 2))

    let stages = model.backbone(try golden.map(), pass)
    for (index, map) in stages.enumerated() where golden.expected["stage\(index + 1)"] != nil {
      #expect(golden.mismatch(map: "stage\(index + 1)", map) == nil)
    }
    let levels = model.neck?(stages, pass) ?? stages
    for (index, map) in levels.enumerated() where golden.expected["fpn\(index + 1)"] != nil {
      #expect(golden.mismatch(map: "fpn\(index + 1)", map) == nil)
    }
    let logits = model.head(levels, pass)
    #expect(golden.mismatch(map: "logits", logits) == nil)

    let x = try golden.map()
    let full = pass.resizeBilinear(
      logits, height: x.shape[1], width: x.shape[2], alignCorners: false, layer: "")
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

  @Test(arguments: classifiers) func classifierAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let family = try #require(Golden.families[p["type"].text ?? ""])
    let text = p.replacing(["type": .string(family), "num_classes": Optional<JSONValue>.none])
      .configText
    let configuration = try BackboneConfiguration(ConfigNode.parse(text, name: fixture.id))
    let tree = try golden.weights()
    let backbone = try configuration.makeClassifyingBackbone(from: tree.root)
    let model = try ImageClassifier(
      backbone, classes: try #require(p["num_classes"].int), from: tree.root)
    try tree.finish(
      ignoring: configuration.ignoredKeys.filter { !$0.pattern.hasPrefix("head") })
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

extension SegmentorConfiguration {
  /// Reads a golden case's `params` through the config reader.
  init(_ p: JSONValue, name: String) throws {
    try self.init(ConfigNode.parse(Golden.modelText(p), name: name))
  }
}

extension Tensor {
  /// Every so-manieth row and column of a map.
  fileprivate func sampled(rows: Int, columns: Int) -> Tensor {
    let ys = Array(stride(from: 0, to: shape[1], by: rows))
    let xs = Array(stride(from: 0, to: shape[2], by: columns))
    let values = elements
    var picked: [Float] = []
    for item in 0..<shape[0] {
      for y in ys {
        for x in xs {
          let start = ((item * shape[1] + y) * shape[2] + x) * shape[3]
          picked += values[start..<start + shape[3]]
        }
      }
    }
    return Tensor([shape[0], ys.count, xs.count, shape[3]], picked)
  }
}
