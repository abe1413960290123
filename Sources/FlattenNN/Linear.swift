import FlattenCheckpoint
import FlattenTensor

/// A fully connected layer over the last axis, `x w^T + b`.
package struct Linear: Sendable {
  let weight: PackedMatrix
  let bias: Tensor?
  private let path: String

  /// Reads `weight` `[outputs, inputs]` and, where there is one, `bias` `[outputs]`.
  package init(in inputs: Int, out outputs: Int, bias: Bool, from tree: ParameterScope) throws {
    weight = PackedMatrix(try tree.tensor("weight", [outputs, inputs]), tree.packing)
    self.bias = bias ? try tree.tensor("bias", [outputs]) : nil
    path = tree.path
  }

  /// `[..., inputs]` to `[..., outputs]`; the residual is added after the activation.
  package func callAsFunction(
    _ x: Tensor, activation: Activation = .none, residual: Tensor? = nil, _ pass: ForwardPass
  ) -> Tensor {
    pass.linear(
      x, weight, bias: bias, activation: activation, residual: residual, layer: path)
  }
}
