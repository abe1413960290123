import FlattenTensor
import Testing

@testable import FlattenInspection

@Suite struct AttentionRankTests {
  /// Of a large map the rank is counted near the token.
  @Test(arguments: [
    (KeyReduction.none, 1024, 1024), (.strided(ratio: 8), 11520, 180),
    (.strided(ratio: 2), 2500, 625), (.pooled(size: 7), 11520, 49),
  ])
  func largeMatricesAreCutAroundTheToken(reduction: KeyReduction, rows: Int, columns: Int) {
    let (height, width) = (96, 120)
    let keys = reduction.keys(of: height) * reduction.keys(of: width)
    for token in [(row: 0, column: 0), (row: 50, column: 61), (row: 95, column: 119)] {
      let record = AttentionRecord(
        layer: "attn", .linear, queries: Tensor(zeros: [1, height * width, 1]),
        keys: Tensor(zeros: [1, keys, 1]), heads: 1,
        layout: WindowLayout(wholeOf: height, width), reduction: reduction)
      let view = HeadView(record, head: 0, name: 0, token: token)
      let region = RankRegion(view)
      #expect(region.tokens.contains(view.row))
      #expect(region.tokens.count == rows && region.keys.count == columns)
      #expect(region.isWhole == (rows == height * width))
      #expect(region.tokens == region.tokens.sorted() && region.keys == region.keys.sorted())
      #expect(region.keys.allSatisfy { (0..<keys).contains($0) })
      if reduction == .none { #expect(region.tokens == region.keys) }
    }
  }
}
