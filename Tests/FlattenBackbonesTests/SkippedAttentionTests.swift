import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenTensor
import TestSupport
import Testing

/// Blocks that take the attention of the one before, through configs.
@Suite struct SkippedAttentionTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Families with two blocks in one of their stages, and that stage.
  static let families = [
    ("flatten_pvt", 1), ("flatten_pvt_v2", 1), ("pvt", 1), ("pvt_v2", 1), ("flatten_swin", 1),
    ("swin", 1), ("flatten_cswin", 1), ("cswin", 1), ("deit", 0), ("flatten_deit", 0),
  ]

  private static let input = Tensor(
    [1, 75, 101, 3], (0..<75 * 101 * 3).map { Float($0 * 7919 % 1009) / 500 - 1 })

  private func config(_ family: String, skipping: String) throws -> String {
    let numbers = SmallConfigs.families[family] ?? ""
    return try SmallConfigs.file(
      family, numbers: "\(numbers), skip_attention: \(skipping)", in: folder)
  }

  private func skipping(_ family: String, _ stage: Int, _ blocks: String) -> String {
    let stages = family.contains("deit") ? 1 : 4
    return "["
      + (0..<stages).map { $0 == stage ? "[\(blocks)]" : "[]" }.joined(separator: ", ") + "]"
  }

  /// Other maps than without, finite; the same bits whether or not intermediates are handed out; and no first norm.
  @Test(arguments: families) func blocksSkip(family: String, stage: Int) throws {
    let plain = try Backbone.untrained(
      config: config(family, skipping: skipping(family, stage, "")), threads: 2)
    let backbone = try Backbone.untrained(
      config: config(family, skipping: skipping(family, stage, "1")), threads: 2)
    let maps = try backbone(Self.input).map(\.tensor)
    #expect(maps.allSatisfy { $0.isFinite })
    #expect(try plain(Self.input).map(\.tensor.shape) == maps.map(\.shape))
    #expect(try plain(Self.input).last?.tensor.elements != maps.last?.elements)

    let block = IntermediateNames.block(stage: stage, 1)
    #expect(plain.intermediateNames.contains("\(block).norm1"))
    #expect(!backbone.intermediateNames.contains("\(block).norm1"))
    var names: [String] = []
    let stepped = try backbone(Self.input, handingOut: backbone.intermediateNames) {
      names.append($0.name)
    }
    #expect(names == backbone.intermediateNames)
    #expect(stepped.map(\.tensor.elements) == maps.map(\.elements))
  }

  /// Parameters stand at the root, counted over the stages; those that skipped blocks have in files are left alone.
  @Test func keysAreThoseOfTheReleasedFiles() throws {
    let path = try config("flatten_pvt", skipping: "[[], [1], [], []]")
    let tree = ParameterTree.random(seed: 1)
    let configuration = try BackboneConfiguration(
      ConfigNode.load(path: path).map().required("model").map().required("backbone"))
    _ = try configuration.make(for: .densePrediction, from: tree.root)
    let names = tree.requested.map(\.name)
    #expect(names.contains("param_1.linear1.0.weight") && names.contains("param_1.eca.conv.weight"))
    #expect(!names.contains { $0.hasPrefix("block2.1.attn") || $0.hasPrefix("block2.1.norm1") })
    _ = try tree.root.tensor("block2.1.attn.q.weight", [16, 16])
    _ = try tree.root.tensor("block2.1.norm1.weight", [16])
    try tree.write(to: folder.path("w.safetensors"))
    _ = try Backbone.load(config: path, weights: folder.path("w.safetensors"))
    _ = try tree.root.tensor("block1.0.attn.qkv.weight", [16, 16])
    try tree.write(to: folder.path("w.safetensors"))
    let error = #expect(throws: ParameterError.self) {
      try Backbone.load(config: path, weights: folder.path("w.safetensors"))
    }
    #expect(
      error?.problems == [.leftOver(name: "block1.0.attn.qkv.weight", shape: [16, 16])])
  }

  @Test(arguments: [
    "[[1], [], [], []]", "[[], [0], [], []]", "[[], [2], [], []]", "[[], [1, 1], [], []]",
    "[[], [-1], [], []]", "[[], [1], []]", "[1]", "yes", "[[], [one], [], []]", "[[], 1, [], []]",
  ])
  func wrongListsAreRefused(text: String) throws {
    let error = #expect(throws: ConfigError.self) {
      try Backbone.untrained(config: config("flatten_pvt", skipping: text))
    }
    #expect(error?.key.contains("skip_attention") == true, "\(error?.description ?? "")")
  }
}
