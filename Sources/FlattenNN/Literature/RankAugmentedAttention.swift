// Rank-augmented linear attention (RALA, arXiv 2411.07635): linear attention whose keys have weights, so that
// the state's rank grows, and whose result is gated. The equations of qhfan/RALA at a86314f
// (segmentation/mmseg/models/backbones/RALA.py); no code of it.
//
//     q, k, v, o = x W^T + b          psi = ELU + 1          R turns pairs of channels by row and column
//     a_t = N softmax_t(psi(k_t) . mean psi(q) / sqrt d)                                    per head
//     S = mean a_t R psi(k_t) v_t^T,    z = mean a_t psi(k_t)
//     y_i = R psi(q_i) S / (psi(q_i) . z + 1e-6)
//     out = ((y + dw5(v)) o) W_p^T + b_p
//
// B batch, N tokens, C channels, h heads, d = C / h.
//
// What surprises: the normaliser's keys have their weights, but are not turned; the gate is linear; the
// frequencies 10000^-(0 ... 1) of a head's d / 4 pairs have both ends. The softmax form, which stages 3 and 4 of
// the released networks have, takes the same parameters: softmax of the turned q and k in the place of a, S and
// z. A file does not tell which one it was trained with.

import FlattenCheckpoint
import FlattenTensor

/// Attention of RAVLT: RALA, or softmax attention with the same parameters.
public struct RankAugmentedAttention: TokenAttention {
  private let projections: Linear
  private let local: DepthwiseConv2D
  private let projection: Linear
  private let rotation: Rotation
  private let channels: Int
  private let heads: Int
  private let isSoftmax: Bool
  private let path: String

  /// Reads `qkvo` `[4C, C, 1, 1]`, `lepe` `[C, 1, 5, 5]` and `proj` `[C, C, 1, 1]`, each with its bias.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels into widths that 4 divides.
  ///   - isSoftmax: whether all tokens are weighed by softmax, in quadratic time.
  ///   - layerScale: `[C]`, a factor of the result.
  ///   - tree: the attention's place.
  public init(
    channels: Int, heads: Int, isSoftmax: Bool = false, layerScale: Tensor? = nil,
    from tree: ParameterScope
  ) throws {
    precondition(channels % (4 * heads) == 0, "\(channels) channels of \(heads) heads")
    projections = try Linear(convolution: channels, out: 4 * channels, from: tree.scope("qkvo"))
    local = try DepthwiseConv2D(channels, kernel: 5, from: tree.scope("lepe"))
    projection = try Linear(
      convolution: channels, out: channels, scale: layerScale, from: tree.scope("proj"))
    let count = channels / heads / 4
    let frequencies = Rotation.frequencies(count, last: 1 / 10000)
    rotation = Rotation(byRow: frequencies, byColumn: frequencies)
    self.channels = channels
    self.heads = heads
    self.isSoftmax = isSoftmax
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let qkvo = projections(x, pass)  // [B, N, 4C]
    let y = isSoftmax ? softmax(qkvo, grid, pass) : linear(qkvo, grid, pass)  // [B, N, C]
    return projection(y, residual: residual, pass)
  }

  private var values: Range<Int> { 2 * channels..<3 * channels }
  private var gate: Range<Int> { 3 * channels..<4 * channels }

  private func linear(_ qkvo: Tensor, _ grid: Grid, _ pass: ForwardPass) -> Tensor {
    let psi = FeatureMap.activation(.eluPlusOne)
    let table = pass.table(rotation, height: grid.height, width: grid.width)
    func rows(_ taken: Range<Int>, factors: Tensor? = nil) -> FeatureRows {
      FeatureRows(
        qkvo, channels: taken, heads: heads, map: psi, factors: factors, rotation: table)
    }
    let mean = pass.meanOverTokens(  // [B, C]
      qkvo, channels: 0..<channels, activation: .eluPlusOne, layer: "\(path).mean_q")
    let scores = pass.headProducts(  // [B, N, h]
      FeatureRows(qkvo, channels: channels..<2 * channels, heads: heads, map: psi), mean,
      scale: scale, layer: "\(path).scores")
    let weights = pass.softmaxOverTokens(scores, summingTo: nil, layer: "\(path).weights")
    let (q, k) = (rows(0..<channels), rows(channels..<2 * channels, factors: weights))
    let normaliser = LinearAttentionNormaliser.meanKey(epsilon: 1e-6)
    pass.observe(
      qkvo, qkvo, channels: channels, heads: heads, grid: grid, local: local, layer: path
    ) { LinearAttentionRows(q, k, normaliser, plain: true, $0) }
    let state = pass.linearAttentionState(
      k, qkvo, channels: values, plain: true, layer: "\(path).state")
    return pass.linearAttention(
      q, state, normaliser: normaliser, plain: true, values: (qkvo, values),
      AttentionFinish(depthwise: (local.prepared, local.path), gate: (qkvo, gate)),
      grid: (grid.height, grid.width), layer: path)
  }

  private func softmax(_ qkvo: Tensor, _ grid: Grid, _ pass: ForwardPass) -> Tensor {
    let q = turned(qkvo, 0..<channels, "q", grid, pass)
    let k = turned(qkvo, channels..<2 * channels, "k", grid, pass)
    pass.observe(
      attention: AttentionRecord(
        layer: path, .softmax(bias: nil), queries: q, keys: k, heads: heads,
        layout: WindowLayout(wholeOf: grid.height, grid.width), depthwise: [local.prepared]))
    let y = pass.softmaxAttention(
      q, k, values: qkvo, channels: values, heads: heads, layer: "\(path).attention")
    let z = local(qkvo.asMap(grid), offset: values.lowerBound, residual: y, pass).asTokens
    return pass.multiply(z, qkvo, channels: gate, layer: "\(path).gate")
  }

  private var scale: Float { 1 / Float(channels / heads).squareRoot() }

  private func turned(
    _ x: Tensor, _ taken: Range<Int>, _ name: String, _ grid: Grid, _ pass: ForwardPass
  ) -> Tensor {
    pass.rotate(
      x, channels: taken, rotation, grid: (grid.height, grid.width), heads: heads,
      layer: "\(path).turned_\(name)")
  }
}
