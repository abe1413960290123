import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct AgentAttentionTests {
  static let cases = Fixtures.literatureCases(kinds: ["agent"])

  @Test func noKindIsMissing() { #expect(Fixtures.lackingLiterature(kinds: ["agent"]).isEmpty) }

  @Test(arguments: cases) func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      try Self.attention(golden, from: tree.root)(
        golden.input(), grid: golden.grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)
    #expect(try golden.mismatch(rowsOf: compute) == nil)
  }

  static func attention(_ golden: Golden, from scope: ParameterScope) throws -> AgentAttention {
    let p = golden.parameters
    let agents = p["agent_shape"].ints
    let count = try #require(p["num_patches"].int)
    let native = try #require(Grid(squareOf: count))
    let stored = try #require(p["agent_num"].int)
    return try AgentAttention(
      AgentAttention.Configuration(
        channels: golden.channels, heads: golden.heads, agents: Grid(agents[0], agents[1]),
        storedAgents: stored, window: 7, nativeGrid: native,
        qkvBias: p["qkv_bias"].bool ?? true),
      from: scope)
  }
}
