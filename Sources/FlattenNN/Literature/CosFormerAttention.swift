// cosFormer (arXiv 2202.08791): linear attention of ReLU features, each pair of tokens weighed by the cosine of
// an angle between them. The equations of OpenNLPLab/cosFormer at 8e12da1 (cosformer.py); no code of it.
//
//     q, k = ReLU(x W^T + b),    a_t = (pi / 2) t / N,    t = 1 ... N along the raster
//     phi(q_t) = [q_t sin a_t, q_t cos a_t]  per head, likewise k
//     y_i = phi(q_i) S / max(phi(q_i) . k', 1e-6 / N),   S = mean phi(k_t) v_t^T,   k' = mean phi(k_t)
//     out = y W_o^T + b_o
//
// B batch, N tokens, C channels, h heads, d = C / h.

import FlattenCheckpoint
import FlattenTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Linear attention with a cosine of the distance along the raster.
public struct CosFormerAttention: TokenAttention {
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let projection: Linear
  private let angles: TokenWeights
  private let heads: Int
  private let path: String

  /// Reads `q_proj`, `k_proj`, `v_proj` and `out_proj`.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels.
  ///   - tree: the attention's place.
  public init(channels: Int, heads: Int, from tree: ParameterScope) throws {
    precondition(channels % heads == 0, "\(channels) channels, \(heads) heads")
    // A query that ReLU makes 0 has no weights at all: what rounding makes of it would have them all.
    func linear(_ name: String, inFloat32: Bool = false) throws -> Linear {
      try Linear(
        in: channels, out: channels, bias: true, inFloat32: inFloat32,
        from: tree.scope(name))
    }
    query = try linear("q_proj", inFloat32: true)
    key = try linear("k_proj", inFloat32: true)
    value = try linear("v_proj")
    projection = try linear("out_proj")
    angles = TokenWeights(2) { grid, row, column, out in
      let angle =
        Double.pi / 2 * Double(row * grid.width + column + 1) / Double(grid.height * grid.width)
      out[0] = Float(sin(angle))
      out[1] = Float(cos(angle))
    }
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = query(x, activation: .relu, pass)  // [B, N, C]
    let k = key(x, activation: .relu, pass)
    let v = value(x, pass)
    let weights = pass.table(angles, grid: (grid.height, grid.width))  // [N, 2]
    let phiQ = FeatureRows(q, heads: heads, copies: weights)  // [B, N, h 2d]
    let phiK = FeatureRows(k, heads: heads, copies: weights)
    let normaliser = LinearAttentionNormaliser.clampedMeanKey(least: 1e-6 / Float(x.shape[1]))
    pass.observe(q, k, channels: v.shape[2], heads: heads, grid: grid, layer: path) {
      LinearAttentionRows(phiQ, phiK, normaliser, $0)
    }
    let values = 0..<v.shape[2]
    let state = pass.linearAttentionState(phiK, v, channels: values, layer: "\(path).state")
    let y = pass.linearAttention(
      phiQ, state, normaliser: normaliser, values: (v, values), grid: (grid.height, grid.width),
      layer: path)
    return projection(y, residual: residual, pass)
  }
}
