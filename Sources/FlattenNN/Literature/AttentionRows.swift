// Rows of the matrices of attentions that never make them, of the first picture, in double precision: for those who
// look inside.

import FlattenTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension ForwardPass {
  /// Shows the observer an attention over a whole grid by its rows; nothing is made where nobody looks.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`, for the shapes.
  ///   - k: `[B, n, C]`, for the shapes.
  ///   - reduction: how the keys were made of the tokens.
  ///   - local: a convolution of the values that is added.
  ///   - rows: makes what gives a row of a head and a token.
  func observe(
    _ q: Tensor, _ k: Tensor, heads: Int, grid: Grid, reduction: KeyReduction = .none,
    local: DepthwiseConv2D? = nil, layer: @autoclosure () -> String,
    rows: () -> @Sendable (_ head: Int, _ token: Int) -> [Double]
  ) {
    observe(
      attention: AttentionRecord(
        layer: layer(), .rows(rows()), queries: q, keys: k, heads: heads,
        layout: WindowLayout(wholeOf: grid.height, grid.width), reduction: reduction,
        depthwise: local.map { [$0.prepared] } ?? []))
  }
}

extension Tensor {
  /// Channels of one head of a token of the first item, `[B, N, stride]`.
  func row(_ token: Int, head: Int, width: Int, offset: Int = 0) -> [Double] {
    let start = token * shape[2] + offset + head * width
    return withUnsafeBuffer { values in (0..<width).map { Double(values[start + $0]) } }
  }

  /// Products of a row with that of each token.
  func products(_ row: [Double], head: Int, offset: Int = 0) -> [Double] {
    let (tokens, stride) = (shape[1], shape[2])
    return withUnsafeBuffer { values in
      (0..<tokens).map { token in
        let start = token * stride + offset + head * row.count
        var sum = 0.0
        for channel in row.indices { sum += row[channel] * Double(values[start + channel]) }
        return sum
      }
    }
  }
}

extension [Double] {
  /// `e^x / sum e^x`, of whose sum `further` zeros are a part.
  func softmax(further: Int = 0) -> [Double] {
    let largest = Swift.max(self.max() ?? 0, further > 0 ? 0 : -.infinity)
    let values = map { exp($0 - largest) }
    let sum = values.reduce(Double(further) * exp(-largest), +)
    return values.map { $0 / sum }
  }
}

/// `softmax(q A^T / sqrt d + B_2) softmax(A k^T / sqrt d + B_1)`.
struct AgentRows: Sendable {
  /// `[B, N, C]`.
  let queries: Tensor
  /// `[B, N, C or more]`.
  let keys: Tensor
  /// `[B, n, C]`.
  let agents: Tensor
  let toAgents: AgentBias
  let fromAgents: AgentBias
  let heads: Int
  let grid: Grid
  /// What the agents gather, of the head that was last asked for.
  private let gathered = Locked<(head: Int, rows: [[Double]])?>(nil)

  init(
    queries: Tensor, keys: Tensor, agents: Tensor, toAgents: AgentBias, fromAgents: AgentBias,
    heads: Int, grid: Grid
  ) {
    self.queries = queries
    self.keys = keys
    self.agents = agents
    self.toAgents = toAgents
    self.fromAgents = fromAgents
    self.heads = heads
    self.grid = grid
  }

  func callAsFunction(_ head: Int, _ token: Int) -> [Double] {
    let weights = weights(head, queries, token, fromAgents).softmax()
    let rows = gatheredRows(head)
    return (0..<grid.count).map { key in
      var sum = 0.0
      for agent in weights.indices { sum += weights[agent] * rows[agent][key] }
      return sum
    }
  }

  /// Scores of a token and all agents.
  private func weights(
    _ head: Int, _ rows: Tensor, _ token: Int, _ bias: AgentBias
  ) -> [Double] {
    let width = agents.shape[2] / heads
    let scale = 1 / Double(width).squareRoot()
    let scores = agents.products(rows.row(token, head: head, width: width), head: head)
    let biases = bias.row(head: head, token: token, height: grid.height, width: grid.width)
    return zip(scores, biases).map { $0 * scale + $1 }
  }

