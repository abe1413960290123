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

extension KeyReduction {
  /// The grid of the keys for a grid of tokens.
  public func callAsFunction(_ grid: Grid) -> Grid {
    Grid(keys(of: grid.height), keys(of: grid.width))
  }
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
      return pass.activate(
        norm(convolution(pooled, pass).asTokens, pass), .gelu, layer: "\(path).act")
    }
    return norm(convolution(x.asMap(grid), pass).asTokens, pass)
  }
}

/// PVT's focused linear attention: projections around `FocusedMixing`, keys and values perhaps from
/// a shortened token list.
public struct FocusedLinearAttention: TokenAttention {
  /// The numbers of one attention.
  public struct Configuration: Sendable {
    /// Channels of the tokens.
    public let channels: Int
    /// Heads, which divide the channels.
    public let heads: Int
    /// How keys and values become fewer.
    public let reduction: KeyReduction
    /// The grid of tokens that the checkpoint was built for.
    public let nativeGrid: Grid
    /// The paper's p.
    public let focusingFactor: Int
    /// Window of the depthwise convolution.
    public let kernel: Int
    /// Whether q, k and v have a bias.
    public let qkvBias: Bool
    /// Of the norm after the reduction.
    public let normEpsilon: Float

    /// Makes the numbers.
    public init(
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

  private let reduction: KeyReduction
  private let query: Linear
  private let keySource: KeySource
  private let keyValue: Linear
  private let mixing: FocusedMixing
  private let projection: Linear

  /// Reads `q`, `kv`, `proj`, `positional_encoding`, `scale`, `dwc` and, where keys are reduced, `sr` and
  /// `norm`.
  public init(_ c: Configuration, from tree: ParameterScope) throws {
    reduction = c.reduction
    query = try Linear(in: c.channels, out: c.channels, bias: c.qkvBias, from: tree.scope("q"))
    keySource = try KeySource(
      c.reduction, channels: c.channels, epsilon: c.normEpsilon, from: tree)
    keyValue = try Linear(
      in: c.channels, out: 2 * c.channels, bias: c.qkvBias, from: tree.scope("kv"))
    mixing = try FocusedMixing(
      FocusedMixing.Configuration(
        channels: c.channels, heads: c.heads, nativeGrid: c.reduction(c.nativeGrid),
        focusingFactor: c.focusingFactor, kernel: c.kernel),
      from: tree)
    projection = try Linear(
      in: c.channels, out: c.channels, bias: true, from: tree.scope("proj"))
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let q = query(x, pass)  // [B, N, C]
    let kv = keyValue(keySource(x, grid: grid, pass), pass)  // [B, n, 2C]
    let y = mixing(  // [B, N, C]
      q, kv: kv, WindowLayout(wholeOf: grid.height, grid.width), reduction: reduction, pass)
    return projection(y, residual: residual, pass)
  }
}
