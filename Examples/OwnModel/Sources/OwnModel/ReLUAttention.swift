import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Linear attention whose kernel is a plain ReLU: `relu(q) (relu(k)^T v)`, divided by the sum of its
/// weights.
struct ReLUAttention: TokenAttention {
  private let query: Linear
  private let keyValue: Linear
  private let projection: Linear
  private let channels: Int
  private let heads: Int
  private let path: String

  /// Reads `q`, `kv` and `proj`.
  init(_ site: AttentionSite, from scope: ParameterScope) throws {
    channels = site.channels
    heads = site.heads
    path = scope.path
    query = try Linear(in: channels, out: channels, bias: site.qkvBias, from: scope.scope("q"))
    keyValue = try Linear(
      in: channels, out: 2 * channels, bias: site.qkvBias, from: scope.scope("kv"))
    projection = try Linear(in: channels, out: channels, bias: true, from: scope.scope("proj"))
  }

  /// `[B, N, C]` to the same shape.
  func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = query(x, activation: .relu, pass)  // [B, N, C]
    let kv = keyValue(x, pass)  // [B, N, 2C]
    let k = pass.mapRows(kv, channels: channels, layer: "\(path).relu_k") { row, out in
      for channel in out.indices { out[channel] = max(row[channel], 0) }
    }
    let mixed = pass.linearAttention(q, k, kv: kv, heads: heads, layer: "\(path).attention")
    return projection(mixed, residual: residual, pass)
  }
}
