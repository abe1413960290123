import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Linear attention whose kernel is a power of ReLU: `phi(q) (phi(k)^T v)` over the sum of its weights,
/// `phi(x) = relu(x)^power`.
struct ReLUAttention: TokenAttention {
  private let query: Linear
  private let keyValue: Linear
  private let projection: Linear
  private let channels: Int
  private let heads: Int
  private let power: Int
  private let path: String

  /// Reads `q`, `kv` and `proj`, and the option `power`.
  init(_ site: AttentionSite, from scope: ParameterScope) throws {
    channels = site.channels
    heads = site.heads
    power = try site.options.int("power", in: 1...8, default: 1)
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
    let q = phi(query(x, pass), pass)  // [B, N, C]
    let kv = keyValue(x, pass)  // [B, N, 2C]
    let state = pass.linearAttentionState(
      phi(kv, pass), kv, channels: channels..<2 * channels, heads: heads, layer: "\(path).state")
    let mixed = pass.linearAttention(
      q, state, normaliser: .meanKey(epsilon: 1e-6), layer: "\(path).attention")
    return projection(mixed, residual: residual, pass)
  }

  /// The feature map of the first C channels.
  private func phi(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    pass.mapRows(x, channels: channels, layer: "\(path).phi") { [power] row, out in
      for channel in out.indices {
        let value = max(row[channel], 0)
        out[channel] = (1..<power).reduce(value) { product, _ in product * value }
      }
    }
  }
}
