// The classifier of EfficientViT (arXiv 2205.14756).
//
// Checkpoints: mit-han-lab/efficientvit at de7d773 (efficientvit/models/efficientvit/cls.py, ClsHead).

import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// A 1x1 convolution with batch norm on the last map, its mean, a hidden layer with layer norm, and the classes.
struct EfficientViTClassifier: Sendable {
  private let convolution: Conv2D
  private let hidden: Linear
  private let norm: LayerNorm
  private let classifier: Linear
  private let activation: Activation
  private let path: String

  /// - Parameters:
  ///   - channels: of the last map.
  ///   - widths: of the convolution and of the hidden layer.
  ///   - normEpsilon: of both norms.
  ///   - tree: the head's place.
  init(
    _ c: ClassifierConfiguration.EfficientViTHead, in channels: Int, classes: Int,
    from tree: ParameterScope
  ) throws {
    path = tree.path
    activation = c.activation
    let layers = tree.scope("op_list")
    convolution = try Conv2D(
      in: channels, out: c.widths[0], ConvolutionGeometry(kernel: 1),
      following: .batchNorm(epsilon: c.normEpsilon, key: "norm"), activation: c.activation,
      key: "conv", from: layers.scope(0))
    hidden = try Linear(
      in: c.widths[0], out: c.widths[1], bias: false, from: layers.scope(2).scope("linear"))
    norm = try LayerNorm(
      c.widths[1], epsilon: c.normEpsilon, from: layers.scope(2).scope("norm"))
    classifier = try Linear(
      in: c.widths[1], out: classes, bias: true, from: layers.scope(3).scope("linear"))
  }

  /// - Parameter map: the last, `[B, H, W, C]`.
  /// - Returns: what the last layer reads, `[B, widths[1]]`, and the logits `[B, classes]`.
  func callAsFunction(_ map: Tensor, _ pass: ForwardPass) -> (features: Tensor, logits: Tensor) {
    let mean = pass.meanOverTokens(
      convolution(map, pass).asTokens, layer: "\(path).op_list.1")  // [B, widths[0]]
    let features = pass.activate(
      norm(hidden(mean, pass), pass), activation, layer: "\(path).op_list.2.act")
    return (features, classifier(features, pass))
  }
}
