import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct HydraAttentionTests {
  @Test func noKindIsMissing() { #expect(Fixtures.lackingLiterature(kinds: ["hydra"]).isEmpty) }

  @Test(arguments: Fixtures.literatureCases(kinds: ["hydra"]))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      let attention = try HydraAttention(
        channels: golden.channels, qkvBias: golden.parameters["qkv_bias"].bool ?? true,
        from: tree.root)
      return attention(try golden.input(), grid: golden.grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)
  }
}
