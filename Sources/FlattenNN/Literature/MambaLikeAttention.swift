// The attention of Mamba-like linear attention (MLLA, arXiv 2405.16605). The equations of LeapLabTHU/MLLA at
// 66b6d29 (downstream/segmentation/mmseg/models/backbones/mlla.py); no code of it.
//
//     q, k = psi(x W^T + b),  psi = ELU + 1,  v = x
//     S = mean R(k_t) v_t^T,    z = mean k_t          R turns pairs of channels by row and column
//     y_i = R(q_i) S / (q_i . z + 1e-6) + dw3(v)
//
// B batch, N tokens, C channels, h heads, d = C / h.
//
// What surprises: the rotation has C / 4 frequencies 10000^-(j / (C / 4)) over all channels, before the split
// into heads; the values are the input itself; there is no projection after.

import FlattenCheckpoint
import FlattenTensor

/// Linear attention with turned queries and keys, of the input as it is.
public struct MambaLikeAttention: TokenAttention {
  private let queryKey: Linear
  private let local: DepthwiseConv2D
  private let rotation: Rotation
  private let channels: Int
  private let heads: Int
  private let path: String

  /// Reads `qk` `[2C, C]` and `lepe` `[C, 1, 3, 3]` with its bias.
  ///
  /// - Parameters:
  ///   - channels: of the tokens, a multiple of 4.
  ///   - heads: they divide the channels.
  ///   - qkvBias: whether q and k have a bias.
  ///   - tree: the attention's place.
  public init(
    channels: Int, heads: Int, qkvBias: Bool = true, from tree: ParameterScope
  ) throws {
    precondition(channels % 4 == 0 && channels % heads == 0, "\(channels) channels, \(heads) heads")
    queryKey = try Linear(
      in: channels, out: 2 * channels, bias: qkvBias, from: tree.scope("qk"))
    local = try DepthwiseConv2D(channels, kernel: 3, from: tree.scope("lepe"))
    let frequencies = Rotation.frequencies(channels / 4, before: 1 / 10000)
    rotation = Rotation(byRow: frequencies, byColumn: frequencies)
    self.channels = channels
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let qk = queryKey(x, activation: .eluPlusOne, pass)  // [B, N, 2C]
    let table = pass.table(rotation, height: grid.height, width: grid.width)
    let q = FeatureRows(qk, channels: 0..<channels, heads: heads, rotation: table)
    let k = FeatureRows(qk, channels: channels..<2 * channels, heads: heads, rotation: table)
    let normaliser = LinearAttentionNormaliser.meanKey(epsilon: 1e-6)
    pass.observe(qk, qk, channels: channels, heads: heads, grid: grid, local: local, layer: path) {
      LinearAttentionRows(q, k, normaliser, plain: true, $0)
    }
    let state = pass.linearAttentionState(
      k, x, channels: 0..<channels, plain: true, layer: "\(path).state")
    let z = pass.linearAttention(
      q, state, normaliser: normaliser, plain: true, values: (x, 0..<channels),
      AttentionFinish(depthwise: (local.prepared, local.path)), grid: (grid.height, grid.width),
      layer: path)
    return residual.map { pass.add(z, $0, layer: "\(path).residual") } ?? z
  }
}
