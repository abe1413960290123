// TransNormer's DiagAttention (arXiv 2210.10340) as OpenNLPLab/Transnormer has it on fairseq, and in windows of a map,
// which is ours.
//
// B batch, N tokens of the grid, C channels, h heads, d = C / h.
//
// What surprises:
// - queries and keys are mirrored by a vector of length 1, then neighbouring pairs of channels turn by a learned angle
//   times the token's place;
// - the form with the ReLU divides by the root mean square over all C channels, without a weight;
// - in the raster form the last block is filled up with keys of zeros, which take weight in the softmax.

import FlattenCheckpoint
import FlattenTensor

/// Attention in blocks, with learned rotary positions.
package struct DiagonalAttention: TokenAttention {
  /// The numbers of one attention.
  package struct Configuration: Sendable {
    package let channels: Int
    package let heads: Int
    /// What sees each other. In windows the first half of a head's pairs turns by rows, the rest by columns.
    package let blocks: TokenBlocks
    package let weighting: BlockWeighting
    /// Whether queries and keys are mirrored and turned.
    package let hasPositions: Bool
    package let bias: Bool

    package init(
      channels: Int, heads: Int, blocks: TokenBlocks, weighting: BlockWeighting,
      hasPositions: Bool = true, bias: Bool
    ) {
      self.channels = channels
      self.heads = heads
      self.blocks = blocks
      self.weighting = weighting
      self.hasPositions = hasPositions
      self.bias = bias
    }
  }

  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let positions: TransNormerPositions?
  private let projection: Linear
  private let c: Configuration
  private let path: String

  /// Reads `q_proj`, `k_proj`, `v_proj`, `out_proj`, and `urpe.theta` and `urpe.v` where there are positions.
  package init(_ c: Configuration, from tree: ParameterScope) throws {
    func layer(_ key: String, bias: Bool) throws -> Linear {
      try Linear(in: c.channels, out: c.channels, bias: bias, from: tree.scope(key))
    }
    query = try layer("q_proj", bias: c.bias)
    key = try layer("k_proj", bias: c.bias)
    value = try layer("v_proj", bias: c.bias)
    projection = try layer("out_proj", bias: true)
    positions =
      c.hasPositions
      ? try TransNormerPositions(
        width: c.channels / c.heads, isOnGrid: c.blocks.areWindows, from: tree.scope("urpe")) : nil
    self.c = c
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = placed(query(x, pass), grid, "q", pass)
    let k = placed(key(x, pass), grid, "k", pass)
    let mixed = pass.blockAttention(
      q, k, value(x, pass), heads: c.heads, c.blocks, c.weighting,
      grid: (grid.height, grid.width), layer: "\(path).attention")
    pass.observe(q, k, heads: c.heads, grid: grid, layer: path) { [c] in
      let rows = BlockRows(
        queries: q, keys: k, mixed: mixed, heads: c.heads, blocks: c.blocks,
        weighting: c.weighting, grid: grid)
      return { rows($0, $1) }
    }
    guard c.weighting == .relu else { return projection(mixed, residual: residual, pass) }
    let root = Float(c.channels).squareRoot()
    let normed = pass.features(
      mixed, .unitRows(length: root, epsilon: 1e-8 * root), layer: "\(path).norm")
    return projection(normed, residual: residual, pass)
  }

  /// Mirrored and turned. Only differences of angles matter to a product, so tokens count over the whole map.
  private func placed(
    _ x: Tensor, _ grid: Grid, _ name: String, _ pass: ForwardPass
  ) -> Tensor {
    positions.map {
      pass.features(
        $0.rows(x, heads: c.heads, grid: grid, pass),
        layer: "\(path).\(name)")
    } ?? x
  }
}

extension TokenBlocks {
  fileprivate var areWindows: Bool {
    if case .windows = self { return true }
    return false
  }
}
