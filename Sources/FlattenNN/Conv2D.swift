import FlattenCheckpoint
import FlattenTensor

/// A 2-D convolution on a map `[B, H, W, C]`, optionally with a batch norm folded into its weights and
/// an activation after it.
public struct Conv2D: Sendable {
  /// What follows the convolution in the checkpoint.
  public enum Following: Sendable {
    /// Its own bias, or nothing.
    case bias(Bool)
    /// A batch norm under its own scope; the convolution has no bias.
    case batchNorm(epsilon: Float, key: String)
  }

  private let weight: PackedConvolution
  private let bias: Tensor?
  private let activation: Activation
  private let path: String

  /// Reads `<key>weight` `[outputs, inputs, kernel, kernel]` and what follows it.
  ///
  /// - Parameters:
  ///   - inputs: channels of the map.
  ///   - outputs: channels of the result.
  ///   - geometry: the window and how it moves.
  ///   - following: the bias or the batch norm.
  ///   - activation: what comes last.
  ///   - key: scope of the convolution below `tree`; empty where it is `tree` itself.
  ///   - tree: the layer's place.
  public init(
    in inputs: Int, out outputs: Int, _ geometry: ConvolutionGeometry,
    following: Following = .bias(true), activation: Activation = .none, key: String = "",
    from tree: ParameterScope
  ) throws {
    self.init(
      try StoredConvolution(
        in: inputs, out: outputs, geometry, following: following, activation: activation, key: key,
        from: tree))
  }

  /// Prepares what was read.
  package init(_ stored: StoredConvolution) {
    weight = PackedConvolution(
      stored.weight, scale: stored.scale, stored.geometry, stored.packing)
    bias = stored.bias
    activation = stored.activation
    path = stored.path
  }

  /// `[B, H, W, inputs]` to `[B, H', W', outputs]`.
  ///
  /// - Parameters:
  ///   - x: the map.
  ///   - coarse: a map that is resized by nearest neighbour and added; for 1x1 windows.
  ///   - pass: has the operators.
  public func callAsFunction(
    _ x: Tensor, addingNearest coarse: Tensor? = nil, _ pass: ForwardPass
  ) -> Tensor {
    pass.convolution(
      x, weight, bias: bias, activation: activation, addingNearest: coarse, layer: path)
  }
}

/// A convolution's parameters as the checkpoint has them, with what follows it.
package struct StoredConvolution: Sendable {
  let geometry: ConvolutionGeometry
  /// `[outputs, inputs, kernel, kernel]`.
  let weight: Tensor
  /// `[outputs]`, of a batch norm.
  let scale: Tensor?
  /// `[outputs]`.
  let bias: Tensor?
  let activation: Activation
  let path: String
  let packing: Packing

  /// Reads `<key>weight` `[outputs, inputs, kernel, kernel]` and what follows it.
  ///
  /// - Parameters:
  ///   - key: scope of the convolution below `tree`; empty where it is `tree` itself.
  package init(
    in inputs: Int, out outputs: Int, _ geometry: ConvolutionGeometry,
    following: Conv2D.Following = .bias(true), activation: Activation = .none, key: String = "",
    from tree: ParameterScope
  ) throws {
    let scope = key.isEmpty ? tree : tree.scope(key)
    let kernel = geometry.kernel
    self.geometry = geometry
    weight = try scope.tensor("weight", [outputs, inputs, kernel, kernel])
    switch following {
    case .bias(let exists):
      scale = nil
      bias = exists ? try scope.tensor("bias", [outputs]) : nil
    case .batchNorm(let epsilon, let key):
      let norm = try BatchNorm(outputs, epsilon: epsilon, from: tree.scope(key))
      scale = norm.scale
      bias = norm.shift
    }
    self.activation = activation
    path = tree.path
    packing = tree.packing
  }

  private init(_ other: StoredConvolution, weight: Tensor) {
    geometry = other.geometry
    self.weight = weight
    scale = other.scale
    bias = other.bias
    activation = other.activation
    path = other.path
    packing = other.packing.afterLoading
  }

  /// The same in the memory of what stays after loading.
  func kept() -> StoredConvolution {
    StoredConvolution(self, weight: weight.copied(to: packing.memory))
  }
}

/// A convolution of each channel by itself, stride 1, padding half the kernel.
public struct DepthwiseConv2D: Sendable {
  /// What operators that contain the convolution read.
  let parameters: DepthwiseWeight
  private let path: String

  /// Reads `weight` `[own, 1, kernel, kernel]` and `bias` `[own]`.
  ///
  /// - Parameters:
  ///   - channels: channels of the checkpoint's tensor.
  ///   - kernel: side of the window, an odd number.
  ///   - repeated: how many groups of channels, side by side, share it.
  ///   - tree: the layer's place.
  public init(
    _ channels: Int, kernel: Int, repeated: Int = 1, from tree: ParameterScope
  ) throws {
    let stored = try tree.tensor("weight", [channels, 1, kernel, kernel])
    let storedBias = try tree.tensor("bias", [channels])
    let all = channels * repeated
    let weight = Tensor([kernel * kernel, all]) { packed in
      for position in 0..<kernel * kernel {
        for channel in 0..<all {
          packed[position * all + channel] =
            stored.pointer[channel % channels * kernel * kernel + position]
        }
      }
    }
    let bias = Tensor([all]) { packed in
      for channel in 0..<all { packed[channel] = storedBias.pointer[channel % channels] }
    }
    parameters = DepthwiseWeight(weight: weight, bias: bias, kernel: kernel)
    path = tree.path
  }

  /// - Parameters:
  ///   - x: `[B, H, W, stride]`, channels read from `offset` on.
  ///   - offset: the first channel that is read.
  ///   - activation: applied to the result.
  ///   - residual: as many elements as the result, added after the activation.
  ///   - pass: has the operators.
  /// - Returns: `[B, H, W, channels * repeated]`.
  public func callAsFunction(
    _ x: Tensor, offset: Int = 0, activation: Activation = .none, residual: Tensor? = nil,
    _ pass: ForwardPass
  ) -> Tensor {
    pass.depthwiseConvolution(
      x, offset: offset, parameters.weight, bias: parameters.bias, kernel: parameters.kernel,
      activation: activation, residual: residual, layer: path)
  }
}
