import FlattenCheckpoint
import FlattenTensor

/// The feed-forward part of a transformer block: `fc2(GELU(fc1(x))) + residual`.
public struct MLP: ResidualBranch {
  /// `fc1`.
  public let expand: Linear
  /// `fc2`.
  public let contract: Linear
  private let path: String

  /// Reads the linear layers `fc1` and `fc2`.
  public init(_ channels: Int, hidden: Int, from tree: ParameterScope) throws {
    expand = try Linear(in: channels, out: hidden, bias: true, from: tree.scope("fc1"))
    contract = try Linear(in: hidden, out: channels, bias: true, from: tree.scope("fc2"))
    path = tree.path
  }

  /// `[B, N, C]` to the same shape; each token by itself.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    pass.mlp(
      x, expand: (expand.product, expand.bias), contract: (contract.product, contract.bias),
      residual: residual, layer: path)
  }
}

/// PVTv2's feed-forward part, with a 3x3 depthwise convolution before the GELU.
public struct ConvolutionalMLP: ResidualBranch {
  private let expand: Linear
  private let depthwise: DepthwiseConv2D
  private let contract: Linear
  private let hasLinearAttention: Bool

  /// Reads `fc1`, `dwconv.dwconv` and `fc2`.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - hidden: channels between the two linear layers.
  ///   - hasLinearAttention: PVTv2's "linear" variant, which adds a ReLU after `fc1`.
  ///   - tree: the layer's place.
  public init(
    _ channels: Int, hidden: Int, hasLinearAttention: Bool, from tree: ParameterScope
  ) throws {
    expand = try Linear(in: channels, out: hidden, bias: true, from: tree.scope("fc1"))
    depthwise = try DepthwiseConv2D(hidden, kernel: 3, from: tree.scope("dwconv.dwconv"))
    contract = try Linear(in: hidden, out: channels, bias: true, from: tree.scope("fc2"))
    self.hasLinearAttention = hasLinearAttention
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let hidden = expand(x, activation: hasLinearAttention ? .relu : .none, pass)
    let mixed = depthwise(hidden.asMap(grid), activation: .gelu, pass).asTokens
    return contract(mixed, residual: residual, pass)
  }
}
