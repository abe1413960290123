// The attentions of Swin (arXiv 2103.14030) and FLatten-Swin (arXiv 2308.00442), on windows that are
// already cut: microsoft/Swin-Transformer at f82860b (models/swin_transformer.py) and
// LeapLabTHU/FLatten-Transformer at abdb115 (models/flatten_swin.py).

import FlattenCheckpoint
import FlattenTensor

/// The token mixer of each window.
package protocol WindowMixer: Sendable {
  /// - Parameter windows: `[B * count, tokens, C]`.
  /// - Returns: the same shape, after the output projection.
  func callAsFunction(_ windows: Tensor, _ layout: WindowLayout, _ pass: ForwardPass) -> Tensor
}

/// Swin's softmax attention with its relative position bias; masked where the windows are shifted.
package struct WindowAttention: WindowMixer {
  private let queryKeyValue: QueryKeyValue
  private let bias: RelativePositionBias
  private let projection: Linear
  private let path: String

  /// - Parameter window: side of the largest window.
  package init(
    channels: Int, heads: Int, window: Int, qkvBias: Bool, from tree: ParameterScope
  ) throws {
    queryKeyValue = try QueryKeyValue(channels, bias: qkvBias, from: tree.scope("qkv"))
    bias = try RelativePositionBias(window: window, heads: heads, from: tree)
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    path = tree.path
  }

  package func callAsFunction(
    _ windows: Tensor, _ layout: WindowLayout, _ pass: ForwardPass
  ) -> Tensor {
    let (q, kv) = queryKeyValue(windows, pass)
    let bias = bias(layout.window, pass)  // [h, tokens, tokens]
    pass.observe(
      attention:
        AttentionRecord(
          layer: path, .softmax(bias: bias), queries: q, keys: kv, heads: bias.shape[0],
          layout: layout))
    let mixed = pass.windowAttention(q, kv: kv, bias: bias, layout, layer: "\(path).attention")
    return projection(mixed, pass)
  }
}

/// FLatten-Swin's focused linear attention.
///
/// Upstream: models/flatten_swin.py:202, the mask of shifted windows is not looked at.
package struct FocusedWindowAttention: WindowMixer {
  private let queryKeyValue: QueryKeyValue
  private let mixing: FocusedMixing
  private let projection: Linear

  package init(
    _ c: FocusedMixing.Configuration, qkvBias: Bool, from tree: ParameterScope
  ) throws {
    queryKeyValue = try QueryKeyValue(c.channels, bias: qkvBias, from: tree.scope("qkv"))
    mixing = try FocusedMixing(c, from: tree)
    projection = try Linear(in: c.channels, out: c.channels, bias: true, from: tree.scope("proj"))
  }

  package func callAsFunction(
    _ windows: Tensor, _ layout: WindowLayout, _ pass: ForwardPass
  ) -> Tensor {
    let (q, kv) = queryKeyValue(windows, pass)
    return projection(mixing(q, kv: kv, layout, pass), pass)
  }
}
