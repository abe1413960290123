import FlattenCheckpoint
import FlattenTensor

/// Layer normalisation over the last axis. The epsilon has no default: upstream models mix 1e-5 and
/// 1e-6.
public struct LayerNorm: Sendable {
  private let gamma: Tensor
  private let beta: Tensor
  private let epsilon: Float
  private let path: String

  /// Reads `weight` and `bias`, both `[channels]`.
  public init(_ channels: Int, epsilon: Float, from tree: ParameterScope) throws {
    gamma = try tree.tensor("weight", [channels])
    beta = try tree.tensor("bias", [channels])
    self.epsilon = epsilon
    path = tree.path
  }

  /// `[..., channels]` to the same shape.
  public func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    pass.layerNorm(x, gamma: gamma, beta: beta, epsilon: epsilon, layer: path)
  }
}
