import FlattenCheckpoint
import FlattenTensor

/// A 2-D convolution on a map `[B, H, W, C]`, with its bias or a batch norm, and an activation after it.
public struct Conv2D: Sendable {
  /// The bias or the norm that follows the convolution in the checkpoint.
  public enum Following: Sendable {
    /// Its own bias, or nothing.
    case bias(Bool)
    /// A batch norm under its own scope.
    ///
    /// - Parameters:
    ///   - epsilon: of the norm.
    ///   - key: the norm's scope below the layer's place.
    ///   - bias: whether the convolution has a bias as well.
    case batchNorm(epsilon: Float, key: String, bias: Bool = false)
  }

  /// As the checkpoint has it; in a model for training only, or where another layer computes this one.
  package private(set) var stored: StoredConvolution?
  /// For operators that contain the convolution; `nil` where another layer computes this one.
  let convolution: PackedConvolution?
  package let path: String

  /// `[outputs, inputs, kernel, kernel]`; in a model for training only.
  public var weight: Tensor? { stored?.weight }
  /// `[outputs]`; in a model for training only, and where the convolution has one.
  public var bias: Tensor? { stored?.bias }

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
    let scope = key.isEmpty ? tree : tree.scope(key)
    let kernel = geometry.kernel
    let weight = try scope.tensor(
      "weight", [outputs, inputs, kernel, kernel], initially: .fanIn)
    var bias: Tensor?
    var norm: BatchNormStatistics?
    switch following {
    case .bias(let exists):
      if exists { bias = try scope.tensor("bias", [outputs], initially: .zeros) }
    case .batchNorm(let epsilon, let key, let exists):
      if exists { bias = try scope.tensor("bias", [outputs], initially: .zeros) }
      norm = try BatchNormStatistics(outputs, epsilon: epsilon, from: tree.scope(key))
    }
    let stored = StoredConvolution(
      geometry, weight: weight, bias: bias, norm: norm, activation: activation)
    self.stored = tree.context.purpose == .training || !tree.isPrepared ? stored : nil
    convolution = tree.isPrepared ? PackedConvolution(stored, tree.context) : nil
    path = tree.path
  }

  /// The same layer without its parameters as the checkpoint has them.
  package func releasingStored() -> Conv2D {
    var layer = self
    layer.stored = nil
    return layer
  }

  /// `[B, H, W, inputs]` to `[B, H', W', outputs]`.
  ///
  /// - Parameters:
  ///   - x: the map.
  ///   - coarse: a map that is resized by nearest neighbour and added; for 1x1 windows.
  ///   - residual: shape of the result, added after the activation.
  ///   - pass: has the operators.
  public func callAsFunction(
    _ x: Tensor, addingNearest coarse: Tensor? = nil, residual: Tensor? = nil, _ pass: ForwardPass
  ) -> Tensor {
    guard let convolution else {
      preconditionFailure("\(path) was left for another layer to compute")
    }
    return pass.convolution(
      x, convolution, addingNearest: coarse, residual: residual, layer: path)
  }
}

extension BatchNormStatistics {
  /// Reads `weight`, `bias`, `running_mean` and `running_var`, all `[channels]`.
  package init(_ channels: Int, epsilon: Float, from tree: ParameterScope) throws {
    self.init(
      gamma: try tree.tensor("weight", [channels], initially: .ones),
      beta: try tree.tensor("bias", [channels], initially: .zeros),
      mean: try tree.tensor("running_mean", [channels], initially: .zeros),
      variance: try tree.tensor("running_var", [channels], initially: .ones), epsilon: epsilon)
  }
}

/// A convolution of each channel by itself, padding half the kernel.
public struct DepthwiseConv2D: Sendable {
  /// `[own, 1, kernel, kernel]`; in a model for training only.
  public let weight: Tensor?
  /// `[own]`; in a model for training only, and where the convolution has one.
  public let bias: Tensor?
  /// The batch norm after it; in a model for training only.
  package let norm: BatchNormStatistics?
  /// For operators that contain the convolution.
  let prepared: DepthwiseWeight
  let path: String

