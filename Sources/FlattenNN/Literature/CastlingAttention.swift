// The linear-angular attention of Castling-ViT (You et al., arXiv 2211.10526), as GATECH-EIC/Castling-ViT has it.
//
// B batch, N tokens of the grid, C channels, h heads, d = C / h.
//
//     y = unit(v / 2 + (1 / pi) unit(q) (unit(k)^T v)) + conv(v)     unit: rows of a head
//
// What surprises:
// - there is no epsilon: a row of zeros gives NaN;
// - the result of each head has length 1 before the convolution of the values is added;
// - the convolution has one kernel a head. Upstream's runs along the list of tokens, 9 of them; ours is 3x3 on the
//   map.

import FlattenCheckpoint
import FlattenTensor

/// Castling-ViT's linear-angular attention.
package struct CastlingAttention: TokenAttention {
  /// The convolution of the values.
  package enum Neighbours: Sendable {
    /// 3x3 on the map: `dconv.weight` `[h, 1, 3, 3]`.
    case map
    /// Along the list of tokens, as upstream: `dconv.weight` `[h, 1, 9, 1]`.
    case raster
  }

  private let queryKeyValue: QueryKeyValue
  private let neighbours: Neighbours
  private let depthwise: DepthwiseConv2D
  private let projection: Linear
  private let heads: Int
  private let path: String

  /// Reads `qkv`, `dconv` and `proj`.
  package init(
    channels: Int, heads: Int, qkvBias: Bool, neighbours: Neighbours, from tree: ParameterScope
  ) throws {
    queryKeyValue = try QueryKeyValue(channels, bias: qkvBias, from: tree.scope("qkv"))
    self.neighbours = neighbours
    depthwise = try DepthwiseConv2D(
      heads: heads, width: channels / heads,
      kernel: neighbours == .map ? .square(3) : .column(9), from: tree.scope("dconv"))
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let channels = x.shape[2]
    let values = channels..<2 * channels
    let (q, kv) = queryKeyValue(x, pass)  // [B, N, C], [B, N, 2C]
    let unitQ = pass.features(  // its length takes N, as the state is a mean, and 1 / pi
      q, .unitRows(length: Float(Double(grid.count) / Double.pi), epsilon: 0), heads: heads,
      layer: "\(path).q.unit")
    let unitK = pass.features(
      kv, channels: 0..<channels, .unitRows(epsilon: 0), heads: heads, layer: "\(path).k.unit")
    let state = pass.linearAttentionState(
      unitK, kv, channels: values, heads: heads, layer: "\(path).state")
    let linear = pass.linearAttention(unitQ, state, normaliser: .none, layer: "\(path).attention")
    pass.observe(unitQ, unitK, heads: heads, grid: grid, local: depthwise, layer: path) {
      let rows = CastlingRows(
        queries: unitQ, keys: unitK, linear: linear, keyValues: kv, heads: heads)
      return { rows($0, $1) }
    }
    let y = pass.halfValuesAdded(
      linear, kv, channels: values, heads: heads, layer: "\(path).unit")
    let map = neighbours == .map ? grid : Grid(grid.count, 1)
    let mixed = depthwise(kv.asMap(map), offset: channels, residual: y, pass).asTokens
    return projection(mixed, residual: residual, pass)
  }
}
