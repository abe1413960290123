import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct VicinityAttentionTests {
  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingLiterature(kinds: ["vvt", "block_vvt"]).isEmpty)
  }

  @Test(arguments: Fixtures.literatureCases(kinds: ["vvt"]))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      try Self.attention(golden, from: tree.root)(
        golden.input(), grid: golden.grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)
    #expect(try golden.mismatch(rowsOf: compute) == nil)
  }

  /// With the norms, the residuals and PVTv2's MLP around it.
  @Test(arguments: Fixtures.literatureCases(kinds: ["block_vvt"]))
  func blockAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let channels = golden.channels
    let ratio = try #require(golden.parameters["mlp_ratio"].int)
    let problems = try golden.problems { tree, pass in
      let block = try TransformerBlock(
        channels, normEpsilon: 1e-6, name: "block", from: tree.root,
        attention: { try Self.attention(golden, from: $0.scope("attn")) },
        mlp: {
          try ConvolutionalMLP(
            channels, hidden: ratio * channels, hasLinearAttention: false, from: $0.scope("mlp"))
        })
      var memory = StageMemory()
      return block(try golden.input(), grid: golden.grid, memory: &memory, pass)
    }
    #expect(problems == [])
  }

  private static func attention(
    _ golden: Golden, from scope: ParameterScope
  ) throws -> VicinityAttention {
    try VicinityAttention(
      channels: golden.channels, heads: golden.heads,
      reduction: #require(golden.parameters["fr_ratio"].int), bias: true, from: scope)
  }
}
