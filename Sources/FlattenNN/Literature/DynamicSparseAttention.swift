// DynaST (arXiv 2207.06124), as Huage001/DynaST has it at 42bf8a7 (models/networks/dynast_transformer.py), where it
// matches the pyramids of two pictures. Inside one stage, of a map with itself, it is ours.
//
// B batch, N tokens of the grid, C channels.
//
// What is ours:
// - the pyramid: the map is continued by its edge to multiples of 2^L, L the least for which the coarsest map has no
//   side above a limit, and its features are averaged down; upstream has one of another network;
// - one head; projections f and g of x / (|x| + 1e-10), h of x.

import FlattenCheckpoint
import FlattenTensor

/// Sparse attention to a few keys, found from a coarse map down.
package struct DynamicSparseAttention: TokenAttention {
  /// The numbers of one attention.
  package struct Configuration: Sendable {
    package let channels: Int
    /// Channels of the gates.
    package let gateChannels: Int
    /// Keys that each query keeps.
    package let top: Int
    /// Of the softmax on all but the coarsest map.
    package let temperature: Float
    /// The longest side of the coarsest map.
    package let coarseSide: Int

    package init(
      channels: Int, gateChannels: Int, top: Int, temperature: Float, coarseSide: Int
    ) {
      self.channels = channels
      self.gateChannels = gateChannels
      self.top = top
      self.temperature = temperature
      self.coarseSide = coarseSide
    }
  }

  /// The keys that each query of one map of the pyramid keeps.
  package struct Kept {
    /// Cells of the padded map that one of this map's stands for, in both directions.
    package let step: Int
    package let keys: KeptKeys
  }

  private let query: Linear
  private let key: Linear
  private let queryGate: Linear
  private let keyGate: Linear
  private let value: Linear
  private let projection: Linear
  private let c: Configuration
  private let path: String

  /// Reads the 1x1 convolutions `f`, `g`, `f_prune`, `g_prune` and `h`, and `proj`.
  package init(_ c: Configuration, from tree: ParameterScope) throws {
    func layer(_ key: String, _ outputs: Int, inFloat32: Bool) throws -> Linear {
      try Linear(
        convolution: c.channels, out: outputs, inFloat32: inFloat32, from: tree.scope(key))
    }
    // Which keys are kept, and which count, hangs on small differences.
    query = try layer("f", c.channels, inFloat32: true)
    key = try layer("g", c.channels, inFloat32: true)
    queryGate = try layer("f_prune", c.gateChannels, inFloat32: true)
    keyGate = try layer("g_prune", c.gateChannels, inFloat32: true)
    value = try layer("h", c.channels, inFloat32: false)
    projection = try Linear(
      in: c.channels, out: c.channels, bias: true, from: tree.scope("proj"))
    self.c = c
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    projection(mixed(x, grid: grid, pass).y, residual: residual, pass)
  }

  /// What is projected, `[B, N, C]`; the weights that each token has given to others; and what was kept on each map,
  /// coarsest first.
  ///
  /// The second is `[B, padded N, C + 1]`, weights last.
  package func mixed(
    _ x: Tensor, grid: Grid, _ pass: ForwardPass
  ) -> (y: Tensor, values: Tensor, kept: [Kept]) {
    var levels = 0
    while (max(grid.height, grid.width) - 1) >> levels + 1 > c.coarseSide { levels += 1 }
    let unit = pass.features(x, .unitRows(epsilon: 1e-10), layer: "\(path).unit")
    func padded(_ layer: Linear, _ x: Tensor) -> Tensor {
      pass.edgePadded(
        layer(x, pass).asMap(grid), toMultipleOf: 1 << levels, layer: "\(path).pad")
    }
    let whole = [query, key, queryGate, keyGate].map { padded($0, unit) } + [padded(value, x)]
    let paddedGrid = whole[0].grid
    var kept: [Kept] = []
    for level in (0...levels).reversed() {
      let step = 1 << level
      let maps = whole.map { pass.averagePool($0, by: step, layer: "\(path).pool").asTokens }
      let size = (paddedGrid.height / step, paddedGrid.width / step)
      let features = DynamicSparseMaps(
        query: maps[0], key: maps[1], queryGate: maps[2], keyGate: maps[3], value: maps[4])
      let result: DynamicSparseResult
      if let last = kept.last {
        let across = pass.acrossAttention(
          features, kept: last.keys, grid: size, top: c.top, temperature: c.temperature,
          wantsValues: false, layer: "\(path).across")
        result = pass.withinAttention(
          features, kept: across.keys, grid: size, top: c.top, temperature: c.temperature,
          wantsValues: level == 0, layer: "\(path).within")
      } else {
        result = pass.denseAttention(
          features, top: c.top, wantsValues: level == 0, layer: "\(path).dense")
      }
      kept.append(Kept(step: step, keys: result.keys))
      if level == 0, let values = result.values {
        let y = pass.fallingBack(
          values, on: maps[4], grid: size, to: (grid.height, grid.width),
          layer: "\(path).attention")
        return (y, values, kept)
      }
    }
    preconditionFailure("the finest map has values")
  }
}
