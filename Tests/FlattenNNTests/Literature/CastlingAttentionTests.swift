import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct CastlingAttentionTests {
  static let kinds: Set = ["castling", "castling_2d"]

  @Test func noKindIsMissing() { #expect(Fixtures.lackingLiterature(kinds: Self.kinds).isEmpty) }

  @Test(arguments: Fixtures.literatureCases(kinds: kinds))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      let attention = try CastlingAttention(
        channels: golden.channels, heads: golden.heads,
        qkvBias: golden.parameters["qkv_bias"].bool ?? true,
        neighbours: fixture.kind == "castling" ? .raster : .map, from: tree.root)
      return attention(try golden.input(), grid: golden.grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)
    #expect(try golden.mismatch(rowsOf: compute) == nil)
  }
}
