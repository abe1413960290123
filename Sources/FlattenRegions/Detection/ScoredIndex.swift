/// A candidate's number and its score.
package struct ScoredIndex: Sendable, Hashable {
  package let index: Int
  package let score: Float

  package init(index: Int, score: Float) {
    self.index = index
    self.score = score
  }
}

extension ScoredIndex {
  /// The best candidates: those whose score is above a threshold, best first, of equal scores the lower index first
  /// (mmdetection's `filter_scores_and_topk`, where index is `anchor * classes + class`).
  ///
  /// A score that is NaN is above nothing.
  package static func best(
    of scores: [Float], above threshold: Float, limit: Int
  ) -> [ScoredIndex] {
    var found: [ScoredIndex] = []
    for (index, score) in scores.enumerated() where score > threshold {
      found.append(ScoredIndex(index: index, score: score))
    }
    let order = ScoreOrder.descending(found.map(\.score))
    return order.prefix(max(limit, 0)).map { found[$0] }
  }
}

/// The order of scores.
package enum ScoreOrder {
  /// The positions of scores from the highest to the lowest, of equal scores the first one first; NaN comes last.
  package static func descending(_ scores: [Float]) -> [Int] {
    precondition(scores.count <= UInt32.max, "\(scores.count) scores")
    // One number for score and position: the numbers' order is the one that is wanted.
    var keys: [UInt64] = []
    keys.reserveCapacity(scores.count)
    for (position, score) in scores.enumerated() {
      keys.append(UInt64(~rank(of: score)) << 32 | UInt64(position))
    }
    keys.sort()
    return keys.map { Int($0 & 0xFFFF_FFFF) }
  }

  /// An integer that is higher for higher scores, equal for equal ones, and 0 for NaN.
  package static func rank(of score: Float) -> UInt32 {
    if score.isNaN { return 0 }
    let bits = (score + 0).bitPattern  // -0 becomes 0
    return bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits
  }
}
