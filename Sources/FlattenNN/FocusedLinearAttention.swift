// Focused linear attention (FLatten Transformer, arXiv 2308.00442, section 4), as the PVT and PVTv2
// families of LeapLabTHU/FLatten-Transformer at abdb115 have it (models/flatten_pvt.py and
// models/flatten_pvt_v2.py).
//
// B batch, N tokens of the grid, n tokens of keys and values, C channels, h heads, d = C / h.
//
// What surprises:
// - the focusing map's norms are over all C channels, before the split into heads;
// - the positional encoding belongs to the keys and has the reduced grid's size;
// - with fewer keys than tokens, v goes from n to N by linear interpolation along the flattened token
//   list, so rows of the grid bleed into each other;
// - the depthwise convolution has d channels, which all heads share.

import FlattenCheckpoint
import FlattenTensor

/// How an attention shortens its keys and values before it is computed.
package enum KeyReduction: Sendable, Equatable {
  case none
  /// A convolution with kernel and stride `ratio`; rows and columns left over are dropped.
  case strided(ratio: Int)
  /// Average pooling to a grid of `size` x `size`, whatever the picture's size (PVTv2's "linear").
  case pooled(size: Int)

  /// The grid of the keys for a grid of tokens.
  package func callAsFunction(_ grid: Grid) -> Grid {
    switch self {
    case .none: grid
    case .strided(let ratio): Grid(grid.height / ratio, grid.width / ratio)
    case .pooled(let size): Grid(size, size)
    }
  }
}

/// What computes the token mixing of a block.
package protocol TokenAttention: Sendable {
  /// Mixes tokens and adds the residual.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`, normalised.
  ///   - grid: rows and columns of the tokens.
  ///   - residual: `[B, N, C]`.
  func callAsFunction(_ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass) -> Tensor
}

/// The part that both attentions share: the tokens that keys and values are made from.
package struct KeySource: Sendable {
  private let reduction: KeyReduction
  private let convolution: Conv2D?
  private let norm: LayerNorm?
  private let path: String

  /// Reads `sr` and `norm` where the reduction has them.
  package init(
    _ reduction: KeyReduction, channels: Int, epsilon: Float, from tree: ParameterScope
  ) throws {
    self.reduction = reduction
    path = tree.path
    let geometry: ConvolutionGeometry
    switch reduction {
    case .none:
      convolution = nil
      norm = nil
      return
    case .strided(let ratio): geometry = ConvolutionGeometry(kernel: ratio, stride: ratio)
    case .pooled: geometry = ConvolutionGeometry(kernel: 1)
    }
    convolution = try Conv2D(in: channels, out: channels, geometry, from: tree.scope("sr"))
    norm = try LayerNorm(channels, epsilon: epsilon, from: tree.scope("norm"))
  }

  /// `[B, N, C]` to `[B, n, C]`.
  package func callAsFunction(_ x: Tensor, grid: Grid, _ pass: ForwardPass) -> Tensor {
    guard let convolution, let norm else { return x }
    if case .pooled(let size) = reduction {
      let pooled = pass.adaptiveAveragePool(x.asMap(grid), size: size, layer: "\(path).pool")
      return pass.gelu(norm(convolution(pooled, pass).asTokens, pass), layer: "\(path).act")
    }
    return norm(convolution(x.asMap(grid), pass).asTokens, pass)
  }
}

/// Focused linear attention with its positional encoding and its depthwise convolution.
package struct FocusedLinearAttention: TokenAttention {
  /// The numbers of one attention.
  package struct Configuration: Sendable {
    package let channels: Int
    package let heads: Int
    package let reduction: KeyReduction
    /// The grid of tokens that the checkpoint was built for.
    package let nativeGrid: Grid
    /// The paper's p.
    package let focusingFactor: Int
    /// Window of the depthwise convolution.
    package let kernel: Int
    package let qkvBias: Bool
    /// Of the norm after the reduction.
    package let normEpsilon: Float

    package init(
      channels: Int, heads: Int, reduction: KeyReduction, nativeGrid: Grid, focusingFactor: Int,
      kernel: Int, qkvBias: Bool, normEpsilon: Float
    ) {
      self.channels = channels
      self.heads = heads
      self.reduction = reduction
      self.nativeGrid = nativeGrid
      self.focusingFactor = focusingFactor
      self.kernel = kernel
      self.qkvBias = qkvBias
      self.normEpsilon = normEpsilon
    }
  }

  private let configuration: Configuration
  private let query: Linear
  private let keySource: KeySource
  private let keyValue: Linear
  private let position: PositionTable
  private let inverseScale: Tensor  // [C], of the scale after softplus
  private let depthwise: DepthwiseConv2D
  private let projection: Linear
  private let path: String

  package init(_ c: Configuration, from tree: ParameterScope) throws {
    configuration = c
    let width = c.channels / c.heads
    query = try Linear(in: c.channels, out: c.channels, bias: c.qkvBias, from: tree.scope("q"))
    keySource = try KeySource(
      c.reduction, channels: c.channels, epsilon: c.normEpsilon, from: tree)
    keyValue = try Linear(
      in: c.channels, out: 2 * c.channels, bias: c.qkvBias, from: tree.scope("kv"))
    position = try PositionTable(
      "positional_encoding", native: c.reduction(c.nativeGrid), channels: c.channels, from: tree)
    let scale = try tree.tensor("scale", [1, 1, c.channels]).softplus().elements
    inverseScale = Tensor([c.channels], scale.map { 1 / $0 })
    depthwise = try DepthwiseConv2D(
      width, kernel: c.kernel, repeated: c.heads, from: tree.scope("dwc"))
    projection = try Linear(
      in: c.channels, out: c.channels, bias: true, from: tree.scope("proj"))
    path = tree.path
  }

  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let c = configuration
    let keyGrid = c.reduction(grid)
    let kv = keyValue(keySource(x, grid: grid, pass), pass)  // [B, n, 2C]
    let q = pass.focus(
      query(x, pass), inverseScale: inverseScale, power: c.focusingFactor,
      layer: "\(path).focus_q")  // [B, N, C]
    let k = pass.focus(
      kv, position: position(keyGrid, pass), inverseScale: inverseScale, power: c.focusingFactor,
      layer: "\(path).focus_k")  // [B, n, C]
    let mixed = pass.linearAttention(q, k, kv: kv, heads: c.heads, layer: "\(path).attention")

    let restored: Tensor  // [B, N, C]: attention + depthwise(v), which restores the rank
    if keyGrid == grid {
      restored = depthwise(kv.asMap(grid), offset: c.channels, residual: mixed, pass).asTokens
    } else {
      // Upstream: models/flatten_pvt.py:147, one-dimensional over the flattened tokens.
      let v = pass.resizeTokens(
        kv, channels: c.channels..<2 * c.channels, to: grid.count, layer: "\(path).resize_v")
      restored = depthwise(v.asMap(grid), residual: mixed, pass).asTokens
    }
    return projection(restored, residual: residual, pass)
  }
}
