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
    _ q: FeatureRows, _ k: FeatureRows, _ normaliser: LinearAttentionNormaliser, plain: Bool,
    layer: String, _ pass: ForwardPass
  ) {
    let queries = pass.features(q, layer: "\(layer).phi_q")
    let keys = pass.features(k, layer: "\(layer).phi_k")
    self.init(
      queries: queries, keys: keys, heads: q.heads,
      divisor: .normaliser(
        normaliser,
        queries: plain ? pass.features(q, plain: true, layer: "\(layer).psi_q") : queries,
        keys: plain ? pass.features(k, plain: true, layer: "\(layer).psi_k") : keys))
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
  /// Shows the observer an attention over a whole grid by its rows; nothing is made where nobody looks.
  ///
  /// - Parameters:
  ///   - rows: makes what gives a row.
  ///   - width: channels of the values, where those of the features are others.
  ///   - local: a convolution of the values that is added.
  func observe(
    rows: @autoclosure () -> LinearAttentionRows, width: Int? = nil, grid: Grid,
    local: DepthwiseConv2D? = nil, layer: @autoclosure () -> String
  ) {
    observe(
      attention: {
        let rows = rows()
        let channels = 0..<(width ?? rows.queries.shape[2])
        return AttentionRecord(
          layer: layer(), .rows { rows($0, $1) }, queries: rows.queries, keys: rows.keys,
          heads: rows.heads, layout: WindowLayout(wholeOf: grid.height, grid.width),
          depthwise: local.map { [$0.prepared] } ?? [], channels: channels)
      }())
  }
}
