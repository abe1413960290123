import FlattenTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The matrix by which one head of an attention mixes the values of one window: a row for each token, a
/// column for each key. Models never make it; this writes it down, row by row, in double precision.
///
/// An output is `(attention row + depthwise row of its channel) v + the convolutions' biases`: the paper's
/// `phi(Q) phi(K)^T + M_DWC` (arXiv 2308.00442, section 4.2), with the attention's rows normalised.
///
/// N tokens, n keys, d channels of a head.
package struct AttentionMatrix: Sendable {
  private let record: AttentionRecord
  private let head: Int
  private let window: Int
  /// The head's keys, `[d, n]`: a row is a sum of whole lines of them. Empty where rows are given.
  private let keys: [Float]
  /// Of each key for each token's values, where values are resized.
  private let resize: LinearTable?
  private let parts: [Int]
  /// Channels of the head.
  package let width: Int
  /// Rows.
  package let tokens: Int
  /// Columns.
  package let keyCount: Int
  /// Tokens that are no cells of the map, before the others, among tokens and keys.
  package let leading: Int

  /// What upstream adds to a row's sum, over n, before it divides by it.
  private static let floor = 1e-6
  /// Upstream: Swin subtracts 100 and not infinity from the scores of tokens that are no neighbours.
  private static let partPenalty = 100.0

  /// - Parameter window: of the first picture's windows.
  package init(_ record: AttentionRecord, head: Int, window: Int) {
    precondition(
      (0..<record.heads).contains(head) && (0..<record.layout.count).contains(window),
      "head \(head) of \(record.heads), window \(window) of \(record.layout.count)")
    self.record = record
    self.head = head
    self.window = window
    let (keyCount, stride) = (record.keys.shape[1], record.keys.shape[2])
    let width = record.channels.count / record.heads
    (tokens, self.keyCount, self.width) = (record.queries.shape[1], keyCount, width)
    leading = tokens - record.layout.tokens
    if case .rows = record.weighting {
      keys = []
    } else {
      keys = record.keys.withUnsafeBuffer { keys in
        (0..<width * keyCount).map {
          keys[(window * keyCount + $0 % keyCount) * stride + head * width + $0 / keyCount]
        }
      }
    }
    resize =
      record.reduction == .none
      ? nil : LinearTable(from: keyCount, to: tokens, alignCorners: false)
    parts = (0..<record.layout.tokens).map { record.layout.part(window: window, token: $0) }
  }

  /// Whether convolutions of the values are added.
  package var hasDepthwise: Bool { !record.depthwise.isEmpty }

  /// What the attention itself gives each key's value: `[n]`.
  package func attention(row: Int) -> [Double] {
    if case .rows(let given) = record.weighting { return given(head, row) }
    var weights = products(row: row)
    switch record.weighting {
    case .linear:
      let sum = weights.reduce(0, +) + Double(keyCount) * Self.floor
      for key in weights.indices { weights[key] /= sum }
    case .softmax(let bias):
      addPenalties(bias, row: row, to: &weights)
      let largest = weights.max() ?? 0
      for key in weights.indices { weights[key] = exp(weights[key] - largest) }
      let sum = weights.reduce(0, +)
      for key in weights.indices { weights[key] /= sum }
    case .rows: preconditionFailure("rows are given")
    }
    return weights
  }

  /// `q k^T` of one token.
  private func products(row: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: keyCount)
    let start = (window * tokens + row) * record.queries.shape[2] + head * width
    record.queries.withUnsafeBuffer { queries in
      sums.withUnsafeMutableBufferPointer { sums in
        keys.withUnsafeBufferPointer { keys in
          for channel in 0..<width {
            let factor = Double(queries[start + channel])
            for key in 0..<keyCount { sums[key] += factor * Double(keys[channel * keyCount + key]) }
          }
        }
      }
    }
    return sums
  }

  private func addPenalties(_ bias: Tensor?, row: Int, to scores: inout [Double]) {
    let scale = 1 / Double(width).squareRoot()
    for key in scores.indices { scores[key] *= scale }
    if let bias {
      bias.withUnsafeBuffer { bias in
        for key in scores.indices {
          scores[key] += Double(bias[(head * tokens + row) * keyCount + key])
        }
      }
    }
    // Elsewhere there may be other tokens than the window's, such as a class token.
    if record.layout.holdsParts(window: window) {
      for key in scores.indices where parts[key] != parts[row] { scores[key] -= Self.partPenalty }
    }
  }

  /// What the convolutions add to that for one channel of the head: `[n]`, zeros where there are none.
  ///
  /// - Parameter channel: 0 ..< ``width``.
  package func depthwise(row: Int, channel: Int) -> [Double] {
    var weights = [Double](repeating: 0, count: keyCount)
    // A class token has no neighbours.
    guard row >= leading else { return weights }
    let grid = record.layout.window
    let (y, x) = ((row - leading) / grid.width, (row - leading) % grid.width)
    for term in record.depthwise {
      let reach = term.kernel / 2
      let all = term.weight.shape[1]
      term.weight.withUnsafeBuffer { taps in
        for dy in -reach...reach where (0..<grid.height).contains(y + dy) {
          for dx in -reach...reach where (0..<grid.width).contains(x + dx) {
            let tap = (dy + reach) * term.kernel + dx + reach
            add(
              Double(taps[tap * all + head * width + channel]),
              of: leading + (y + dy) * grid.width + x + dx, to: &weights)
          }
        }
      }
    }
    return weights
  }

  /// Adds a weight of a token's value: of the keys that it is made of.
  private func add(_ weight: Double, of token: Int, to weights: inout [Double]) {
    guard let resize else { return weights[token] += weight }
    weights[Int(resize.first[token])] += weight * Double(resize.firstWeight[token])
    weights[Int(resize.second[token])] += weight * Double(resize.secondWeight[token])
  }
}
