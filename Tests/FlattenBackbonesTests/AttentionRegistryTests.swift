import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@testable import OwnModelParts

/// Attentions of other packages. `ReLUAttention` and `TwoLevels` are those of Examples/OwnModel, which is
/// built with nothing but what is public.
@Suite struct AttentionRegistryTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Adds nothing.
  private struct Nothing: TokenAttention {
    let site: AttentionSite

    func callAsFunction(
      _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
    ) -> Tensor {
      precondition(x.shape[1] == grid.count + site.classTokens)
      return residual ?? Tensor(zeros: x.shape)
    }
  }

  /// Adds the tokens it sees.
  private struct Identity: TokenAttention {
    func callAsFunction(
      _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
    ) -> Tensor {
      residual.map { pass.add(x, $0, layer: "identity") } ?? x
    }
  }

  private static let input = Tensor(
    [1, 64, 96, 3], (0..<64 * 96 * 3).map { Float($0 * 7919 % 1009) / 500 - 1 })

  private func config(_ family: String, letters: String) throws -> String {
    let numbers = (SmallConfigs.families[family] ?? "").replacing(", attn_type: LLSS", with: "")
      .replacing(", attn_type: LSLS", with: "")
    return try SmallConfigs.file(family, numbers: "\(numbers), attn_type: \(letters)", in: folder)
  }

  /// In every family a registered attention takes the place of the built-in one, sees all tokens and
  /// adds to the block what it should.
  @Test(arguments: [
    "flatten_pvt", "flatten_pvt_v2", "flatten_swin", "flatten_cswin", "flatten_deit",
  ])
  func registeredAttentionsAreUsed(family: String) throws {
    let isVision = family == "flatten_deit"
    let attentions = try AttentionRegistry([
      "N": { site, _ in Nothing(site: site) }, "i": { _, _ in Identity() },
    ])
    #expect(attentions.names == ["N", "i"])
    let letters = isVision ? "i" : "NiLS"
    let backbone = try Backbone.untrained(
      config: config(family, letters: letters), attentions: attentions, threads: 2)
    var got: [String: [Float]] = [:]
    let stage = isVision ? 0 : 1
    var names = ["norm1", "attn"].map { "stages.\(stage).blocks.0.\($0)" }
    if !isVision { names.append("stages.0.blocks.0.attn") }
    let maps = try backbone(Self.input, handingOut: names) { got[$0.name] = $0.map.tensor.elements }
    #expect(maps.count == (isVision ? 1 : 4) && maps.allSatisfy { $0.tensor.isFinite })
    #expect(got["stages.\(stage).blocks.0.attn"] == got["stages.\(stage).blocks.0.norm1"])
    if !isVision {
      #expect(got["stages.0.blocks.0.attn"]?.allSatisfy { $0 == 0 } == true)
    }
  }

  /// What a factory is told.
  @Test func sitesHaveTheConfigsNumbers() throws {
    let sites = Locked<[AttentionSite]>([])
    let attentions = try AttentionRegistry([
      "N": { site, scope in
        sites.withLock { $0.append(site) }
        #expect(scope.path == "block\(site.stage + 1).\(site.block).attn")
        return Nothing(site: site)
      }
    ])
    _ = try Backbone.untrained(
      config: config("flatten_pvt", letters: "LNSN"), attentions: attentions, threads: 1)
    let got = sites.withLock { $0 }
    #expect(got.map(\.stage) == [1, 1, 3] && got.map(\.block) == [0, 1, 0])
    #expect(got.map(\.channels) == [16, 16, 32] && got.map(\.heads) == [2, 2, 4])
    #expect(got[0].nativeGrid == Grid(28, 28) && got[2].nativeGrid == Grid(7, 7))
    #expect(got.allSatisfy { $0.classTokens == 0 && $0.qkvBias && $0.normEpsilon == 1e-5 })
  }

  /// The example's attention is what its formula says.
  @Test func reluAttentionIsItsFormula() throws {
    let (channels, heads, tokens) = (8, 2, 15)
    let scope = ParameterScope.random(seed: 3)
    let attention = try ReLUAttention(
      AttentionSite(channels: channels, heads: heads, nativeGrid: Grid(3, 5)), from: scope)
    let x = Tensor(
      [1, tokens, channels], (0..<tokens * channels).map { Float($0 * 37 % 23) / 8 - 1 })
    let y = attention(
      x, grid: Grid(3, 5), residual: nil, ForwardPass(threadCount: 2))

    func weight(_ name: String, _ outputs: Int) throws -> [[Double]] {
      let all = try scope.tensor("\(name).weight", [outputs, channels]).elements.map(Double.init)
      return (0..<outputs).map { Array(all[$0 * channels..<($0 + 1) * channels]) }
    }
    func product(_ rows: [[Double]], _ weight: [[Double]]) -> [[Double]] {
      rows.map { row in weight.map { column in zip(row, column).map { $0 * $1 }.reduce(0, +) } }
    }
    // Random weights have biases of zero.
    let rows = (0..<tokens).map { token in
      (0..<channels).map { Double(x.elements[token * channels + $0]) }
    }
    let q = product(rows, try weight("q", channels)).map { $0.map { max($0, 0) } }
    let kv = product(rows, try weight("kv", 2 * channels))
    let width = channels / heads
    var mixed = [[Double]](
      repeating: [Double](repeating: 0, count: channels), count: tokens)
    for head in 0..<heads {
      let part = head * width..<(head + 1) * width
      for token in 0..<tokens {
        let scores: [Double] = kv.map { row in
          part.map { q[token][$0] * max(row[$0], 0) }.reduce(0, +)
        }
        let sum = scores.reduce(0, +) + 1e-6 * Double(tokens)
        for channel in part {
          let weighted: [Double] = zip(scores, kv).map { $0 * $1[channels + channel] }
          mixed[token][channel] = weighted.reduce(0, +) / sum
        }
      }
    }
    let expected = product(mixed, try weight("proj", channels)).flatMap { $0 }
    #expect(
      Comparison.mismatch(
        y.elements, shape: y.shape, expected: expected, expectedShape: [1, tokens, channels],
        atol: 1e-5) == nil)
  }

  /// A model from parts is called like any other.
  @Test func modelsFromPartsRun() throws {
    let backbone = try Backbone.build("two levels", weights: nil, threads: 2) {
      try TwoLevels(from: $0)
    }
    #expect(backbone.name == "two levels" && backbone.leastSide == 8)
    var names: [String] = []
    let maps = try backbone(Self.input, handingOut: backbone.intermediateNames) {
      names.append($0.name)
    }
    #expect(maps.map(\.tensor.shape) == [[1, 16, 24, 32], [1, 8, 12, 64]])
    #expect(names == backbone.intermediateNames)

    // From a file, below a prefix, beside a head that is said to be left alone.
    let tree = ParameterTree.random(seed: 0)
    _ = try TwoLevels(from: tree.root)
    _ = try tree.root.tensor("head.weight", [4])
    try tree.write(to: folder.path("two.safetensors"))
    let loaded = try Backbone.build(
      "two levels", weights: folder.path("two.safetensors"), ignoring: ["head.*"], threads: 2
    ) { try TwoLevels(from: $0) }
    #expect(try loaded(Self.input).map(\.tensor.elements) == maps.map(\.tensor.elements))
    let error = #expect(throws: ParameterError.self) {
      try Backbone.build("two levels", weights: folder.path("two.safetensors")) {
        try TwoLevels(from: $0)
      }
    }
    #expect(error?.problems == [.leftOver(name: "head.weight", shape: [4])])
  }

  // MARK: Refusals

  @Test(arguments: ["flatten_pvt", "flatten_swin", "flatten_cswin", "flatten_deit"])
  func unknownLettersAreRefused(family: String) throws {
    let config = try config(family, letters: family == "flatten_deit" ? "X" : "LLXS")
    let bare = #expect(throws: ConfigError.self) { try Backbone.untrained(config: config) }
    #expect(bare?.key == "model.backbone.attn_type")
    #expect(bare?.description.contains("has the letter 'X'") == true)
    #expect(bare?.description.contains("L and S") == true)
    let attentions = try AttentionRegistry([
      "R": { site, scope in try ReLUAttention(site, from: scope) },
      "B": { site, _ in Nothing(site: site) },
    ])
    let error = #expect(throws: ConfigError.self) {
      try Backbone.untrained(config: config, attentions: attentions)
    }
    #expect(error?.description.contains("has the letter 'X'") == true)
    #expect(error?.description.contains("L and S, ") == true)
    #expect(error?.description.contains(", B") == true)
  }

  @Test(arguments: ["L", "S", "focused", "softmax", "1", "ß", " ", "", "a b", "-x"])
  func reservedNamesAreRefused(name: String) {
    #expect(throws: BackboneError.reservedAttention(name)) {
      try AttentionRegistry([name: { site, _ in Nothing(site: site) }])
    }
  }

  /// Each stage's options reach its attention; one that nothing reads, or a value out of range, is an error
  /// that names it.
  @Test func optionsReachTheAttention() throws {
    let powers = Locked<[Int]>([])
    let attentions = try AttentionRegistry([
      "relu": { site, scope in
        let power = try site.options.int("power", in: 1...8, default: 1)
        powers.withLock { $0.append(power) }
        return try ReLUAttention(site, from: scope)
      }
    ])
    func make(_ attention: String) throws -> Backbone {
      let numbers = "variant: b0, depths: [1, 1, 1, 1], attention: [\(attention), softmax]"
      return try Backbone.untrained(
        config: SmallConfigs.file("flatten_pvt_v2", numbers: numbers, in: folder),
        attentions: attentions, threads: 2)
    }
    let one = try make("relu, {type: relu, power: 3}, focused")
    #expect(powers.withLock { $0 } == [1, 3])
    let other = try make("relu, {type: relu, power: 2}, focused")
    let (a, b) = (try one(Self.input), try other(Self.input))
    #expect(a[0].tensor.elements == b[0].tensor.elements)
    #expect(a[1].tensor.elements != b[1].tensor.elements)
    for (attention, word) in [
      ("relu, {type: relu, slope: 3}, focused", "slope"),
      ("relu, {type: relu, power: 99}, focused", "power"),
      ("relu, {type: relu, power: many}, focused", "power"),
    ] {
      let error = #expect(throws: ConfigError.self) { try make(attention) }
      #expect(error?.key.hasSuffix(word) == true, "\(error?.description ?? "")")
    }
  }

  /// A registered attention reads its own parameters, and their names are checked like all others.
  @Test func parametersOfRegisteredAttentionsAreChecked() throws {
    let tree = ParameterTree.random(seed: 0)
    _ = try tree.root.tensor("block1.0.attn.q.weight", [8, 8])
    try tree.write(to: folder.path("w.safetensors"))
    let attentions = try AttentionRegistry([
      "R": { site, scope in try ReLUAttention(site, from: scope) }
    ])
    let error = #expect(throws: ParameterError.self) {
      try Backbone.load(
        config: config("flatten_pvt", letters: "RRRR"), weights: folder.path("w.safetensors"),
        attentions: attentions)
    }
    #expect(
      error?.problems.contains(
        .missing(name: "block1.0.attn.kv.weight", expected: [16, 8])) == true)
    #expect(
      error?.problems.contains(
        .missing(name: "block1.0.attn.q.weight", expected: [8, 8])) == false)
  }
}