  /// Reads `<key>weight` `[own, 1, kernel, kernel]` and what follows it.
  ///
  /// - Parameters:
  ///   - channels: channels of the checkpoint's tensor.
  ///   - kernel: side of the window, an odd number.
  ///   - stride: cells from one window to the next.
  ///   - following: the bias or the batch norm.
  ///   - repeated: how many groups of channels, side by side, share it.
  ///   - addsInput: whether the layer is `x + convolution(x)`: the kernels' form has 1 more in the middle of the window.
  ///   - key: scope of the convolution below `tree`; empty where it is `tree` itself.
  ///   - tree: the layer's place.
  public init(
    _ channels: Int, kernel: Int, stride: Int = 1, following: Conv2D.Following = .bias(true),
    repeated: Int = 1, addsInput: Bool = false, key: String = "", from tree: ParameterScope
  ) throws {
    let scope = key.isEmpty ? tree : tree.scope(key)
    let weight = try scope.tensor("weight", [channels, 1, kernel, kernel], initially: .fanIn)
    var bias: Tensor?
    var norm: BatchNormStatistics?
    switch following {
    case .bias(let exists):
      if exists { bias = try scope.tensor("bias", [channels], initially: .zeros) }
    case .batchNorm(let epsilon, let key, let exists):
      if exists { bias = try scope.tensor("bias", [channels], initially: .zeros) }
      norm = try BatchNormStatistics(channels, epsilon: epsilon, from: tree.scope(key))
    }
    self.weight = tree.kept(weight)
    self.bias = bias.flatMap(tree.kept)
    self.norm = tree.context.purpose == .training ? norm : nil
    prepared = DepthwiseWeight(
      weight, bias: bias, norm: norm, repeated: repeated, stride: stride, addsInput: addsInput)
    path = tree.path
  }

  /// A kernel that all channels of a head share.
  package enum HeadKernel: Sendable {
    /// A square window of that side.
    case square(Int)
    /// A window of one column, so many rows high.
    case column(Int)
  }

  /// The same without a bias, a kernel a head.
  ///
  /// - Parameters:
  ///   - heads: groups of channels, side by side.
  ///   - width: channels of a head.
  ///   - kernel: its shape; `weight` is `[heads, 1, rows, columns]`.
  ///   - tree: the layer's place.
  package init(heads: Int, width: Int, kernel: HeadKernel, from tree: ParameterScope) throws {
    let (side, columns): (Int, Int)
    switch kernel {
    case .square(let given): (side, columns) = (given, given)
    case .column(let given): (side, columns) = (given, 1)
    }
    let stored = try tree.tensor("weight", [heads, 1, side, columns], initially: .fanIn)
    weight = tree.kept(stored)
    bias = nil
    norm = nil
    let left = (side - columns) / 2
    let square = Tensor(Shape(heads * width, 1, side, side)) { out in
      out.update(repeating: 0)
      for channel in 0..<heads * width {
        for row in 0..<side {
          for column in 0..<columns {
            out[(channel * side + row) * side + left + column] =
              stored.pointer[(channel / width * side + row) * columns + column]
          }
        }
      }
    }
    prepared = DepthwiseWeight(square, bias: nil)
    path = tree.path
  }

  /// - Parameters:
  ///   - x: `[B, H, W, stride]`, channels read from `offset` on.
  ///   - offset: the first channel that is read.
  ///   - activation: applied to the result.
  ///   - residual: as many elements as the result, added after the activation.
  ///   - pass: has the operators.
  /// - Returns: `[B, H', W', channels * repeated]`, sides divided by the stride and rounded up.
  public func callAsFunction(
    _ x: Tensor, offset: Int = 0, activation: Activation = .none, residual: Tensor? = nil,
    _ pass: ForwardPass
  ) -> Tensor {
    pass.depthwiseConvolution(
      x, offset: offset, prepared, activation: activation, residual: residual, layer: path)
  }
}