  /// A row of weights of all keys for each agent.
  private func gatheredRows(_ head: Int) -> [[Double]] {
    gathered.withLock { known in
      if let known, known.head == head { return known.rows }
      let scores = (0..<grid.count).map { weights(head, keys, $0, toAgents) }
      let rows = (0..<agents.shape[1]).map { agent in scores.map { $0[agent] }.softmax() }
      known = (head, rows)
      return rows
    }
  }
}

/// `q.k (cos(a - a') + cos(b - b'))` over its sum and 1e-4, without the clamps.
struct VicinityRows: Sendable {
  let queries: Tensor
  let keys: Tensor
  let heads: Int
  let grid: Grid

  func callAsFunction(_ head: Int, _ token: Int) -> [Double] {
    let width = queries.shape[2] / heads
    let products = keys.products(queries.row(token, head: head, width: width), head: head)
    let (row, column) = (token / grid.width, token % grid.width)
    let weights = products.enumerated().map { key, product in
      let dy = Double(row - key / grid.width) / Double(grid.height)
      let dx = Double(column - key % grid.width) / Double(grid.width)
      return product * (cos(.pi / 2 * dy) + cos(.pi / 2 * dx))
    }
    let sum = weights.reduce(1e-4, +)
    return weights.map { $0 / sum }
  }
}

/// `(I / 2 + unit(q) unit(k)^T / pi)` over the length of the head's result.
struct CastlingRows: Sendable {
  /// `unit(q) N / pi`.
  let queries: Tensor
  let keys: Tensor
  /// `[B, N, C]`, the linear part.
  let linear: Tensor
  /// `[B, N, 2C]`, of which the second half are the values.
  let keyValues: Tensor
  let heads: Int

  func callAsFunction(_ head: Int, _ token: Int) -> [Double] {
    let channels = queries.shape[2]
    let width = channels / heads
    let values = keyValues.row(token, head: head, width: width, offset: channels)
    let length = zip(linear.row(token, head: head, width: width), values)
      .reduce(0) { $0 + ($1.0 + $1.1 / 2) * ($1.0 + $1.1 / 2) }.squareRoot()
    var weights = keys.products(queries.row(token, head: head, width: width), head: head)
    let count = Double(weights.count)
    for key in weights.indices { weights[key] /= count }
    weights[token] += 0.5
    return weights.map { $0 / length }
  }
}

/// Softmax of a block's scores, or their positive parts over the root mean square of the result.
struct BlockRows: Sendable {
  let queries: Tensor
  let keys: Tensor
  /// `[B, N, C]`, before the norm.
  let mixed: Tensor
  let heads: Int
  let blocks: TokenBlocks
  let weighting: BlockWeighting
  let grid: Grid

  func callAsFunction(_ head: Int, _ token: Int) -> [Double] {
    let channels = queries.shape[2]
    let width = channels / heads
    let scale = 1 / Double(width).squareRoot()
    let scores = keys.products(queries.row(token, head: head, width: width), head: head)
    let seen = scores.indices.filter { block($0) == block(token) }
    var row = [Double](repeating: 0, count: scores.count)
    switch weighting {
    case .softmax:
      var further = 0
      if case .raster(let size) = blocks { further = size - seen.count }
      let weights = seen.map { scores[$0] * scale }.softmax(further: further)
      for (key, weight) in zip(seen, weights) { row[key] = weight }
    case .relu:
      let all = mixed.row(token, head: 0, width: channels)
      let mean = all.reduce(0) { $0 + $1 * $1 } / Double(channels)
      let divisor = mean.squareRoot() + 1e-8
      for key in seen { row[key] = max(scores[key] * scale, 0) / divisor }
    }
    return row
  }

  private func block(_ token: Int) -> Int {
    switch blocks {
    case .raster(let size): token / size
    case .windows(let side):
      token / grid.width / side * grid.width + token % grid.width / side
    }
  }
}
