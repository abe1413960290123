import FlattenCheckpoint
import FlattenConfig
import FlattenModels
import FlattenTensor
import TestSupport
import Testing

@Suite struct SegmentationHeadTests {
  private func configuration(_ rest: String) throws -> SegmentorConfiguration {
    try SegmentorConfiguration(
      ConfigNode.parse("{backbone: {type: pvt_v2, variant: b0}, \(rest)}", name: "model.yaml"))
  }

  static let refused = [
    ("decode_head: {type: fpn_head, channels: 8, num_classes: 5}", "neck"),
    (
      "neck: {out_channels: 8}, decode_head: {type: uper_head, channels: 8, num_classes: 5}", "neck"
    ),
    (
      "neck: {out_channels: 8}, decode_head: {type: segformer_head, channels: 8, num_classes: 5}",
      "neck"
    ),
    (
      "neck: {out_channels: 8}, "
        + "decode_head: {type: fpn_head, channels: 8, num_classes: 5, pool_scales: [1]}",
      "decode_head.pool_scales"
    ),
    (
      "decode_head: {type: uper_head, channels: 8, num_classes: 5, pool_scales: [0]}",
      "decode_head.pool_scales[0]"
    ),
    ("decode_head: {type: psp_head, channels: 8, num_classes: 5}", "decode_head.type"),
    ("decode_head: {channels: 8, num_classes: 5}", "decode_head.type"),
    ("decode_head: {type: uper_head, num_classes: 5}", "decode_head.channels"),
  ]

  @Test(arguments: refused) func refusesWhatMakesNoSense(rest: String, key: String) {
    let error = #expect(throws: ConfigError.self) { try configuration(rest) }
    #expect(error?.key == key)
  }

  @Test(arguments: ["uper_head", "segformer_head"]) func defaults(type: String) throws {
    let head = try configuration("decode_head: {type: \(type), channels: 8, num_classes: 5}").head
    #expect(head.kind == (type == "uper_head" ? .uper(poolScales: [1, 2, 3, 6]) : .allMLP))
    #expect(!head.alignCorners && head.normEpsilon == 1e-5)
  }

  /// Any size from 32 on, also where the coarsest level has fewer cells than the pooled grids.
  @Test(arguments: ["uper_head", "segformer_head"]) func anySizeRuns(type: String) throws {
    let c = try configuration("decode_head: {type: \(type), channels: 8, num_classes: 5}")
    let model = try SemanticSegmentor(c, from: ParameterTree.random(seed: 1).root)
    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    for (height, width) in [(32, 32), (33, 95), (70, 64)] {
      let logits = model(Tensor(zeros: [1, height, width, 3]), pass)
      #expect(logits.shape == [1, (height + 3) / 4, (width + 3) / 4, 5])
      #expect(logits.isFinite)
    }
  }

  /// A backbone of one map.
  @Test(arguments: ["uper_head", "segformer_head"]) func oneLevelIsEnough(type: String) throws {
    let text = """
      {backbone: {type: deit, variant: tiny}, \
      decode_head: {type: \(type), channels: 8, num_classes: 5}}
      """
    let c = try SegmentorConfiguration(ConfigNode.parse(text, name: "model.yaml"))
    let model = try SemanticSegmentor(c, from: ParameterTree.shapesOnly().root)
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    #expect(model(Tensor(uninitialized: [1, 64, 48, 3]), pass).shape == [1, 4, 3, 5])
  }

  /// What mmsegmentation's training adds to a checkpoint is there and not read: its FCN head on the third
  /// map, under the names that it has in UPerNet's checkpoints, and the counters of batch norms.
  @Test(arguments: [
    "neck: {out_channels: 8}, decode_head: {type: fpn_head, channels: 8, num_classes: 5}",
    "decode_head: {type: uper_head, channels: 8, num_classes: 5}",
    "decode_head: {type: segformer_head, channels: 8, num_classes: 5}",
  ]) func whatOnlyTrainingNeedsIsIgnored(rest: String) throws {
    let c = try configuration(rest)
    let shapes = ParameterTree.shapesOnly()
    _ = try SemanticSegmentor(c, from: shapes.root)
    let parameters = shapes.requested.map { ($0.name, $0.shape, true) }
    let norms = parameters.filter { $0.0.hasSuffix("running_mean") }
      .map { ($0.0.replacing("running_mean", with: "num_batches_tracked"), [Int](), false) }
    #expect(!norms.isEmpty)
    let auxiliary = [
      ("convs.0.conv.weight", [8, 160, 3, 3]), ("convs.0.bn.weight", [8]),
      ("convs.0.bn.bias", [8]), ("convs.0.bn.running_mean", [8]), ("convs.0.bn.running_var", [8]),
      ("conv_seg.weight", [5, 8, 1, 1]), ("conv_seg.bias", [5]),
    ].map { ("auxiliary_head.\($0.0)", $0.1, true) }

    func logits(_ parameters: [(String, [Int], Bool)]) throws -> [Float] {
      let tree = ParameterTree(source: FormulaParameters(parameters))
      let model = try SemanticSegmentor(c, from: tree.root)
      try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(c))
      let pass = ForwardPass(threads: ThreadPool(threads: 2))
      return model(FormulaParameters.picture(height: 37, width: 54), pass).elements
    }
    let plain = try logits(parameters)
    #expect(try logits(parameters + norms + auxiliary) == plain)
    #expect(throws: ParameterError.self) {
      try logits(parameters + [("auxiliary.conv_seg.bias", [5], true)])
    }
  }
}
