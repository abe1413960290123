import FlattenCheckpoint
import FlattenTensor

/// Layer normalisation over the last axis, `gamma (x - mean) / sqrt(variance + epsilon) + beta`. The epsilon
/// has no default: upstream models mix 1e-5 and 1e-6.
public struct LayerNorm: Sendable {
  /// gamma, `[channels]`.
  public let weight: Tensor
  /// beta, `[channels]`.
  public let bias: Tensor
  private let epsilon: Float
  private let path: String

  /// Reads `weight` and `bias`, both `[channels]`.
  public init(_ channels: Int, epsilon: Float, from tree: ParameterScope) throws {
    weight = try tree.tensor("weight", [channels], initially: .ones)
    bias = try tree.tensor("bias", [channels], initially: .zeros)
    self.epsilon = epsilon
    path = tree.path
  }

  /// `[..., channels]` to the same shape.
  public func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    pass.layerNorm(x, gamma: weight, beta: bias, epsilon: epsilon, layer: path)
  }
}
