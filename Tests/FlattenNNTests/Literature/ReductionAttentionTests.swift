import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// Attentions of the literature that are reductions over all tokens, against their golden cases.
@Suite struct ReductionAttentionTests {
  static let kinds: Set = [
    "rala", "rala_softmax", "mlla_attention", "inline", "taylor", "feature_fixation",
    "feature_fixation_shift", "transnormer_norm", "transnormer_norm_2d", "cosformer", "performer",
    "taylor_released",
  ]
  static let cases = Fixtures.literatureCases(kinds: kinds)

  @Test func noKindIsMissing() { #expect(Fixtures.lackingLiterature(kinds: Self.kinds).isEmpty) }

  @Test(arguments: cases) func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let problems = try golden.problems(ignoring: [
      IgnoredKeys(pattern: "rope.rotations", reason: "follows from the grid"),
      IgnoredKeys(pattern: "quant_16.*", reason: "never used by the released code"),
    ]) { tree, pass in
      let attention = try Self.attention(golden, from: tree.root)
      let x = try golden.tokens()
      return attention(x, grid: golden.grid, residual: nil, pass)
    }
    #expect(problems == [])
  }

  /// What an attention adds to its result is a residual.
  @Test(arguments: cases) func addsTheResidual(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let attention = try Self.attention(golden, from: golden.weights().root)
    let x = try golden.tokens()
    let pass = pass()
    let y = attention(x, grid: golden.grid, residual: nil, pass)
    let sum = attention(x, grid: golden.grid, residual: x, pass)
    let wanted = zip(y.elements, x.elements).map { Double($0) + Double($1) }
    #expect(sum.mismatch(wanted, x.shape) == nil)
  }

  /// Products in bfloat16; means over tokens stay in float32. The released Taylor attention compares scores with a
  /// threshold, so that rounding moves it by whole weights.
  @Test(arguments: cases.filter { $0.kind != "taylor_released" })
  func bfloat16IsClose(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let x = try golden.tokens()
    let results = try [Precision.float32, .bfloat16].map { precision in
      let tree = ParameterTree(source: try golden.source(), context: .plain(precision))
      let attention = try Self.attention(golden, from: tree.root)
      return attention(x, grid: golden.grid, residual: nil, pass()).elements
    }
    let largest = results[0].map(abs).max() ?? 0
    let worst = zip(results[0], results[1]).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst <= 0.03 * largest, "off by \(worst / largest) of the largest")
  }

  @Test(arguments: cases) func rowsAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    guard golden.expected["matrix"] != nil else { return }
    let attention = try Self.attention(golden, from: golden.weights().root)
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    let x = try golden.tokens()
    _ = attention(x, grid: golden.grid, residual: nil, pass)
    #expect(tap.attentions.count == 1)
    let record = try #require(tap.attentions.first)
    #expect(record.channels.count == golden.channels && record.heads == golden.heads)
    #expect(golden.mismatch(rowsOf: record) == nil)
  }

  static let shifts = Fixtures.literatureCases(kinds: ["neighbour_shift"])

  @Test func noShiftIsMissing() {
    #expect(Fixtures.lackingLiterature(kinds: ["neighbour_shift"]).isEmpty)
  }

  @Test(arguments: shifts) func neighboursAreShifted(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let grid = (golden.grid.height, golden.grid.width)
    let y = pass().shiftedNeighbours(try golden.input(), grid: grid, layer: "shift")
    #expect(golden.mismatch("y", y) == nil)
  }

  /// The module of a case.
  static func attention(
    _ golden: Golden, from tree: ParameterScope
  ) throws -> any TokenAttention {
    let p = golden.parameters
    let (channels, heads) = (golden.channels, golden.heads)
    let qkvBias = p["qkv_bias"].bool ?? true
    let kind = try #require(golden.json["kind"].text)
    switch kind {
    case "rala", "rala_softmax":
      return try RankAugmentedAttention(
        channels: channels, heads: heads, isSoftmax: kind == "rala_softmax", from: tree)
    case "mlla_attention":
      return try MambaLikeAttention(
        channels: channels, heads: heads, qkvBias: qkvBias, from: tree)
    case "inline":
      return try InLineAttention(channels: channels, heads: heads, qkvBias: qkvBias, from: tree)
    case "taylor":
      return try TaylorAttention(channels: channels, heads: heads, qkvBias: qkvBias, from: tree)
    case "taylor_released":
      return try ReleasedTaylorAttention(
        channels: channels, heads: heads, qkvBias: qkvBias, from: tree)
    case "feature_fixation", "feature_fixation_shift":
      return try FeatureFixationAttention(
        channels: channels, heads: heads, qkvBias: qkvBias,
        sharesGate: p["share_gate"].bool ?? true,
        isShifted: kind == "feature_fixation_shift", from: tree)
    case "transnormer_norm", "transnormer_norm_2d":
      return try TransNormerNormAttention(
        channels: channels, heads: heads,
        activation: try #require(
          ["elu": Activation.elu, "1+elu": .eluPlusOne][p["act"].text ?? ""]),
        hasPositions: p["urpe"].bool ?? true, isOnGrid: kind == "transnormer_norm_2d",
        from: tree)
    case "cosformer":
      return try CosFormerAttention(channels: channels, heads: heads, from: tree)
    default:
      return try PerformerAttention(
        channels: channels, heads: heads, features: try #require(p["features"].int),
        epsilon: Float(try #require(p["eps"].number)), qkvBias: qkvBias, from: tree)
    }
  }
}
