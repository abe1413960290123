import FlattenRegions
import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite struct TopScoresTests {
  /// All scores, sorted as a whole.
  private func plain(
    _ logits: ArraySlice<Float>, above threshold: Float, limit: Int
  ) -> [ScoredIndex] {
    let scores = logits.map { 1 / (1 + exp(-$0)) }
    return scores.indices.filter { scores[$0] > threshold }
      .sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
      .prefix(limit).map { ScoredIndex(index: $0, score: scores[$0]) }
  }

  private func check(
    _ logits: [Float], _ elements: Range<Int>? = nil, above threshold: Float?, limit: Int
  ) {
    let elements = elements ?? logits.indices
    let got = pass().topScores(
      Tensor([logits.count], logits), elements: elements, above: threshold, limit: limit)
    #expect(got == plain(logits[elements], above: threshold ?? -1, limit: limit))
  }

  @Test(arguments: [Float(0.05), 0.5, 0.999, 0, nil], [1, 7, 1000])
  func theyAreThoseOfAWholeSort(threshold: Float?, limit: Int) {
    let logits = Tensor.noise([150_000], seed: limit).elements.map { $0 * 9 }
    check(logits, above: threshold, limit: limit)
    check(logits, 70_003..<70_100, above: threshold ?? 0, limit: limit)
    check(Array(logits.sorted()), above: threshold, limit: limit)
    check(Array(logits.sorted(by: >)), above: threshold, limit: limit)
  }

  /// Above 17 every score is 1, and between 8 and 17 there are few: ties are many, whatever the logits.
  @Test func equalScoresGoByIndex() {
    let logits = Tensor.noise([100_000], seed: 3).elements.map { 16 + $0 * 6 }
    check(logits, above: 0.05, limit: 500)
    check(logits, above: nil, limit: 500)
    check([Float](repeating: 1, count: 70_000), above: 0.05, limit: 300)
    check([Float](repeating: 1, count: 70_000), above: nil, limit: 300)
  }

  /// Logits around the threshold's own, where rounding decides.
  @Test(arguments: [Float(0.05), 0.3, 0.7, 0.9999]) func theThresholdIsExact(threshold: Float) {
    let middle = Float(log(Double(threshold) / (1 - Double(threshold))))
    var logits: [Float] = [middle]
    var (lower, upper) = (middle, middle)
    for _ in 0..<300 {
      lower = lower.nextDown
      upper = upper.nextUp
      logits += [lower, upper]
    }
    check(logits, above: threshold, limit: 1000)
  }

  @Test func withoutAThresholdFewAreNotSorted() {
    let logits = Tensor([2, 3], [9, 0, 1, -2, .nan, 2])
    let all = pass().topScores(logits, elements: 0..<6, above: nil, limit: 6)
    #expect(all.map(\.index) == [0, 1, 2, 3, 5])
    let best = pass().topScores(logits, elements: 0..<6, above: nil, limit: 5)
    #expect(best.map(\.index) == [0, 5, 2, 1, 3])
    let second = pass().topScores(logits, elements: 3..<6, above: 0.5, limit: 6)
    #expect(second == [ScoredIndex(index: 2, score: 1 / (1 + exp(-2)))])
  }

  @Test func whatIsNoNumberIsNotFound() {
    var logits = [Float](repeating: .nan, count: 70_000)
    check(logits, above: 0.05, limit: 10)
    check(logits, above: nil, limit: 10)
    logits[5] = .infinity
    logits[69_000] = -.infinity
    logits[60_000] = .infinity
    check(logits, above: nil, limit: 10)
    check(logits, above: 0.05, limit: 10)
    #expect(
      pass().topScores(Tensor([3], [1, 2, 3]), elements: 0..<3, above: .nan, limit: 3).isEmpty)
    #expect(
      pass().topScores(Tensor([3], [1, 2, 3]), elements: 0..<3, above: 1.5, limit: 3).isEmpty)
    #expect(pass().topScores(Tensor([3], [1, 2, 3]), elements: 1..<1, above: 0, limit: 3).isEmpty)
    #expect(pass().topScores(Tensor([3], [1, 2, 3]), elements: 0..<3, above: 0, limit: 0).isEmpty)
  }
}
