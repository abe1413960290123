import FlattenCheckpoint
import FlattenTensor

/// Batch normalisation with its running statistics: a scale and a shift per channel, which the
/// convolution before it takes into its weights at load.
package struct BatchNorm: Sendable {
  /// `weight / sqrt(running_var + eps)`, `[channels]`.
  package let scale: Tensor
  /// `bias - running_mean * scale`, `[channels]`.
  package let shift: Tensor

  /// Reads `weight`, `bias`, `running_mean` and `running_var`, all `[channels]`.
  package init(_ channels: Int, epsilon: Float, from tree: ParameterScope) throws {
    let gamma = try tree.tensor("weight", [channels]).elements
    let beta = try tree.tensor("bias", [channels]).elements
    let mean = try tree.tensor("running_mean", [channels]).elements
    let variance = try tree.tensor("running_var", [channels]).elements
    let scale = zip(gamma, variance).map { $0 / ($1 + epsilon).squareRoot() }
    self.scale = Tensor([channels], scale)
    shift = Tensor([channels], (0..<channels).map { beta[$0] - mean[$0] * scale[$0] })
  }
}
