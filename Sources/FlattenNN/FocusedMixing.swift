// The part of focused linear attention that all families share (arXiv 2308.00442, section 4): what
// happens between the projections to q, k and v and the output projection. In
// LeapLabTHU/FLatten-Transformer at abdb115 it is written out in each of models/flatten_pvt.py,
// flatten_pvt_v2.py, flatten_swin.py and flatten_cswin.py.
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

  private let configuration: Configuration
  private let position: PositionTable
  private let focus: FocusMap
  private let depthwise: DepthwiseConv2D
  private let path: String

  /// Reads `positional_encoding` `[1, n, C]`, `scale` `[1, 1, C]` and `dwc`, whose d channels all heads
  /// share.
  package init(_ c: Configuration, from tree: ParameterScope) throws {
    configuration = c
    position = try PositionTable(
      "positional_encoding", native: c.nativeGrid, channels: c.channels,
      leading: c.hasClassToken ? .kept(1) : .none, from: tree)
    let scale = try tree.tensor("scale", [1, 1, c.channels]).softplus().elements
    focus = FocusMap(
      inverseScale: Tensor([c.channels], scale.map { 1 / $0 }), power: c.focusingFactor)
    depthwise = try DepthwiseConv2D(
      c.channels / c.heads, kernel: c.kernel, repeated: c.heads, from: tree.scope("dwc"))
    path = tree.path
  }

  /// The same with the linear layers around it, for queries, keys and values of the same tokens.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`.
  ///   - residual: `[B, N, C]`.
  ///   - layout: the windows that the N tokens are.
  /// - Returns: `[B, N, C]`.
  package func callAsFunction(
    _ x: consuming Tensor, query: Linear, keyValue: Linear, output: Linear, residual: Tensor?,
    _ layout: WindowLayout, _ pass: ForwardPass
  ) -> Tensor {
    let grid = layout.window
    guard fuses(grid, pass) else {
      let q = query(x, pass)  // [B, N, C]
      let kv = keyValue(consume x, pass)  // [B, N, 2C]
      return output(self(q, kv: kv, layout, pass), residual: residual, pass)
    }
    return pass.focusedLinearAttention(
      .tokens(x, query: query.parameters, keyValue: keyValue.parameters), parameters(grid, pass),
      grid: (grid.height, grid.width), output: output.parameters, residual: residual, layer: path)
  }

  /// Whether steps may, and should, be taken as one.
  private func fuses(_ grid: Grid, _ pass: ForwardPass) -> Bool {
    !configuration.hasClassToken && !pass.isObserved && grid.count >= ForwardPass.fewestTokensFused
  }

  private func parameters(_ grid: Grid, _ pass: ForwardPass) -> FocusedAttentionParameters {
    FocusedAttentionParameters(
      position: position(grid, pass), focus: focus, depthwise: depthwise.parameters,
      heads: configuration.heads)
  }

  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - kv: `[B, n, 2C]`, keys first.
  ///   - layout: the windows that the N tokens are, the class token not counted.
  ///   - reduction: how the n tokens came of the N.
  ///   - encoding: a convolution of v that the caller adds to the result, for whoever looks at the
  ///     attention's matrix.
  /// - Returns: `[B, N, C]`.
  package func callAsFunction(
    _ q: Tensor, kv: Tensor, _ layout: WindowLayout, reduction: KeyReduction = .none,
    encoding: DepthwiseWeight? = nil, _ pass: ForwardPass
  ) -> Tensor {
    let c = configuration
    let grid = layout.window
    let keyGrid = reduction(grid)
    if keyGrid == grid && fuses(grid, pass) {
      return pass.focusedLinearAttention(
        .projected(q: q, kv: kv), parameters(grid, pass), grid: (grid.height, grid.width),
        layer: "\(path).attention")
    }
    let position = position(keyGrid, pass)
    // Step by step.
    let focusedQ = pass.focus(q, focus, layer: "\(path).focus_q")  // [B, N, C]
    let focusedK = pass.focus(kv, position: position, focus, layer: "\(path).focus_k")  // [B, n, C]
    pass.report(
      AttentionRecord(
        layer: path, .linear, queries: focusedQ, keys: focusedK, heads: c.heads, layout: layout,
        reduction: reduction, depthwise: [depthwise.parameters] + (encoding.map { [$0] } ?? [])))
    let mixed = pass.linearAttention(
      focusedQ, focusedK, kv: kv, heads: c.heads, layer: "\(path).attention")  // [B, N, C]

    // The rank: attention + depthwise(v), on the grid of the queries.
    if c.hasClassToken {
      // The class token has no neighbours.
      let classToken = pass.tokens(mixed, 0..<1, layer: "\(path).class")
      let gridTokens = pass.tokens(mixed, 1..<grid.count + 1, layer: "\(path).grid")
      let gridKV = pass.tokens(kv, 1..<grid.count + 1, layer: "\(path).grid_kv")
      let restored = depthwise(gridKV.asMap(grid), offset: c.channels, residual: gridTokens, pass)
      return pass.joinTokens(classToken, restored.asTokens, layer: "\(path).restored")
    }
    if keyGrid == grid {
      return depthwise(kv.asMap(grid), offset: c.channels, residual: mixed, pass).asTokens
    }
    // Upstream: models/flatten_pvt.py:147, one-dimensional over the flattened tokens.
    let v = pass.resizeTokens(
      kv, channels: c.channels..<2 * c.channels, to: grid.count, layer: "\(path).resize_v")
    return depthwise(v.asMap(grid), residual: mixed, pass).asTokens
  }
}
