import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct EfficientAttentionTests {
  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingLiterature(kinds: ["efficient"]).isEmpty)
  }

  @Test(arguments: Fixtures.literatureCases(kinds: ["efficient"]))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      try Self.attention(golden, from: tree.root)(
        golden.tokens(), grid: golden.grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)
    #expect(try golden.mismatch(rowsOf: compute) == nil)
  }

  /// Upstream's module adds its input.
  @Test(arguments: Fixtures.literatureCases(kinds: ["efficient"]))
  func agreesWithTheInputAdded(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    guard golden.expected["y_with_residual"] != nil else { return }
    let x = try golden.tokens()
    let y = try Self.attention(golden, from: golden.weights().root)(
      x, grid: golden.grid, residual: x, ForwardPass(threadCount: 2))
    #expect(golden.mismatch(map: "y_with_residual", y.asMap(golden.grid)) == nil)
  }

  private static func attention(
    _ golden: Golden, from scope: ParameterScope
  ) throws -> EfficientAttention {
    try EfficientAttention(channels: golden.channels, heads: golden.heads, from: scope)
  }
}
