// The segmentation head of EfficientViT (arXiv 2205.14756).
//
// Checkpoints: mit-han-lab/efficientvit at de7d773 (efficientvit/models/efficientvit/seg.py, SegHead); its keys
// begin with `head.`, not with `decode_head.`.
//
// B batch, H W grid at stride 8, D the head's width.
//
// What surprises:
// - it reads the maps at strides 32, 16 and 8, coarsest first, and gives logits at stride 8;
// - coarser maps are enlarged bicubically, with a = -0.75 and half-pixel centres. Upstream enlarges by factors and
//   so needs sides that are multiples of 32; here to the grid at stride 8, the same where they are;
// - an optional 1x1 convolution widens the map before the classes.

import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor

/// The numbers of an ``EfficientViTHead`` beside its width and its classes.
package struct EfficientViTHeadConfiguration: Sendable, Equatable {
  /// The residual blocks on the sum of the maps.
  package enum BlockName: String, CaseIterable, Sendable {
    case inverted = "mbconv"
    case fused = "fmbconv"
  }

  package let block: BlockName
  /// Blocks.
  package let depth: Int
  /// Their hidden width, in units of the head's.
  package let expansion: Double
  /// Width of the last hidden layer, in units of the head's; `nil` where there is none.
  package let finalExpansion: Double?
  package let activation: Activation

  static let keys = ["head_depth", "expand_ratio", "middle_op", "final_expand", "act_func"]

  init(_ map: ConfigMap) throws {
    block = try map.required("middle_op").choice(BlockName.self)
    depth = try map.required("head_depth").int(in: 0...64)
    expansion = try map.required("expand_ratio").double(in: 0.25...64)
    finalExpansion = try map.optional("final_expand")?.double(in: 0.25...64)
    activation = try map.required("act_func").choice(ActivationName.self).activation
    // No model's batch norms go without saying: those of the L series have another constant.
    _ = try map.required("norm_eps")
  }
}

/// Adds three maps at stride 8, passes the sum through convolution blocks, and classifies each cell.
package struct EfficientViTHead: SegmentationHead {
  /// Coarsest first.
  private let inputs: [(level: Int, convolution: Conv2D)]
  private let blocks: [MobileConvolution]
  private let expansion: Conv2D?
  private let classifier: Conv2D
  private let path: String

  package init(
    _ c: HeadConfiguration, _ own: EfficientViTHeadConfiguration, from maps: [FeatureInfo],
    tree: ParameterScope
  ) throws {
    path = tree.path
    let point = ConvolutionGeometry(kernel: 1)
    let norm = Conv2D.Following.batchNorm(epsilon: c.normEpsilon, key: "norm")
    inputs = try (0..<3).map { index in
      let scope = tree.scope("input_ops").scope(index)
      let level = maps.count - 1 - index
      return (
        level,
        try Conv2D(
          in: maps[level].channels, out: c.channels, point, following: norm, key: "conv",
          from: index == 2 ? scope : scope.scope("op_list").scope(0))
      )
    }
    let hidden = Int((Double(c.channels) * own.expansion).rounded())
    blocks = try (0..<own.depth).map { index in
      try MobileConvolution(
        in: c.channels, out: c.channels,
        own.block == .fused ? .fused(hidden: hidden) : .inverted(hidden: hidden),
        activation: own.activation, normEpsilon: c.normEpsilon,
        from: tree.scope("middle").scope("op_list").scope(index).scope("main"))
    }
    let last = tree.scope("output_ops").scope(0).scope("op_list")
    let width = own.finalExpansion.map { Int((Double(c.channels) * $0).rounded()) }
    expansion = try width.map {
      try Conv2D(
        in: c.channels, out: $0, point, following: norm, activation: own.activation, key: "conv",
        from: last.scope(0))
    }
    classifier = try Conv2D(
      in: width ?? c.channels, out: c.classes, point, key: "conv",
      from: last.scope(width == nil ? 0 : 1))
  }

  package func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> Tensor {
    let y = middle(merged(maps, pass), pass)
    return classifier(expansion?(y, pass) ?? y, pass)  // [B, H, W, classes]
  }

  /// The sum of the maps, `[B, H, W, D]`.
  package func merged(_ maps: [Tensor], _ pass: ForwardPass) -> Tensor {
    var sum = inputs[2].convolution(maps[inputs[2].level], pass)
    for (index, input) in inputs.dropLast().enumerated().reversed() {
      sum = pass.resizeBicubic(
        input.convolution(maps[input.level], pass), height: sum.shape[1], width: sum.shape[2],
        addedTo: sum, layer: "\(path).input_ops.\(index).upsample")
    }
    return sum
  }

  /// The blocks on the sum.
  package func middle(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    blocks.reduce(x) { $1($0, residual: $0, pass) }
  }
}
