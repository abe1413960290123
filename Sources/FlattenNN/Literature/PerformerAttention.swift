// Performer (arXiv 2009.14794): softmax attention's exponential kernel by random features. The equations of
// lucidrains/performer-pytorch at fc8b784 (performer_pytorch/performer_pytorch.py) between PVT's projections;
// no code of it.
//
//     phi(x)_m = exp(x . w_m / d^(1/4) - |x|^2 / (2 sqrt d) - top) + epsilon          per head, m directions
//     y_i = phi(q_i) S / (phi(q_i) . k'),   S = mean phi(k_t) v_t^T,   k' = mean phi(k_t)
//     out = y W_p^T + b_p
//
// B batch, N tokens, C channels, h heads, d = C / h.
//
// What surprises: top is the largest product of a query, for keys that of a head over all tokens and
// directions, before the squares are subtracted; epsilon is added to the exponentials, not to the sum. The
// directions are a buffer of the file.

import FlattenCheckpoint
import FlattenTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Linear attention by positive random features.
public struct PerformerAttention: TokenAttention {
  private let query: Linear
  private let keyValue: Linear
  private let projection: Linear
  /// Directions `[m, d]`, divided by `d^(1/4)`.
  private let random: RandomFeatures
  private let channels: Int
  private let heads: Int
  private let path: String

  /// Reads `q`, `kv`, `proj` and `projection_matrix` `[m, d]`.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels.
  ///   - features: m.
  ///   - epsilon: added to each feature.
  ///   - qkvBias: whether q, k and v have a bias.
  ///   - tree: the attention's place.
  public init(
    channels: Int, heads: Int, features: Int, epsilon: Float, qkvBias: Bool,
    from tree: ParameterScope
  ) throws {
    precondition(
      channels % heads == 0 && features > 0, "\(channels) channels, \(heads) heads, \(features)")
    let width = channels / heads
    query = try Linear(in: channels, out: channels, bias: qkvBias, from: tree.scope("q"))
    keyValue = try Linear(in: channels, out: 2 * channels, bias: qkvBias, from: tree.scope("kv"))
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    let stored = try tree.tensor(
      "projection_matrix", [features, width], initially: .normal(deviation: 1))
    let scale = 1 / Float(width).squareRoot().squareRoot()
    random = RandomFeatures(
      PackedMatrix(
        Tensor(stored.shape, stored.elements.map { $0 * scale }), tree.context.inFloat32),
      half: 1 / (2 * Float(width).squareRoot()), epsilon: epsilon)
    self.channels = channels
    self.heads = heads
    path = tree.path
  }

  /// m where nothing else is said: `d ln d` rounded down, at least 1.
  public static func standardFeatures(width: Int) -> Int {
    max(1, Int(Double(width) * log(Double(width))))
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = query(x, pass)  // [B, N, C]
    let kv = keyValue(x, pass)  // [B, N, 2C]
    let values = channels..<2 * channels
    let tops = pass.largestProducts(  // [B, h]
      kv, channels: 0..<channels, heads: heads, random, layer: "\(path).tops")
    let rows = FeatureRows(q, heads: heads, random: random)  // [B, N, h m]
    let keys = FeatureRows(
      kv, channels: 0..<channels, heads: heads, random: random.with(tops: tops))
    let normaliser = LinearAttentionNormaliser.meanKey(epsilon: 0)
    pass.observe(q, kv, channels: channels, heads: heads, grid: grid, layer: path) {
      LinearAttentionRows(rows, keys, normaliser, $0)
    }
    let state = pass.linearAttentionState(keys, kv, channels: values, layer: "\(path).state")
    let y = pass.linearAttention(
      rows, state, normaliser: normaliser, values: (kv, values),
      grid: (grid.height, grid.width), layer: path)
    return projection(y, residual: residual, pass)
  }
}
