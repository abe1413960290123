// The heads of Faster, Mask and Cascade R-CNN that look at single regions (arXiv 1506.01497, 1703.06870, 1712.00726)
// with the semantics and key names of mmdetection 3.3.0, mmdet/models/roi_heads/bbox_heads/convfc_bbox_head.py and
// mask_heads/fcn_mask_head.py.
//
// R regions, C channels of the pyramid, K classes.
//
// What surprises: the background is the last class; `reg` has a box a class, or one for all.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Tells the class of a region, and how its box is to be moved.
package struct BoxHead: Sendable {
  private let convolutions: [Conv2D]
  private let layers: [Linear]
  private let scores: Linear
  private let deltas: Linear

  /// Side of a region's map.
  package static let side = 7

  /// - Parameters:
  ///   - c: the detector's numbers.
  ///   - inputs: channels of the pyramid.
  ///   - tree: the head's place.
  package init(_ c: DetectorConfiguration, in inputs: Int, from tree: ParameterScope) throws {
    let box = c.boxHead
    convolutions = try (0..<box.convolutions).map { index in
      try Conv2D(
        in: index == 0 ? inputs : box.channels, out: box.channels,
        ConvolutionGeometry(kernel: 3, padding: 1),
        following: .batchNorm(epsilon: 1e-5, key: "bn"), activation: .relu, key: "conv",
        from: tree.scope("shared_convs").scope(index))
    }
    let width = box.convolutions == 0 ? inputs : box.channels
    layers = try (0..<box.layers).map { index in
      try Linear(
        in: index == 0 ? width * Self.side * Self.side : box.width, out: box.width, bias: true,
        overCells: index == 0 ? Self.side * Self.side : 1,
        from: tree.scope("shared_fcs").scope(index))
    }
    scores = try Linear(
      in: box.width, out: c.classes + 1, bias: true, from: tree.scope("fc_cls"))
    deltas = try Linear(
      in: box.width, out: box.isClassAgnostic ? 4 : 4 * c.classes, bias: true,
      from: tree.scope("fc_reg"))
  }

  /// - Parameter regions: `[R, 7, 7, C]`.
  /// - Returns: logits `[R, K + 1]`, and deltas `[R, 4 K]` or `[R, 4]`.
  package func callAsFunction(
    _ regions: Tensor, _ pass: ForwardPass
  ) -> (scores: Tensor, deltas: Tensor) {
    let maps = convolutions.reduce(regions) { $1($0, pass) }
    let count = maps.shape[0]
    var x = maps.reshaped(Shape(count, maps.count / max(count, 1)))
    for layer in layers { x = layer(x, activation: .relu, pass) }
    return (scores(x, pass), deltas(x, pass))
  }
}

/// Draws the outline of a region's thing: a small map of scores a class.
package struct MaskHead: Sendable {
  private let convolutions: [Conv2D]
  private let upsample: TransposedConv2D
  private let scores: Conv2D

  /// Side of a region's map; that of its mask is twice as long.
  package static let side = 14

  /// - Parameters:
  ///   - c: the head's numbers.
  ///   - classes: a map each.
  ///   - inputs: channels of the pyramid.
  ///   - tree: the head's place.
  package init(_ c: MaskHeadNumbers, classes: Int, in inputs: Int, from tree: ParameterScope) throws
  {
    convolutions = try (0..<c.convolutions).map { index in
      try Conv2D(
        in: index == 0 ? inputs : c.channels, out: c.channels,
        ConvolutionGeometry(kernel: 3, padding: 1), activation: .relu, key: "conv",
        from: tree.scope("convs").scope(index))
    }
    upsample = try TransposedConv2D(
      in: c.convolutions == 0 ? inputs : c.channels, out: c.channels, activation: .relu,
      from: tree.scope("upsample"))
    scores = try Conv2D(
      in: c.channels, out: classes, ConvolutionGeometry(kernel: 1), from: tree.scope("conv_logits"))
  }

  /// - Parameter regions: `[R, 14, 14, C]`.
  /// - Returns: logits `[R, 28, 28, K]`.
  package func callAsFunction(_ regions: Tensor, _ pass: ForwardPass) -> Tensor {
    scores(upsample(convolutions.reduce(regions) { $1($0, pass) }, pass), pass)
  }
}
