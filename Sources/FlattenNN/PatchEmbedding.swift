import FlattenCheckpoint
import FlattenTensor

/// Turns a map into tokens of a coarser grid: a strided convolution and a layer norm.
public struct PatchEmbedding: Sendable {
  private let projection: Conv2D
  private let norm: LayerNorm

  /// Reads the convolution `proj` and the norm `norm`.
  ///
  /// - Parameters:
  ///   - inputs: channels of the map.
  ///   - outputs: channels of the tokens.
  ///   - geometry: PVT's patches do not overlap (kernel = stride, no padding), PVTv2's do (kernel 7
  ///     stride 4, then 3 and 2, padding half the kernel).
  ///   - normEpsilon: of the norm.
  ///   - tree: the layer's place.
  public init(
    in inputs: Int, out outputs: Int, _ geometry: ConvolutionGeometry, normEpsilon: Float,
    from tree: ParameterScope
  ) throws {
    projection = try Conv2D(in: inputs, out: outputs, geometry, from: tree.scope("proj"))
    norm = try LayerNorm(outputs, epsilon: normEpsilon, from: tree.scope("norm"))
  }

  /// `[B, H, W, inputs]` to `[B, H', W', outputs]`.
  public func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    norm(projection(x, pass), pass)
  }
}
