// Multi-scale linear attention of EfficientViT (arXiv 2205.14756, section 3.1).
//
// Upstream: mit-han-lab/efficientvit at de7d773, efficientvit/models/nn/ops.py, LiteMLA.
//
// B batch, H W grid, N = H W, C channels, D channels of a head's query, h = floor(C / D) heads.
//
// What surprises:
// - qkv has the query, key and value of each head side by side, 3 D channels a head;
// - a second set of as many heads reads the same channels after a 5x5 depthwise and a 1x1 convolution in
//   groups of D, without norm or activation between;
// - there is no norm before; a batch norm follows the projection.

import FlattenCheckpoint
import FlattenTensor

/// ReLU linear attention on two scales: `y = relu(q) (relu(k)^T v) / (relu(q) sum relu(k) + 1e-15)` a head.
public struct LiteMLA: Sendable {
  private let qkv: Conv2D
  private let aggregation: DepthwiseConv2D
  private let mixing: GroupedConv2D
  private let projection: Conv2D
  private let heads: Int
  private let width: Int
  private let path: String

  /// Reads the module.
  ///
  /// - Parameters:
  ///   - channels: C, at least `width`.
  ///   - width: D.
  ///   - normEpsilon: of the batch norm.
  ///   - tree: the module's place.
  public init(channels: Int, width: Int, normEpsilon: Float, from tree: ParameterScope) throws {
    precondition(width >= 1 && channels >= width, "\(channels) channels for heads of \(width)")
    heads = channels / width
    self.width = width
    path = tree.path
    let point = ConvolutionGeometry(kernel: 1)
    let total = 3 * heads * width
    let aggregated = tree.scope("aggreg").scope(0)
    qkv = try Conv2D(
      in: channels, out: total, point, following: .bias(false), key: "conv",
      from: tree.scope("qkv"))
    aggregation = try DepthwiseConv2D(
      total, kernel: 5, following: .bias(false), from: aggregated.scope(0))
    mixing = try GroupedConv2D(
      in: total, out: total, groups: 3 * heads, from: aggregated.scope(1))
    projection = try Conv2D(
      in: 2 * heads * width, out: channels, point,
      following: .batchNorm(epsilon: normEpsilon, key: "norm"), key: "conv",
      from: tree.scope("proj"))
  }

  /// `[B, H, W, C]` to the same shape.
  ///
  /// - Parameters:
  ///   - x: the map.
  ///   - residual: added to the result.
  ///   - pass: has the operators.
  public func callAsFunction(_ x: Tensor, residual: Tensor? = nil, _ pass: ForwardPass) -> Tensor {
    let tokens = x.shape[1] * x.shape[2]
    let own = qkv(x, pass)  // [B, H, W, 3 h D]
    let sets = [own.asTokens, mixing(aggregation(own, pass), pass).asTokens]
    func part(_ index: Int, _ name: String, _ activation: Activation) -> Tensor {  // [B, N, 2 h D]
      pass.headParts(
        sets, part: index, of: 3, width: width, activation: activation, layer: "\(path).\(name)")
    }
    let q = part(0, "q", .relu)
    let k = part(1, "k", .relu)
    let v = part(2, "v", .none)
    let normaliser = LinearAttentionNormaliser.meanKey(epsilon: Self.floor / Float(tokens))
    pass.observe(q, k, channels: v.shape[2], heads: 2 * heads, grid: x.grid, layer: path) {
      [heads] _ in
      LinearAttentionRows(
        queries: q, keys: k, heads: 2 * heads,
        divisor: .normaliser(normaliser, queries: q, keys: k))
    }
    let state = pass.linearAttentionState(k, v, heads: 2 * heads, layer: path)
    let y = pass.linearAttention(q, state, normaliser: normaliser, layer: path)  // [B, N, 2 h D]
    return projection(y.asMap(x.grid), residual: residual, pass)
  }

  /// Added to the sum of a query's weights.
  private static let floor: Float = 1e-15
}
