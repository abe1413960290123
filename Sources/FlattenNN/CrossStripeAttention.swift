// The attentions of CSwin (arXiv 2107.00652) and FLatten-CSwin (arXiv 2308.00442), between the
// projections of their block: microsoft/CSWin-Transformer at f111ae2 (models/cswin.py and, for any
// size of map, segmentation/backbone/cswin_transformer.py) and LeapLabTHU/FLatten-Transformer at
// abdb115 (models/flatten_cswin.py).
//
// LePE, the locally enhanced positional encoding, is a 3x3 depthwise convolution of v that is added to
// the attention's result.

import FlattenCheckpoint
import FlattenTensor

/// Softmax attention inside stripes of the map, plus LePE.
package struct StripeAttention: Sendable {
  /// The stripes that one branch of a block looks at.
  package enum Stripes: Sendable, Equatable {
    /// The whole map.
    case whole
    /// As many columns, over the full height.
    case columns(Int)
    /// As many rows, over the full width.
    case rows(Int)
  }

  private let stripes: Stripes
  private let heads: Int
  private let encoding: DepthwiseConv2D
  private let path: String

  /// Reads `get_v`.
  ///
  /// - Parameters:
  ///   - channels: of this branch.
  ///   - heads: of this branch.
  package init(
    _ stripes: Stripes, channels: Int, heads: Int, from tree: ParameterScope
  ) throws {
    self.stripes = stripes
    self.heads = heads
    encoding = try DepthwiseConv2D(channels, kernel: 3, from: tree.scope("get_v"))
    path = tree.path
  }

  /// The stripes of a map. Where it is no multiple of their width, zeros are added on both sides, as
  /// many as lack; tokens there are keys like any other (dense prediction with CSwin).
  package func layout(_ grid: Grid) -> WindowLayout {
    switch stripes {
    case .whole: WindowLayout(wholeOf: grid.height, grid.width)
    case .columns(let count):
      WindowLayout(
        height: grid.height, width: grid.width, windowHeight: grid.height, windowWidth: count,
        padding: .bothSides)
    case .rows(let count):
      WindowLayout(
        height: grid.height, width: grid.width, windowHeight: count, windowWidth: grid.width,
        padding: .bothSides)
    }
  }

  /// - Parameters:
  ///   - q: `[B, N, all C]`.
  ///   - kv: `[B, N, 2 * all C]`, keys first.
  ///   - channels: the channels of q, of k and of v that are this branch's.
  /// - Returns: windows `[B * count, tokens, channels.count]`.
  package func callAsFunction(
    _ q: Tensor, kv: Tensor, channels: Range<Int>, grid: Grid, _ pass: ForwardPass
  ) -> (windows: Tensor, layout: WindowLayout) {
    let layout = layout(grid)
    let all = q.shape[2]
    let isAll = channels == 0..<all
    let keysAndValues = [channels, channels.lowerBound + all..<channels.upperBound + all]
    let stripesQ = pass.windows(
      q.asMap(grid), layout, channels: isAll ? nil : [channels],
      layer: "\(path).stripes_q")
    let stripesKV = pass.windows(
      kv.asMap(grid), layout, channels: isAll ? nil : keysAndValues,
      layer: "\(path).stripes_kv")
    pass.observe(
      attention:
        AttentionRecord(
          layer: path, .softmax(bias: nil), queries: stripesQ, keys: stripesKV, heads: heads,
          layout: layout, depthwise: [encoding.prepared], channels: channels))
    let mixed = pass.softmaxAttention(
      stripesQ, kv: stripesKV, heads: heads, layer: "\(path).attention")
    // The encoding does not look out of its stripe either.
    let encoded = encoding(
      stripesKV.asMap(layout.window), offset: channels.count, residual: mixed, pass)
    return (encoded.asTokens, layout)
  }
}

/// FLatten-CSwin's focused linear attention over the whole map, plus LePE.
///
/// Upstream: models/flatten_cswin.py:234-243 works with one window only, so there are no linear stripes.
package struct FocusedStripeAttention: Sendable {
  private let mixing: FocusedMixing
  private let encoding: DepthwiseConv2D
  private let channels: Int

  package init(_ c: FocusedMixing.Configuration, from tree: ParameterScope) throws {
    mixing = try FocusedMixing(c, from: tree)
    encoding = try DepthwiseConv2D(c.channels, kernel: 3, from: tree.scope("get_v"))
    channels = c.channels
  }

  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - kv: `[B, N, 2C]`, keys first.
  /// - Returns: `[B, N, C]`.
  package func callAsFunction(
    _ q: Tensor, kv: Tensor, grid: Grid, _ pass: ForwardPass
  ) -> Tensor {
    let whole = WindowLayout(wholeOf: grid.height, grid.width)
    let mixed = mixing(q, kv: kv, whole, encoding: encoding, pass)
    return encoding(kv.asMap(grid), offset: channels, residual: mixed, pass).asTokens
  }
}
