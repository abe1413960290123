import FlattenTensor

/// Rows of the matrix that linear attention never makes, of the first picture: for who looks inside.
///
/// A row is `q_i . k_t / (n divisor)` for all n keys.
struct LinearAttentionRows: Sendable {
  /// What a row is divided by, beside the number of keys.
  enum Divisor: Sendable {
    case none
    /// As ``LinearAttentionNormaliser``, of these queries and keys.
    case normaliser(LinearAttentionNormaliser, queries: Tensor, keys: Tensor)
    /// A number of each token.
    case tokens([Double])
  }

  /// `[B, N, h f]`.
  let queries: Tensor
  /// `[B, n, h f]`.
  let keys: Tensor
  let heads: Int
  var divisor: Divisor = .none
  /// Whether keys lose their mean, and each row gets `1 / n` instead: with the products' factor.
  var centring: Double?

  /// Rows of features that are made on the way.
  init(
    _ q: FeatureRows, _ k: FeatureRows, _ normaliser: LinearAttentionNormaliser,
    plain: Bool = false, _ pass: ForwardPass
  ) {
    let queries = pass.features(q, layer: "queries")
    let keys = pass.features(k, layer: "keys")
    self.init(
      queries: queries, keys: keys, heads: q.heads,
      divisor: .normaliser(
        normaliser,
        queries: plain ? pass.features(q, plain: true, layer: "queries") : queries,
        keys: plain ? pass.features(k, plain: true, layer: "keys") : keys))
  }

  init(
    queries: Tensor, keys: Tensor, heads: Int, divisor: Divisor = .none, centring: Double? = nil
  ) {
    self.queries = queries
    self.keys = keys
    self.heads = heads
    self.divisor = divisor
    self.centring = centring
  }

  func callAsFunction(_ head: Int, _ token: Int) -> [Double] {
    let row = products(queries, keys, head, token)
    let count = Double(row.count)
    if let centring {
      let mean = row.reduce(0, +) / count
      return row.map { (1 + centring * ($0 - mean)) / count }
    }
    var factor = 1 / count
    switch divisor {
    case .none: break
    case .tokens(let divisors): factor /= divisors[token]
    case .normaliser(let normaliser, let queries, let keys):
      let weights = products(queries, keys, head, token)
      let sum = weights.reduce(0, +) / count
      switch normaliser {
      case .none: break
      case .meanKey(let epsilon): factor /= sum + Double(epsilon)
      case .clampedMeanKey(let least): factor /= max(sum, Double(least))
      }
    }
    return row.map { $0 * factor }
  }

  private func products(
    _ queries: Tensor, _ keys: Tensor, _ head: Int, _ token: Int
  ) -> [Double] {
    let channels = queries.shape[2]
    let width = channels / heads
    return queries.withUnsafeBuffer { queries in
      keys.withUnsafeBuffer { k in
        (0..<keys.shape[1]).map { key in
          var sum = 0.0
          for channel in head * width..<(head + 1) * width {
            sum += Double(queries[token * channels + channel]) * Double(k[key * channels + channel])
          }
          return sum
        }
      }
    }
  }
}

extension ForwardPass {
  /// Shows the observer an attention over a whole grid by its rows; what gives them is made when somebody
  /// asks for the first one.
  ///
  /// - Parameters:
  ///   - q: what queries are made of, `[B, N, ...]`.
  ///   - k: what keys are made of, `[B, n, ...]`.
  ///   - channels: of the values.
  ///   - local: a convolution of the values that is added.
  ///   - rows: makes what gives a row, on a pass of its own.
  func observe(
    _ q: Tensor, _ k: Tensor, channels: Int, heads: Int, grid: Grid,
    local: DepthwiseConv2D? = nil, layer: @autoclosure () -> String,
    rows: @escaping @Sendable (_ pass: ForwardPass) -> LinearAttentionRows
  ) {
    observe(
      attention: {
        let rows = MadeOnce { [threads] in
          rows(ForwardPass(threads: threads, memory: nil, purpose: .inspection))
        }
        return AttentionRecord(
          layer: layer(), .rows { rows.value($0, $1) }, queries: q, keys: k, heads: heads,
          layout: WindowLayout(wholeOf: grid.height, grid.width),
          depthwise: local.map { [$0.prepared] } ?? [], channels: 0..<channels)
      }())
  }
}

/// A value that is made when it is first asked for.
private final class MadeOnce<Value: Sendable>: Sendable {
  private let made = Locked<Value?>(nil)
  private let make: @Sendable () -> Value

  init(_ make: @escaping @Sendable () -> Value) { self.make = make }

  var value: Value {
    made.withLock { made in
      if let made { return made }
      let value = make()
      made = value
      return value
    }
  }
}
