// Efficient attention (Shen et al., arXiv 1812.01243) as cmsflash/efficient-attention has it.
//
//     y = softmax_channels(q) (softmax_tokens(k)^T v)
//
// Upstream's module adds its own input; here that is left to the block.

import FlattenCheckpoint
import FlattenTensor

/// Linear attention of queries that are softmaxed over a head's channels, keys over the tokens.
package struct EfficientAttention: TokenAttention {
  private let queries: Linear
  private let keys: Linear
  private let values: Linear
  private let reprojection: Linear
  private let heads: Int
  private let path: String

  /// Reads the 1x1 convolutions `queries`, `keys`, `values` and `reprojection`.
  package init(channels: Int, heads: Int, from tree: ParameterScope) throws {
    func layer(_ key: String, inFloat32: Bool = false) throws -> Linear {
      try Linear(
        convolution: channels, out: channels, inFloat32: inFloat32, from: tree.scope(key))
    }
    // Exponents.
    queries = try layer("queries", inFloat32: true)
    keys = try layer("keys", inFloat32: true)
    values = try layer("values")
    reprojection = try layer("reprojection")
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let (batch, tokens, channels) = (x.shape[0], x.shape[1], x.shape[2])
    let q = queries(x, pass).reshaped(Shape(batch, tokens, heads, channels / heads))
    let features = pass.softmax(q, layer: "\(path).queries.softmax").reshaped(x.shape)
    // Weights that sum to N: the state is a mean over the tokens.
    let weights = pass.softmaxOverTokens(
      keys(x, pass), summingTo: nil, layer: "\(path).keys.softmax")
    let state = pass.linearAttentionState(
      weights, values(x, pass), heads: heads, layer: "\(path).state")
    pass.observe(features, weights, channels: channels, heads: heads, grid: grid, layer: path) {
      [heads] _ in LinearAttentionRows(queries: features, keys: weights, heads: heads)
    }
    let mixed = pass.linearAttention(
      features, state, normaliser: .none, layer: "\(path).attention")
    return reprojection(mixed, residual: residual, pass)
  }
}
