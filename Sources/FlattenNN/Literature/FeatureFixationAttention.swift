// Linear attention with Feature Fixation (arXiv 2210.05838): gates, made of query, key and value together, weigh
// the features of queries and keys. The equations of OpenNLPLab/Linear_VideoTransformer at 185d74a
// (slowfast/models/transformers/linear_block_v2.py, slowfast/models/temporal_shift.py); no code of it.
//
//     q, k, v = x W^T + b,    q <- ReLU(q) + 1 / sqrt d,    k <- ReLU(k) + 1 / sqrt d
//     u = [q, k, v]  per head;   q <- sigma(W_q u + b_q) q,    k <- sigma(W_k u + b_k) k
//     y_i = q_i S / (q_i . k' + 1e-6 / N),    S = mean k_t v_t^T,    k' = mean k_t;    out = y W_p^T + b_p
//
// B batch, N tokens, C channels, h heads, d = C / h.
//
// What surprises: 1 / sqrt d is added, not multiplied; v enters the gates as projected; both gates may be one
// (`pgate`), and all heads share them. Upstream shifts keys and values among neighbouring tokens in an attention
// of its own; with `isShifted` it is done here, before ReLU, which is ours.

import FlattenCheckpoint
import FlattenTensor

/// Linear attention whose features are gated.
public struct FeatureFixationAttention: TokenAttention {
  private let projections: Linear
  private let queryGate: Linear
  /// `nil` where both gates are one.
  private let keyGate: Linear?
  private let projection: Linear
  private let channels: Int
  private let heads: Int
  private let isShifted: Bool
  private let path: String

  /// Reads `qkv`, `proj`, and `pgate` `[d, 3d]` or `q_gate` and `k_gate`.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels.
  ///   - qkvBias: whether q, k and v have a bias.
  ///   - sharesGate: whether both gates are one.
  ///   - isShifted: whether half of the channels of keys and values come from neighbours.
  ///   - tree: the attention's place.
  public init(
    channels: Int, heads: Int, qkvBias: Bool, sharesGate: Bool, isShifted: Bool = false,
    from tree: ParameterScope
  ) throws {
    precondition(channels % heads == 0, "\(channels) channels, \(heads) heads")
    let width = channels / heads
    projections = try Linear(
      in: channels, out: 3 * channels, bias: qkvBias, from: tree.scope("qkv"))
    func gate(_ name: String) throws -> Linear {
      try Linear(in: 3 * width, out: width, bias: true, from: tree.scope(name))
    }
    queryGate = try gate(sharesGate ? "pgate" : "q_gate")
    keyGate = sharesGate ? nil : try gate("k_gate")
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    self.channels = channels
    self.heads = heads
    self.isShifted = isShifted
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let (tokens, width) = (x.shape[1], channels / heads)
    let qkv = projections(x, pass)  // [B, N, 3C]
    var (k, v) = ((x: qkv, offset: channels), (x: qkv, offset: 2 * channels))
    if isShifted {
      // Channels of k and of v are cut into sixteenths each by itself.
      k = (shifted(qkv, channels, "k", grid, pass), 0)
      v = (shifted(qkv, 2 * channels, "v", grid, pass), 0)
    }
    let phi = pass.gatedFeatures(  // [B, N, 2C]
      (qkv, 0), k, v, heads: heads,
      map: .activation(.relu, plus: 1 / Float(width).squareRoot()),
      queryGate: (queryGate.product, queryGate.addend),
      keyGate: keyGate.map { ($0.product, $0.addend) }, layer: "\(path).gated")
    let rows = FeatureRows(phi, channels: 0..<channels, heads: heads)
    let keys = FeatureRows(phi, channels: channels..<2 * channels, heads: heads)
    let values = v.offset..<v.offset + channels
    let normaliser = LinearAttentionNormaliser.meanKey(epsilon: 1e-6 / Float(tokens))
    pass.observe(phi, phi, channels: channels, heads: heads, grid: grid, layer: path) {
      LinearAttentionRows(rows, keys, normaliser, $0)
    }
    let state = pass.linearAttentionState(keys, v.x, channels: values, layer: "\(path).state")
    let y = pass.linearAttention(
      rows, state, normaliser: normaliser, values: (v.x, values), grid: (grid.height, grid.width),
      layer: path)
    return projection(y, residual: residual, pass)
  }

  private func shifted(
    _ qkv: Tensor, _ offset: Int, _ name: String, _ grid: Grid, _ pass: ForwardPass
  ) -> Tensor {
    pass.shiftedNeighbours(
      qkv, channels: offset..<offset + channels, grid: (grid.height, grid.width),
      layer: "\(path).shifted_\(name)")
  }
}
