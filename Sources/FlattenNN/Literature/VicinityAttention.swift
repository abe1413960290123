// Vicinity attention (arXiv 2206.10552) as OpenNLPLab/Vicinity-Vision-Transformer has it (classification/vvt.py).
//
// B batch, N tokens of the grid, C channels of the block, c = C / r channels of the attention, h heads.
//
// What surprises:
// - magnitudes below 1e-4 are pushed to 1e-4 in six places, exact zeros stay;
// - the excitation reads the mean of the module's input, not of its result;
// - angles follow the picture's size, so tiles of a picture give other results than the whole.

import FlattenCheckpoint
import FlattenTensor

/// Linear attention whose weights fall with the distance in rows and columns, on fewer channels than the block's,
/// with a squeeze-and-excitation gate.
package struct VicinityAttention: TokenAttention {
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let projection: Linear
  private let squeeze: Linear
  private let excite: Linear
  private let heads: Int
  private let path: String

  /// Reads `q_proj`, `k_proj`, `v_proj`, `out_proj`, `se_fc.0` and `se_fc.2`.
  ///
  /// - Parameters:
  ///   - channels: of the tokens, C.
  ///   - heads: they divide C / reduction.
  ///   - reduction: r, divides C.
  ///   - bias: whether q, k and v have one.
  ///   - tree: the attention's place.
  package init(
    channels: Int, heads: Int, reduction: Int, bias: Bool, from tree: ParameterScope
  ) throws {
    let width = channels / reduction
    // A query whose channels are all near 0 is divided by as little: its direction must be right.
    query = try Linear(
      in: channels, out: width, bias: bias, inFloat32: true, from: tree.scope("q_proj"))
    key = try Linear(in: channels, out: width, bias: bias, from: tree.scope("k_proj"))
    value = try Linear(in: channels, out: width, bias: bias, from: tree.scope("v_proj"))
    projection = try Linear(in: width, out: channels, bias: true, from: tree.scope("out_proj"))
    let gate = tree.scope("se_fc")
    squeeze = try Linear(in: channels, out: channels, bias: false, from: gate.scope(0))
    excite = try Linear(in: channels, out: channels, bias: false, from: gate.scope(2))
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = query(x, activation: .relu, pass)  // [B, N, c]
    let k = key(x, activation: .relu, pass)
    let v = value(x, pass)
    pass.observe(q, k, heads: heads, grid: grid, layer: path) {
      let rows = VicinityRows(queries: q, keys: k, heads: heads, grid: grid)
      return { rows($0, $1) }
    }
    let mixed = pass.vicinityAttention(
      q, k, v, heads: heads, grid: (grid.height, grid.width), layer: "\(path).attention")
    let y = projection(mixed, pass)  // [B, N, C]
    let mean = pass.meanOverTokens(x, layer: "\(path).se_fc.mean")  // [B, C]
    let gate = excite(
      squeeze(mean, activation: .relu, pass), activation: .sigmoid, pass)
    return pass.vicinityGate(y, gate, residual: residual, layer: "\(path).se_fc.gate")
  }
}
