// Softmax attention to first order: exp(s) taken as 1 + s, of keys that have lost their mean. ViTALiTy's Taylor
// attention (arXiv 2211.05109, algorithm 1) and InLine attention (arXiv 2412.06590, equation 8) are this one
// function. The equations of GATECH-EIC/ViTALiTy and of LeapLabTHU/InLine at e463a6f (models/inline_pvt.py);
// no code of them.
//
//     v' = mean v_t,    k' = mean k_t,    S = mean k_t v_t^T          per head
//     y_i = v' + q_i (S - k' v'^T) / sqrt d
//
// Taylor projects y. InLine adds a convolution of v, whose 3x3 weights the picture itself gives:
//
//     w = W_2 GELU(W_1 mean x + b_1) + b_2    [C, 3, 3], both products by head
//     out = (y + dw_w(v)) W_p^T + b_p
//
// B batch, N tokens, C channels, h heads, d = C / h.
//
// What surprises: the weights of a row sum to exactly 1, but may be negative; InLine's published networks have
// twice PVT's heads.

import FlattenCheckpoint
import FlattenTensor

/// The part that both have.
struct CentredMixing: Sendable {
  private let query: Linear
  private let keyValue: Linear
  private let channels: Int
  private let heads: Int
  private let path: String

  /// Reads `q` and `kv`.
  init(channels: Int, heads: Int, qkvBias: Bool, from tree: ParameterScope) throws {
    precondition(channels % heads == 0, "\(channels) channels, \(heads) heads")
    query = try Linear(in: channels, out: channels, bias: qkvBias, from: tree.scope("q"))
    keyValue = try Linear(in: channels, out: 2 * channels, bias: qkvBias, from: tree.scope("kv"))
    self.channels = channels
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to y `[B, N, C]`, and keys and values `[B, N, 2C]`.
  func callAsFunction(
    _ x: Tensor, grid: Grid, _ pass: ForwardPass
  ) -> (y: Tensor, keyValue: Tensor) {
    let q = query(x, pass)  // [B, N, C]
    let kv = keyValue(x, pass)  // [B, N, 2C]
    let values = channels..<2 * channels
    let rows = FeatureRows(q, heads: heads)
    let keys = FeatureRows(kv, channels: 0..<channels, heads: heads)
    let meanValue = pass.meanOverTokens(kv, channels: values, layer: "\(path).mean_v")  // [B, C]
    let state = pass.linearAttentionState(
      keys, kv, channels: values, layer: "\(path).state")
    let scale = 1 / Float(channels / heads).squareRoot()
    let centred = pass.centred(
      state, meanValue: meanValue, scale: scale, layer: "\(path).centred")
    pass.observe(q, kv, channels: channels, heads: heads, grid: grid, layer: path) { [heads] pass in
      LinearAttentionRows(
        queries: q, keys: pass.features(keys, layer: "keys"), heads: heads,
        centring: Double(scale))
    }
    let y = pass.linearAttention(
      rows, centred, normaliser: .none, adding: meanValue, values: (kv, values),
      grid: (grid.height, grid.width), layer: path)
    return (y, kv)
  }
}

/// Taylor attention of ViTALiTy, as the paper has it.
public struct TaylorAttention: TokenAttention {
  private let mixing: CentredMixing
  private let projection: Linear

  /// Reads `q`, `kv` and `proj`: PVT's parameters.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels.
  ///   - qkvBias: whether q, k and v have a bias.
  ///   - tree: the attention's place.
  public init(channels: Int, heads: Int, qkvBias: Bool, from tree: ParameterScope) throws {
    mixing = try CentredMixing(channels: channels, heads: heads, qkvBias: qkvBias, from: tree)
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    projection(mixing(x, grid: grid, pass).y, residual: residual, pass)
  }
}

/// InLine attention.
public struct InLineAttention: TokenAttention {
  private let mixing: CentredMixing
  private let hidden: GroupedLinear
  private let taps: GroupedLinear
  private let projection: Linear
  private let channels: Int
  private let path: String

  /// Reads `q`, `kv`, `proj`, and `residual.0` `[C, C / h, 1]` and `residual.2` `[9C, C / h, 1]` with their
  /// biases.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - heads: they divide the channels.
  ///   - qkvBias: whether q, k and v have a bias.
  ///   - tree: the attention's place.
  public init(channels: Int, heads: Int, qkvBias: Bool, from tree: ParameterScope) throws {
    mixing = try CentredMixing(channels: channels, heads: heads, qkvBias: qkvBias, from: tree)
    hidden = try GroupedLinear(
      in: channels, out: channels, groups: heads, from: tree.scope("residual.0"))
    taps = try GroupedLinear(
      in: channels, out: 9 * channels, groups: heads, from: tree.scope("residual.2"))
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    self.channels = channels
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let (y, kv) = mixing(x, grid: grid, pass)
    let mean = pass.meanOverTokens(x, layer: "\(path).mean_x")  // [B, C]
    let weights = taps(hidden(mean, activation: .gelu, pass), pass)  // [B, 9C]
    let z = pass.depthwiseConvolution(
      kv.asMap(grid), offset: channels, taps: weights, channels: channels, kernel: 3, residual: y,
      layer: "\(path).residual")
    return projection(z.asTokens, residual: residual, pass)
  }
}

/// A linear layer of one row a picture, whose inputs and outputs are in groups; stored as a 1x1 convolution in
/// one dimension.
struct GroupedLinear: Sendable {
  private let weight: Tensor
  private let bias: Tensor
  private let groups: Int
  private let path: String

  /// Reads `weight` `[outputs, inputs / groups, 1]` and `bias` `[outputs]`.
  init(in inputs: Int, out outputs: Int, groups: Int, from tree: ParameterScope) throws {
    weight = try tree.tensor("weight", [outputs, inputs / groups, 1], initially: .fanIn)
    bias = try tree.tensor("bias", [outputs], initially: .zeros)
    self.groups = groups
    path = tree.path
  }

  /// `[B, inputs]` to `[B, outputs]`.
  func callAsFunction(
    _ x: Tensor, activation: Activation = .none, _ pass: ForwardPass
  ) -> Tensor {
    pass.groupedLinear(
      x, weight.reshaped([weight.shape[0], weight.shape[1]]), bias: bias, groups: groups,
      activation: activation, layer: path)
  }
}
