// Softmax attention with spatially reduced keys and values, of PVT (arXiv 2102.12122) and PVTv2
// (arXiv 2106.13797): whai362/PVT at 57e2dfa, and the softmax blocks of FLatten-PVT.

import FlattenCheckpoint
import FlattenTensor

/// `softmax(q k^T / sqrt d) v` per head, keys and values from a shortened token list.
public struct SpatialReductionAttention: TokenAttention {
  private let reduction: KeyReduction
  private let query: Linear
  private let keySource: KeySource
  private let keyValue: Linear
  private let projection: Linear
  private let heads: Int
  private let path: String

  /// Reads `q`, `kv`, `proj` and, where keys are reduced, `sr` and `norm`.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels.
  ///   - reduction: how keys and values become fewer.
  ///   - qkvBias: whether q, k and v have a bias.
  ///   - normEpsilon: of the norm after the reduction.
  ///   - tree: the attention's place.
  public init(
    channels: Int, heads: Int, reduction: KeyReduction, qkvBias: Bool, normEpsilon: Float,
    from tree: ParameterScope
  ) throws {
    self.reduction = reduction
    query = try Linear(in: channels, out: channels, bias: qkvBias, from: tree.scope("q"))
    keySource = try KeySource(reduction, channels: channels, epsilon: normEpsilon, from: tree)
    keyValue = try Linear(in: channels, out: 2 * channels, bias: qkvBias, from: tree.scope("kv"))
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = query(x, pass)  // [B, N, C]
    let kv = keyValue(keySource(x, grid: grid, pass), pass)  // [B, n, 2C]
    pass.observe(
      attention:
        AttentionRecord(
          layer: path, .softmax(bias: nil), queries: q, keys: kv, heads: heads,
          layout: WindowLayout(wholeOf: grid.height, grid.width), reduction: reduction))
    let mixed = pass.softmaxAttention(q, kv: kv, heads: heads, layer: "\(path).attention")
    return projection(mixed, residual: residual, pass)
  }
}
