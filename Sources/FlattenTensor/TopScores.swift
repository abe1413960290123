import FlattenKernels
import FlattenRegions

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension ForwardPass {
  /// The best of many scores, `sigmoid(logit) = 1 / (1 + e^-logit)`: those above a threshold, best first, of equal
  /// scores the lower index first.
  ///
  /// Scores are single precision numbers, and many logits share one. Only logits that can be among the best are
  /// made scores; memory is that of `limit` candidates for each 65,536 logits at most. A logit that is NaN is
  /// never found. In a dry run nothing is.
  ///
  /// - Parameters:
  ///   - logits: of any shape.
  ///   - elements: which of them, row-major. Those of picture b of a dense head's output `[B, h, w, A * C]` lie side
  ///     by side, and index `((y * w + x) * A + anchor) * C + class` counts from the first of them.
  ///   - threshold: a score must be above it; `nil` lets all take part. Upstream: mmdetection `rpn_head.py:208`:
  ///     without a threshold scores are not sorted where there are no more than `limit`; then they come in the order
  ///     of their indices.
  package func topScores(
    _ logits: Tensor, elements: Range<Int>, above threshold: Float?, limit: Int
  ) -> [ScoredIndex] {
    precondition(
      elements.lowerBound >= 0 && elements.upperBound <= logits.count
        && elements.count < UInt32.max,
      "elements \(elements) of \(logits.shape)")
    if isDryRun || limit <= 0 { return [] }
    let start = logits.pointer + elements.lowerBound
    if threshold == nil, elements.count <= limit {
      return (0..<elements.count).compactMap { index in
        start[index].isNaN ? nil : ScoredIndex(index: index, score: sigmoid(start[index]))
      }
    }
    let threshold = threshold ?? -1
    let piece = 1 << 16
    let pieces = (elements.count + piece - 1) / piece
    let best = Locked<[UInt64]>([])
    threads.run(pieces) { [self] number in
      let range = number * piece..<min((number + 1) * piece, elements.count)
      let found = bestKeys(of: start, in: range, above: threshold, limit: limit)
      if !found.isEmpty { best.withLock { $0 += found } }
    }
    // The keys are different from each other, so their order does not hang on who came first.
    let keys = best.withLock { $0 }.sorted(by: >)
    return keys.prefix(limit).map { key in
      let index = Int(~UInt32(truncatingIfNeeded: key))
      return ScoredIndex(index: index, score: sigmoid(start[index]))
    }
  }

  /// Keys of the best candidates of a range: greater for a greater score, then for a lower index.
  private func bestKeys(
    of logits: UnsafePointer<Float>, in range: Range<Int>, above threshold: Float, limit: Int
  ) -> [UInt64] {
    let kernels = kernels
    var best = LargestKeys(limit: limit)
    var bound = leastLogit(of: threshold)
    let block = 2048  // a UInt32 each, as large as a Float
    withScratch(block) { scratch in
      let positions = UnsafeMutableRawPointer(scratch).bindMemory(to: UInt32.self, capacity: block)
      for first in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        let count = min(block, range.upperBound - first)
        let found = kernels.find_above(logits + first, count, bound, positions)
        for position in 0..<found {
          let index = first + Int(positions[position])
          let score = sigmoid(logits[index])
          guard score > threshold else { continue }
          best.insert(UInt64(ScoreOrder.rank(of: score)) << 32 | UInt64(~UInt32(index)))
        }
        if let least = best.least {
          let index = Int(~UInt32(truncatingIfNeeded: least))
          bound = max(bound, leastLogit(of: sigmoid(logits[index])))
        }
      }
    }
    return best.keys
  }
}

/// `1 / (1 + e^-x)`.
@inline(__always) private func sigmoid(_ x: Float) -> Float { 1 / (1 + expf(-x)) }

/// A logit that is below all whose score reaches `score`, and not much.
///
/// Rounding moves a score by less than 1e-6 of itself, so a logit of 1e-5 less cannot have it.
private func leastLogit(of score: Float) -> Float {
  if score.isNaN { return .nan }
  let least = Double(score) * (1 - 1e-5)
  if least <= 0 { return -.infinity }
  if least >= 1 { return .infinity }
  return Float(log(least / (1 - least))).nextDown
}

/// The largest of many numbers: a heap with the least of them on top.
private struct LargestKeys {
  private(set) var keys: [UInt64] = []
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// The least, once there are as many as are wanted.
  var least: UInt64? { keys.count == limit ? keys[0] : nil }

  mutating func insert(_ key: UInt64) {
    if keys.count < limit {
      keys.append(key)
      if keys.count == limit {
        for root in stride(from: limit / 2 - 1, through: 0, by: -1) { sink(root) }
      }
    } else if key > keys[0] {
      keys[0] = key
      sink(0)
    }
  }

  /// Moves a key down to where those below it are larger.
  private mutating func sink(_ root: Int) {
    var place = root
    let key = keys[place]
    while true {
      var child = 2 * place + 1
      if child >= keys.count { break }
      if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
      if keys[child] >= key { break }
      keys[place] = keys[child]
      place = child
    }
    keys[place] = key
  }
}
