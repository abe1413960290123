// DAPE V2 (arXiv 2410.04798) on a map. Published, for sequences, in chuanyang-Zheng/DAPE; the dense form is ours.
//
// B batch, N tokens of the grid, n keys, C channels, h heads, d = C / h.
//
// What is ours:
// - keys and values are as few as those of PVT's softmax attention, by a strided convolution or, as in PVTv2's
//   "linear" variant, by pooling to 7x7;
// - no key is hidden from a query; the convolutions are 3x3 over the grid of keys;
// - the distance is that of the centres of token and key, in tokens.

import FlattenCheckpoint
import FlattenTensor

extension KeyScoreWeights {
  /// Reads `mlp2.0`, `mlp2.2`, `bias_p` and `bias_a`.
  ///
  /// - Parameter window: rows and columns of the convolutions.
  package init(
    heads: Int, window: (rows: Int, columns: Int), from tree: ParameterScope
  ) throws {
    let hidden = 32
    let convolutions = tree.scope("mlp2")
    func weight(_ key: Int, _ outputs: Int, _ inputs: Int) throws -> Tensor {
      try convolutions.scope(key).tensor(
        "weight", [outputs, inputs, window.rows, window.columns], initially: .fanIn)
    }
    func bias(_ key: Int, _ outputs: Int) throws -> Tensor {
      try convolutions.scope(key).tensor("bias", [outputs], initially: .zeros)
    }
    self.init(
      first: try weight(0, hidden, 2 * heads), firstBias: try bias(0, hidden),
      second: try weight(2, heads, hidden), secondBias: try bias(2, heads),
      slopes: try tree.tensor("bias_p", [heads, 1, 1], initially: .ones),
      rates: try tree.tensor("bias_a", [heads, 1, 1], initially: .ones))
  }
}

/// Softmax attention over few keys whose scores, with a bias by distance, go through two convolutions.
package struct DAPEAttention: TokenAttention {
  /// With more keys the convolutions take too long.
  package static let mostKeys = 1024

  private let reduction: KeyReduction
  private let query: Linear
  private let keySource: KeySource
  private let keyValue: Linear
  private let weights: KeyScoreWeights
  private let projection: Linear
  private let path: String

  /// Reads `q`, `kv`, `proj`, `mlp2.0`, `mlp2.2`, `bias_p`, `bias_a` and, where keys are reduced, `sr` and `norm`.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels.
  ///   - reduction: how keys and values become fewer.
  ///   - qkvBias: whether q, k and v have a bias.
  ///   - normEpsilon: of the norm after the reduction.
  ///   - tree: the attention's place.
  package init(
    channels: Int, heads: Int, reduction: KeyReduction, qkvBias: Bool, normEpsilon: Float,
    from tree: ParameterScope
  ) throws {
    self.reduction = reduction
    query = try Linear(in: channels, out: channels, bias: qkvBias, from: tree.scope("q"))
    keySource = try KeySource(reduction, channels: channels, epsilon: normEpsilon, from: tree)
    keyValue = try Linear(in: channels, out: 2 * channels, bias: qkvBias, from: tree.scope("kv"))
    weights = try KeyScoreWeights(heads: heads, window: (3, 3), from: tree)
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let (kv, keys) = keysAndValues(x, grid, pass)
    if keys.count > Self.mostKeys {
      pass.refuse(
        "\(path) has \(keys.count) keys of \(grid.width)x\(grid.height) tokens, \(Self.mostKeys) are the most "
          + "it takes: set its option 'reduction' higher, or to 0 for 49 keys")
    }
    let q = query(x, pass)
    let cells = cells(keys, of: grid)
    pass.observe(
      q, kv, heads: weights.heads, grid: grid, reduction: reduction, layer: path
    ) { [weights] in
      { head, token in
        let scores = ForwardPass(threadCount: 1).keyScores(
          q, kv: kv, weights, cells: cells, grid: (grid.height, grid.width),
          tokens: token..<token + 1, layer: "rows")
        return scores.row(head, head: 0, width: keys.count).softmax()
      }
    }
    let mixed = pass.keyScoreAttention(
      q, kv: kv, weights, cells: cells,
      grid: (grid.height, grid.width), layer: "\(path).attention")
    return projection(mixed, residual: residual, pass)
  }

  /// The scores before the softmax of the first picture, `[1, h N, n]`: never whole in memory otherwise.
  package func scores(_ x: Tensor, grid: Grid, _ pass: ForwardPass) -> Tensor {
    let (kv, keys) = keysAndValues(x, grid, pass)
    return pass.keyScores(
      query(x, pass), kv: kv, weights, cells: cells(keys, of: grid),
      grid: (grid.height, grid.width), tokens: 0..<grid.count, layer: "\(path).scores")
  }

  /// `[B, n, 2C]` and the grid of the n.
  private func keysAndValues(_ x: Tensor, _ grid: Grid, _ pass: ForwardPass) -> (Tensor, Grid) {
    let (source, size) = atLeastOneKey(x, grid, pass)
    return (keyValue(keySource(source, grid: size, pass), pass), reduction(size))
  }

  private func cells(_ keys: Grid, of grid: Grid) -> KeyCells {
    KeyCells(
      rows: centres(keys.height, of: grid.height), columns: centres(keys.width, of: grid.width))
  }

  /// The tokens with zeros to their right and below, where the map is smaller than the window of one key.
  private func atLeastOneKey(
    _ x: Tensor, _ grid: Grid, _ pass: ForwardPass
  ) -> (Tensor, Grid) {
    guard case .strided(let ratio) = reduction, min(grid.height, grid.width) < ratio else {
      return (x, grid)
    }
    let map = pass.padded(x.asMap(grid), toMultipleOf: ratio, layer: "\(path).pad")
    return (map.asTokens, map.grid)
  }

  /// The centre of each row of keys, in rows of tokens; columns alike.
  private func centres(_ keys: Int, of tokens: Int) -> [Float] {
    (0..<keys).map { key in
      switch reduction {
      case .none: Float(key)
      case .strided(let ratio): (Float(key) + 0.5) * Float(ratio) - 0.5
      case .pooled(let size): (Float(key) + 0.5) * Float(tokens) / Float(size) - 0.5
      }
    }
  }
}
