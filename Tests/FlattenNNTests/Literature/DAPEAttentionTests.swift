import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct DAPEAttentionTests {
  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingLiterature(kinds: ["dape_scores", "dape_2d"]).isEmpty)
  }

  @Test(arguments: Fixtures.literatureCases(kinds: ["dape_2d"]))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      try Self.attention(golden, from: tree.root)(
        golden.input(), grid: golden.grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)
    #expect(try golden.mismatch(rowsOf: compute) == nil)
    if let scores = golden.expected["scores"] {
      let got = try Self.attention(golden, from: golden.weights().root)
        .scores(golden.input(), grid: golden.grid, ForwardPass(threadCount: 2))
      #expect(golden.mismatch("scores", got.reshaped(scores.shape)) == nil)
    }
  }

  private static func attention(
    _ golden: Golden, from scope: ParameterScope
  ) throws -> DAPEAttention {
    let ratio = try #require(golden.parameters["sr_ratio"].int)
    return try DAPEAttention(
      channels: golden.channels, heads: golden.heads,
      reduction: ratio == 0 ? .pooled(size: 7) : ratio == 1 ? .none : .strided(ratio: ratio),
      qkvBias: golden.parameters["qkv_bias"].bool ?? true, normEpsilon: 1e-5, from: scope)
  }

  /// The published form, for scores along a sequence.
  @Test(arguments: Fixtures.literatureCases(kinds: ["dape_scores"]))
  func sequencesAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    for threads in 1...3 {
      let tree = try golden.weights()
      let weights = try KeyScoreWeights(heads: golden.heads, window: (1, 3), from: tree.root)
      try tree.finish(ignoring: [])
      let got = ForwardPass(threadCount: threads).sequenceScores(
        try golden.input(), weights, layer: "scores")
      #expect(golden.mismatch("scores", got) == nil)
    }
  }
}
