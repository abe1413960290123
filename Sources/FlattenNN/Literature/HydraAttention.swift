// Hydra attention (arXiv 2209.07484). No code of its authors has a module of its own; the epsilon below the norms is
// ours.

import FlattenCheckpoint
import FlattenTensor

/// Attention with a head per channel: unit queries times the sum of unit keys times values, channel by channel.
package struct HydraAttention: TokenAttention {
  private let query: Linear
  private let keyValue: Linear
  private let projection: Linear
  private let path: String

  /// Reads `q`, `kv` and `proj`.
  package init(channels: Int, qkvBias: Bool, from tree: ParameterScope) throws {
    query = try Linear(in: channels, out: channels, bias: qkvBias, from: tree.scope("q"))
    keyValue = try Linear(in: channels, out: 2 * channels, bias: qkvBias, from: tree.scope("kv"))
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let mixed = pass.hydraAttention(
      query(x, pass), kv: keyValue(x, pass), epsilon: 1e-12, layer: "\(path).attention")
    return projection(mixed, residual: residual, pass)
  }
}
