import FlattenCheckpoint
import FlattenTensor

/// A 1x1 convolution in groups of channels, without bias.
public struct GroupedConv2D: Sendable {
  /// `[outputs, inputs / groups, 1, 1]`; in a model for training only.
  public let weight: Tensor?
  private let prepared: PackedGroups
  private let path: String

  /// Reads `weight` `[outputs, inputs / groups, 1, 1]`.
  ///
  /// - Parameters:
  ///   - inputs: channels of the map.
  ///   - outputs: channels of the result.
  ///   - groups: divides both.
  ///   - tree: the layer's place.
  public init(in inputs: Int, out outputs: Int, groups: Int, from tree: ParameterScope) throws {
    let weight = try tree.tensor("weight", [outputs, inputs / groups, 1, 1], initially: .fanIn)
    self.weight = tree.kept(weight)
    prepared = PackedGroups(weight, groups: groups, tree.context)
    path = tree.path
  }

  /// `[B, H, W, inputs]` to `[B, H, W, outputs]`.
  public func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    pass.groupedConvolution(x, prepared, layer: path)
  }
}
