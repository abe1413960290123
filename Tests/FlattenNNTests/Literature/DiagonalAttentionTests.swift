import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct DiagonalAttentionTests {
  static let kinds: Set = ["transnormer_diag", "transnormer_diag_2d"]

  @Test func noKindIsMissing() { #expect(Fixtures.lackingLiterature(kinds: Self.kinds).isEmpty) }

  @Test(arguments: Fixtures.literatureCases(kinds: kinds))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let blocks: TokenBlocks =
      fixture.kind == "transnormer_diag"
      ? .raster(size: try #require(p["chunk_size"].int))
      : .windows(side: try #require(p["window"].int))
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      let attention = try DiagonalAttention(
        DiagonalAttention.Configuration(
          channels: golden.channels, heads: golden.heads, blocks: blocks,
          weighting: p["act"].text == "relu" ? .relu : .softmax,
          hasPositions: p["urpe"].bool ?? true, bias: true),
        from: tree.root)
      return attention(try golden.input(), grid: golden.grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)
    #expect(try golden.mismatch(rowsOf: compute) == nil)
  }
}
