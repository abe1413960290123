import FlattenCheckpoint
import FlattenTensor

/// A transposed convolution with 2x2 windows and stride 2 on a map `[B, H, W, C]`, which doubles both sides.
public struct TransposedConv2D: Sendable {
  /// `[inputs, outputs, 2, 2]`; in a model for training only.
  public let weight: Tensor?
  /// `[outputs]`; in a model for training only.
  public let bias: Tensor?
  private let convolution: PackedTransposedConvolution
  private let path: String

  /// Reads `weight` `[inputs, outputs, 2, 2]` and `bias` `[outputs]`.
  ///
  /// - Parameters:
  ///   - inputs: channels of the map.
  ///   - outputs: channels of the result.
  ///   - activation: applied to the result.
  ///   - tree: the layer's place.
  public init(
    in inputs: Int, out outputs: Int, activation: Activation = .none, from tree: ParameterScope
  ) throws {
    let weight = try tree.tensor("weight", [inputs, outputs, 2, 2], initially: .fanIn)
    let bias = try tree.tensor("bias", [outputs], initially: .zeros)
    self.weight = tree.kept(weight)
    self.bias = tree.kept(bias)
    convolution = PackedTransposedConvolution(
      weight, bias: bias, activation: activation, tree.context)
    path = tree.path
  }

  /// `[B, H, W, inputs]` to `[B, 2H, 2W, outputs]`.
  public func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    pass.transposedConvolution(x, convolution, layer: path)
  }
}
