// The convolution blocks of EfficientViT (arXiv 2205.14756), and of MobileNetV2 and EfficientNetV2 before it.
//
// Upstream: mit-han-lab/efficientvit at de7d773, efficientvit/models/nn/ops.py.
//
// What surprises:
// - "fewer norms" means biases in the place of the batch norms of all but the last convolution;
// - the last convolution has no activation;
// - the input is added only where the block keeps the map's size: the caller gives it.

import FlattenCheckpoint
import FlattenTensor

/// A block of convolutions that ends in a batch norm: one of four published forms.
public struct MobileConvolution: Sendable {
  /// The forms, and what their hidden width is.
  public enum Form: Sendable, Equatable {
    /// Depthwise 3x3, 1x1: no hidden width.
    case separable
    /// 1x1 to the hidden width, depthwise 3x3, 1x1: MBConv.
    case inverted(hidden: Int)
    /// 3x3 to the hidden width, 1x1: fused MBConv.
    case fused(hidden: Int)
    /// 3x3 to the hidden width, 3x3: ResBlock.
    case residual(hidden: Int)
  }

  private enum Body: Sendable {
    case depthwise(MobileWeights, expand: Conv2D?, DepthwiseConv2D, project: Conv2D)
    case dense(Conv2D, Conv2D)
  }

  private let body: Body
  private let path: String

  /// Reads the block.
  ///
  /// - Parameters:
  ///   - inputs: channels of the map.
  ///   - outputs: channels of the result.
  ///   - form: the convolutions.
  ///   - stride: cells from one 3x3 window to the next; of the first one in a residual block.
  ///   - hasFewerNorms: whether all convolutions but the last have a bias and no norm.
  ///   - activation: after all convolutions but the last.
  ///   - normEpsilon: of the batch norms.
  ///   - tree: the block's place.
  public init(
    in inputs: Int, out outputs: Int, _ form: Form, stride: Int = 1, hasFewerNorms: Bool = false,
    activation: Activation, normEpsilon: Float, from tree: ParameterScope
  ) throws {
    path = tree.path
    func following(isLast: Bool = false) -> Conv2D.Following {
      hasFewerNorms && !isLast ? .bias(true) : .batchNorm(epsilon: normEpsilon, key: "norm")
    }
    func convolution(
      _ name: String, in inputs: Int, out outputs: Int, kernel: Int, stride: Int = 1,
      isLast: Bool = false
    ) throws -> Conv2D {
      try Conv2D(
        in: inputs, out: outputs,
        ConvolutionGeometry(kernel: kernel, stride: stride, padding: kernel / 2),
        following: following(isLast: isLast), activation: isLast ? .none : activation, key: "conv",
        from: tree.scope(name))
    }
    func depthwise(_ channels: Int) throws -> DepthwiseConv2D {
      try DepthwiseConv2D(
        channels, kernel: 3, stride: stride, following: following(), key: "conv",
        from: tree.scope("depth_conv"))
    }
    func mobile(_ expand: Conv2D?, hidden: Int) throws -> Body {
      let depthwise = try depthwise(hidden)
      let project = try convolution(
        "point_conv", in: hidden, out: outputs, kernel: 1, isLast: true)
      guard let last = project.convolution, expand == nil || expand?.convolution != nil else {
        preconditionFailure("\(tree.path) was left for another layer to compute")
      }
      return .depthwise(
        MobileWeights(
          expand: expand?.convolution, depthwise: depthwise.prepared, activation: activation,
          project: last),
        expand: expand, depthwise, project: project)
    }
    switch form {
    case .separable: body = try mobile(nil, hidden: inputs)
    case .inverted(let hidden):
      body = try mobile(
        try convolution("inverted_conv", in: inputs, out: hidden, kernel: 1), hidden: hidden)
    case .fused(let hidden):
      body = .dense(
        try convolution("spatial_conv", in: inputs, out: hidden, kernel: 3, stride: stride),
        try convolution("point_conv", in: hidden, out: outputs, kernel: 1, isLast: true))
    case .residual(let hidden):
      body = .dense(
        try convolution("conv1", in: inputs, out: hidden, kernel: 3, stride: stride),
        try convolution("conv2", in: hidden, out: outputs, kernel: 3, isLast: true))
    }
  }

  /// `[B, H, W, inputs]` to `[B, H', W', outputs]`, sides divided by the stride and rounded up.
  ///
  /// - Parameters:
  ///   - x: the map.
  ///   - residual: shape of the result, added to it.
  ///   - pass: has the operators.
  public func callAsFunction(
    _ x: Tensor, residual: Tensor? = nil, _ pass: ForwardPass
  ) -> Tensor {
    switch body {
    case .depthwise(let weights, let expand, let depthwise, let project):
      return pass.mobileConvolution(
        x, weights, residual: residual,
        layers: (expand?.path ?? "", depthwise.path, project.path), layer: path)
    case .dense(let first, let second):
      return second(first(x, pass), residual: residual, pass)
    }
  }
}
