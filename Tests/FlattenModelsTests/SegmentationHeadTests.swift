import FlattenCheckpoint
import FlattenConfig
import FlattenModels
import FlattenTensor
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
}
