// Agent attention (arXiv 2312.08874) as LeapLabTHU/Agent-Attention at 207ce3e has it for dense prediction
// (downstream/segmentation/mmseg/models/backbones/agent_pvt.py). That repository has no licence: equations only.
//
// B batch, N tokens of the grid, n agents, C channels, h heads, d = C / h.
//
// What surprises:
// - agents are an average pool of the queries, over all heads at once;
// - biases are made for another number of agents than the network has, and are resized to it: 9, 16, 49 and 49
//   of 144, 256, 784 and 784;
// - the coarse map of a bias is resized to the tokens' grid at once, its vectors of rows and columns from the grid
//   of the pictures that the network was trained with.

import FlattenCheckpoint
import FlattenTensor

/// Agent attention: a few tokens gather from all keys and hand out to all queries, with learned biases; a depthwise
/// convolution of the values is added.
package struct AgentAttention: TokenAttention {
  /// The numbers of one attention.
  package struct Configuration: Sendable {
    package let channels: Int
    package let heads: Int
    /// Rows and columns of agents.
    package let agents: Grid
    /// Agents that the biases were made for, a square number.
    package let storedAgents: Int
    /// Side of the biases' coarse map.
    package let window: Int
    /// The grid of tokens that the network was made for.
    package let nativeGrid: Grid
    package let qkvBias: Bool

    package init(
      channels: Int, heads: Int, agents: Grid, storedAgents: Int, window: Int, nativeGrid: Grid,
      qkvBias: Bool
    ) {
      self.channels = channels
      self.heads = heads
      self.agents = agents
      self.storedAgents = storedAgents
      self.window = window
      self.nativeGrid = nativeGrid
      self.qkvBias = qkvBias
    }
  }

  private let agents: Grid
  private let heads: Int
  private let query: Linear
  private let keyValue: Linear
  private let toAgents: AgentBias
  private let fromAgents: AgentBias
  private let depthwise: DepthwiseConv2D
  private let projection: Linear
  /// The biases as the checkpoint has them; in a model for training only.
  package let biases: [Tensor]
  private let path: String

  /// Reads `q`, `kv`, `proj`, `dwc`, and the biases: `an_bias`, `ah_bias` and `aw_bias` of the agents for the keys,
  /// `na_bias`, `ha_bias` and `wa_bias` of the queries for the agents.
  package init(_ c: Configuration, from tree: ParameterScope) throws {
    agents = c.agents
    self.heads = c.heads
    query = try Linear(in: c.channels, out: c.channels, bias: c.qkvBias, from: tree.scope("q"))
    keyValue = try Linear(
      in: c.channels, out: 2 * c.channels, bias: c.qkvBias, from: tree.scope("kv"))
    let (heads, stored) = (c.heads, c.storedAgents)
    var biases: [Tensor] = []
    func tensor(_ key: String, _ shape: [Int]) throws -> Tensor {
      let bias = try tree.tensor(key, shape, initially: .normal(deviation: 0.02))
      if let kept = tree.kept(bias) { biases.append(kept) }
      return bias
    }
    func bias(_ cells: String, _ rows: Tensor, _ columns: Tensor) throws -> AgentBias {
      AgentBias(
        cells: try tensor(cells, [heads, stored, c.window, c.window]), rows: rows, columns: columns,
        agents: (c.agents.height, c.agents.width))
    }
    func vectors(
      _ key: String, _ count: Int, at axis: Int, _ shape: [Int]
    ) throws -> Tensor {
      var shape = shape
      shape[axis] = tree.extent(of: key, at: axis, where: shape) ?? count
      return try tensor(key, shape)
    }
    let (height, width) = (c.nativeGrid.height, c.nativeGrid.width)
    toAgents = try bias(
      "an_bias", vectors("ah_bias", height, at: 3, [1, heads, stored, 0, 1]).inRows(heads),
      vectors("aw_bias", width, at: 4, [1, heads, stored, 1, 0]).inRows(heads))
    fromAgents = try bias(
      "na_bias", vectors("ha_bias", height, at: 2, [1, heads, 0, 1, stored]).inColumns(heads),
      vectors("wa_bias", width, at: 3, [1, heads, 1, 0, stored]).inColumns(heads))
    self.biases = biases
    depthwise = try DepthwiseConv2D(c.channels, kernel: 3, from: tree.scope("dwc"))
    projection = try Linear(
      in: c.channels, out: c.channels, bias: true, from: tree.scope("proj"))
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = query(x, pass)  // [B, N, C]
    let kv = keyValue(x, pass)  // [B, N, 2C]
    let cells = (grid.height, grid.width)
    let pooled = pass.adaptiveAveragePool(  // [B, rows, columns, C]
      q.asMap(grid), rows: agents.height, columns: agents.width, layer: "\(path).pool")
    let agents = pooled.asTokens  // [B, n, C]
    pass.observe(q, kv, heads: heads, grid: grid, local: depthwise, layer: path) {
      let rows = AgentRows(
        queries: q, keys: kv, agents: agents, toAgents: toAgents, fromAgents: fromAgents,
        heads: heads, grid: grid)
      return { rows($0, $1) }
    }
    let gathered = pass.agentValues(  // [B, n, C]
      agents, kv: kv, bias: toAgents, grid: cells, layer: "\(path).agents")
    let mixed = pass.agentAttention(  // [B, N, C]
      q, agents: agents, values: gathered, bias: fromAgents, grid: cells,
      layer: "\(path).attention")
    let y = depthwise(kv.asMap(grid), offset: x.shape[2], residual: mixed, pass).asTokens
    return projection(y, residual: residual, pass)
  }
}

extension ParameterScope {
  /// The extent of a stored tensor's axis, where all others are as they should be; else `nil`.
  fileprivate func extent(of key: String, at axis: Int, where expected: [Int]) -> Int? {
    guard var shape = shape(of: key), shape.count == expected.count else { return nil }
    let extent = shape[axis]
    shape[axis] = expected[axis]
    return shape == expected && extent > 0 ? extent : nil
  }
}

extension Tensor {
  /// `[1, h, m, ...]` as `[h, m, places]`.
  fileprivate func inRows(_ heads: Int) -> Tensor {
    reshaped(Shape(heads, shape[2], shape[3] * shape[4]))
  }

  /// `[1, h, places, m]`, one of two axes for the places being 1, as `[h, m, places]`.
  fileprivate func inColumns(_ heads: Int) -> Tensor {
    let (places, stored) = (shape[2] * shape[3], shape[4])
    return Tensor(
      Shape(heads, stored, places),
      withUnsafeBuffer { values in
        (0..<heads * stored * places).map { index in
          let (head, agent, place) = (
            index / (stored * places), index / places % stored, index % places
          )
          return values[(head * places + place) * stored + agent]
        }
      })
  }
}
