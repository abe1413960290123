// Focused linear attention between its projections, as all families have it (FLatten Transformer, arXiv
// 2308.00442, section 4): phi(q) (phi(k + position)^T v) / (phi(q) . mean phi(k + position)) + dwc(v).
// The equation is written out at ``ForwardPass/focusedLinearAttention``. In LeapLabTHU/FLatten-Transformer at
// abdb115 it stands in each of models/flatten_pvt.py, flatten_pvt_v2.py, flatten_swin.py and
// flatten_cswin.py.
//
// B batch, N tokens of the grid, n tokens of keys and values, C channels, h heads, d = C / h.

import FlattenCheckpoint
import FlattenTensor

/// Focusing map, linear attention, and the depthwise convolution that restores the rank.
package struct FocusedMixing: Sendable {
  /// The numbers of one attention.
  package struct Configuration: Sendable {
    package let channels: Int
    package let heads: Int
    /// The grid of keys that the checkpoint was built for.
    package let nativeGrid: Grid
    /// The paper's p.
    package let focusingFactor: Int
    /// Window of the depthwise convolution.
    package let kernel: Int
    /// Whether a class token stands before the grid's tokens, with a row of its own in the table of
    /// positions.
    package let hasClassToken: Bool

    package init(
      channels: Int, heads: Int, nativeGrid: Grid, focusingFactor: Int, kernel: Int,
      hasClassToken: Bool = false
    ) {
      self.channels = channels
      self.heads = heads
      self.nativeGrid = nativeGrid
      self.focusingFactor = focusingFactor
      self.kernel = kernel
      self.hasClassToken = hasClassToken
    }
  }

  package let position: PositionTable
  /// `[1, 1, C]`, of the focusing map.
  package let scale: Tensor
  package let depthwise: DepthwiseConv2D
  private let weights: FocusedAttentionWeights
  private let path: String

  /// Reads `positional_encoding` `[1, n, C]`, `scale` `[1, 1, C]` and `dwc`, whose d channels all heads
  /// share.
  package init(_ c: Configuration, from tree: ParameterScope) throws {
    position = try PositionTable(
      "positional_encoding", native: c.nativeGrid, channels: c.channels,
      leading: c.hasClassToken ? .kept(1) : .none, from: tree)
    scale = try tree.tensor("scale", [1, 1, c.channels], initially: .zeros)
    depthwise = try DepthwiseConv2D(
      c.channels / c.heads, kernel: c.kernel, repeated: c.heads, from: tree.scope("dwc"))
    weights = FocusedAttentionWeights(
      focus: FocusMap(scale: scale, power: c.focusingFactor), depthwise: depthwise.prepared,
      depthwiseLayer: depthwise.path, heads: c.heads)
    path = tree.path
  }

  /// - Parameters:
  ///   - q: `[B, N, C]`, or `[B, 1 + N, C]` with a class token.
  ///   - kv: `[B, n, 2C]`, keys first; with a class token if q has one.
  ///   - layout: the windows that the N tokens are, the class token not counted.
  ///   - reduction: how the n tokens came of the N.
  ///   - encoding: another convolution of v, which the caller adds to the result; for the observer.
  /// - Returns: as q.
  package func callAsFunction(
    _ q: Tensor, kv: Tensor, _ layout: WindowLayout, reduction: KeyReduction = .none,
    encoding: DepthwiseConv2D? = nil, _ pass: ForwardPass
  ) -> Tensor {
    let grid = layout.window
    return pass.focusedLinearAttention(
      q, kv: kv, position: position(reduction(grid), pass), weights,
      grid: (grid.height, grid.width), layer: path
    ) { phiQ, phiK in
      AttentionRecord(
        layer: path, .linear, queries: phiQ, keys: phiK, heads: weights.heads, layout: layout,
        reduction: reduction,
        depthwise: [weights.depthwise] + (encoding.map { [$0.prepared] } ?? []))
    }
  }
}
