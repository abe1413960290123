import FlattenRegions
import TestSupport
import Testing

@Suite struct ScoredIndexTests {
  @Test(arguments: regionCases("filter_scores_and_topk"))
  func theBestAgree(with fixture: FixtureCase) throws {
    let golden = try GoldenCase(fixture)
    let scores = try golden.input("scores")
    let classes = scores.shape[1]
    let best = ScoredIndex.best(
      of: scores.floats, above: Float(try #require(golden.parameters["score_thr"].number)),
      limit: try #require(golden.parameters["topk"].int))
    try golden.expect("scores", best.map(\.score))
    try golden.expect("labels", best.map { $0.index % classes })
    try golden.expect("keep", best.map { $0.index / classes })
  }

  @Test func equalScoresKeepTheirOrderAndNaNComesLast() {
    let scores: [Float] = [0, .nan, -0.0, 3, -.infinity, 3, .infinity, -1, -.nan]
    #expect(ScoreOrder.descending(scores) == [6, 3, 5, 0, 2, 7, 4, 1, 8])
    #expect(ScoreOrder.descending([Float]()).isEmpty)
    #expect(ScoredIndex.best(of: scores, above: -2, limit: 3).map(\.index) == [6, 3, 5])
    #expect(ScoredIndex.best(of: scores, above: 0, limit: 9).map(\.index) == [6, 3, 5])
    #expect(ScoredIndex.best(of: [Float.nan], above: -.infinity, limit: 9).isEmpty)
  }
}
