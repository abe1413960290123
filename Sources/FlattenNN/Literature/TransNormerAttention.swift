// TransNormer's linear attention, NormAttention (arXiv 2210.10340): no normaliser, but a norm of the result. The
// equations of OpenNLPLab/fairseq-evo at 38fa81f (fairseq/modules/x_attention/norm_linear_attention.py); no code
// of it.
//
//     q, k = R H psi(x W^T + b),    psi = ELU or ELU + 1,    v = x W_v^T + b_v
//     H t = t - 2 (t . n) n,        R turns pair j of channels by theta_j times the token's index
//     S = mean k_t v_t^T,   y_i = q_i S,   out = y / (|y| / sqrt C + 1e-8 / N) W_o^T + b_o
//
// B batch, N tokens, C channels, h heads, d = C / h.
//
// What surprises: the norm is over all C channels and has no weight. Upstream's index runs along a sequence;
// ours on a map is the row for the first half of the pairs and the column for the others.

import FlattenCheckpoint
import FlattenTensor

/// TransNormer's positions: heads are mirrored, then turned.
struct TransNormerPositions: Sendable {
  private let normal: Tensor
  private let rotation: Rotation
  private let isOnGrid: Bool

  /// Reads `theta` `[1, 1, d / 2]` and `v` `[d]`, of length 1.
  init(width: Int, isOnGrid: Bool, from tree: ParameterScope) throws {
    let theta = try tree.tensor("theta", [1, 1, width / 2], initially: .normal(deviation: 1))
    // About 1 long: the reflection of a longer one would grow with the square of its length.
    normal = try tree.tensor(
      "v", [width], initially: .normal(deviation: 1 / Float(width).squareRoot()))
    let angles = theta.elements.map(Double.init)
    let rows = isOnGrid ? angles.count / 2 : 0
    rotation = Rotation(byRow: Array(angles[..<rows]), byColumn: Array(angles[rows...]))
    self.isOnGrid = isOnGrid
  }

  /// Features of heads: mapped, mirrored and turned.
  func rows(
    _ x: Tensor, heads: Int, map: FeatureMap? = nil, grid: Grid, _ pass: ForwardPass
  ) -> FeatureRows {
    let (height, width) = isOnGrid ? (grid.height, grid.width) : (1, grid.count)
    return FeatureRows(
      x, heads: heads, map: map, normal: normal,
      rotation: pass.table(rotation, height: height, width: width))
  }
}

/// Linear attention with a norm in the place of a normaliser.
public struct TransNormerNormAttention: TokenAttention {
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let positions: TransNormerPositions?
  private let projection: Linear
  private let map: FeatureMap
  private let channels: Int
  private let heads: Int
  private let path: String

  /// Reads `q_proj`, `k_proj`, `v_proj`, `out_proj`, and `urpe` where positions count.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels into even widths.
  ///   - activation: of queries and keys, `.elu` or `.eluPlusOne`.
  ///   - hasPositions: whether heads are mirrored and turned.
  ///   - isOnGrid: whether pairs turn by row and column, which is ours, or along the raster.
  ///   - tree: the attention's place.
  public init(
    channels: Int, heads: Int, activation: Activation, hasPositions: Bool = true,
    isOnGrid: Bool = true, from tree: ParameterScope
  ) throws {
    precondition(channels % (2 * heads) == 0, "\(channels) channels, \(heads) heads")
    func linear(_ name: String) throws -> Linear {
      try Linear(in: channels, out: channels, bias: true, from: tree.scope(name))
    }
    query = try linear("q_proj")
    key = try linear("k_proj")
    value = try linear("v_proj")
    positions =
      hasPositions
      ? try TransNormerPositions(
        width: channels / heads, isOnGrid: isOnGrid, from: tree.scope("urpe")) : nil
    projection = try linear("out_proj")
    map = .activation(activation)
    self.channels = channels
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = rows(query(x, pass), grid, pass)
    let k = rows(key(x, pass), grid, pass)
    let v = value(x, pass)
    let state = pass.linearAttentionState(
      k, v, channels: 0..<channels, layer: "\(path).state")
    let root = Float(channels).squareRoot()
    let epsilon = 1e-8 / Float(x.shape[1])
    pass.observe(q.x, k.x, channels: channels, heads: heads, grid: grid, layer: path) {
      [heads] pass in
      let (phiQ, phiK) = (pass.features(q, layer: "queries"), pass.features(k, layer: "keys"))
      let y = pass.linearAttention(phiQ, state, normaliser: .none, layer: "products")
      return LinearAttentionRows(
        queries: phiQ, keys: phiK, heads: heads,
        divisor: .tokens(Self.norms(y, epsilon: epsilon)))
    }
    let y = pass.linearAttention(
      q, state, normaliser: .none, values: (v, 0..<channels),
      AttentionFinish(norm: (root, root * epsilon)), grid: (grid.height, grid.width), layer: path)
    return projection(y, residual: residual, pass)
  }

  private func rows(_ x: Tensor, _ grid: Grid, _ pass: ForwardPass) -> FeatureRows {
    positions?.rows(x, heads: heads, map: map, grid: grid, pass)
      ?? FeatureRows(x, heads: heads, map: map)
  }

  /// `|y| / sqrt C + epsilon` of each token of the first picture.
  private static func norms(_ y: Tensor, epsilon: Float) -> [Double] {
    let channels = y.shape[2]
    return y.withUnsafeBuffer { y in
      (0..<y.count / channels).map { token in
        var squares = 0.0
        for channel in token * channels..<(token + 1) * channels {
          squares += Double(y[channel]) * Double(y[channel])
        }
        return (squares / Double(channels)).squareRoot() + Double(epsilon)
      }
    }
  }
}
