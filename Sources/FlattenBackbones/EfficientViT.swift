// EfficientViT (Cai et al., arXiv 2205.14756): convolutions, and linear attention in the coarse stages.
//
// Checkpoints: mit-han-lab/efficientvit at de7d773 (efficientvit/models/efficientvit/backbone.py).
//
// B batch, H W the picture's sides; maps are [B, H', W', C].
//
// What surprises:
// - a stage begins with a block that halves the map, the counterpart of other families' patch embeddings;
// - the stem is a stage of its own, of stride 2, whose map goes to no head; the B models name it
//   `input_stem`, the L models count it as `stages.0`, so that the same stage is `stages.0` in a B model and
//   `stages.1` in an L model;
// - stages 3 and 4 of a B model, and 4 of an L model, have attention after the block that halves the map;
//   stage 3 of an L model has the biases of those stages in the place of norms, but no attention;
// - `depth_list` does not count the halving block where a B model has attention, nor anywhere in an L model;
// - the L models take GELU's approximation by tanh, and 1e-7 in their batch norms.
//
// Any picture size: sides are halved and rounded up.

import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor

/// The numbers of an EfficientViT.
package struct EfficientViTConfiguration: Sendable {
  /// The two series of models.
  package enum Series: Sendable {
    /// B0 to B3: MobileNet's blocks.
    case small
    /// L1 and L2: dense convolutions in the fine stages.
    case large
  }

  package let series: Series
  /// Channels of the stem and of the four stages.
  package var widths: [Int]
  /// Blocks of each, as upstream counts them.
  package var depths: [Int]
  /// Channels of an attention head.
  package var headWidth: Int
  /// Hidden width of the blocks, in units of their channels; of the B models, those of the L models are fixed.
  package var expansion: Double
  /// Input channels.
  package var inputChannels = 3
  package var activation: Activation
  package var normEpsilon: Float

  package init(
    _ series: Series, widths: [Int], depths: [Int], headWidth: Int, expansion: Double = 4
  ) {
    self.series = series
    self.widths = widths
    self.depths = depths
    self.headWidth = headWidth
    self.expansion = expansion
    activation = series == .small ? .hardSwish : .geluTanh
    normEpsilon = series == .small ? 1e-5 : 1e-7
  }

  /// Blocks of the four stages after the one that halves the map.
  package var blockCounts: [Int] {
    (1...4).map { stage in
      series == .large || stage > 2 ? depths[stage] : depths[stage] - 1
    }
  }
}

/// The names of activations in configs.
package enum ActivationName: String, CaseIterable, Sendable {
  case hardSwish = "hswish"
  /// The approximation by tanh, as upstream calls it.
  case gelu
  case relu

  package var activation: Activation {
    switch self {
    case .hardSwish: .hardSwish
    case .gelu: .geluTanh
    case .relu: .relu
    }
  }
}

extension EfficientViTConfiguration {
  static func keys(_ series: Series) -> [String] {
    ["width_list", "depth_list", "in_chans", "act_func", "norm_eps"]
      + (series == .small ? ["dim", "expand_ratio"] : ["qkv_dim"])
  }

  init(
    _ section: BackboneSection, _ series: Series, variants: [String: EfficientViTConfiguration]
  ) throws {
    let map = section.map
    let given = try section.variant(variants)
    let headWidthKey = series == .small ? "dim" : "qkv_dim"
    let headWidth = try map.optional(headWidthKey)?.int(in: 1...1024)
    if given == nil, headWidth == nil { _ = try map.required(headWidthKey) }
    self.init(
      series,
      widths: try map.stageInts("width_list", in: 1...16384, given?.widths, count: 5),
      depths: try map.stageInts("depth_list", in: 0...256, given?.depths, count: 5),
      headWidth: headWidth ?? given?.headWidth ?? 1)
    expansion = try map.optional("expand_ratio")?.double(in: 0.25...64) ?? given?.expansion ?? 4
    inputChannels = try map.optional("in_chans")?.int(in: 1...16) ?? 3
    activation =
      try map.optional("act_func")?.choice(ActivationName.self).activation ?? activation
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? Double(normEpsilon))
    for stage in series == .small ? [3, 4] : [4] where widths[stage] < self.headWidth {
      throw (map.optional(headWidthKey) ?? map.node).error(
        found: "is \(self.headWidth), stage \(stage) has \(widths[stage]) channels",
        expected: "heads that are no wider than their stage")
    }
    if let stage = (1...4).first(where: { blockCounts[$0 - 1] < 0 }) {
      throw (map.optional("depth_list") ?? map.node).error(
        found: "gives stage \(stage) no block", expected: "a block in each of the four stages")
    }
  }
}

/// A block with attention: `y = x + LiteMLA(x)`, then `y + MBConv(y)`, without norms before.
package struct EfficientViTBlock: Sendable {
  private let attention: LiteMLA
  private let local: MobileConvolution

  /// - Parameters:
  ///   - width: channels of a head.
  ///   - expansion: hidden width of the convolutions, in units of the channels.
  ///   - tree: the block's place.
  package init(
    _ channels: Int, width: Int, expansion: Double, activation: Activation, normEpsilon: Float,
    from tree: ParameterScope
  ) throws {
    attention = try LiteMLA(
      channels: channels, width: width, normEpsilon: normEpsilon,
      from: tree.scope("context_module").scope("main"))
    local = try MobileConvolution(
      in: channels, out: channels,
      .inverted(hidden: max(1, Int((Double(channels) * expansion).rounded()))),
      hasFewerNorms: true, activation: activation, normEpsilon: normEpsilon,
      from: tree.scope("local_module").scope("main"))
  }

  /// `[B, H, W, C]` to the same shape.
  ///
  /// - Parameter name: the block's name for those who look into the model.
  package func callAsFunction(_ x: Tensor, as name: String = "", _ pass: ForwardPass) -> Tensor {
    let grid = (x.shape[1], x.shape[2])
    pass.observe(x, as: "\(name).norm1")
    let y = pass.residual(x, grid: grid, as: "\(name).attn") { attention(x, residual: $0, pass) }
    pass.observe(y, as: "\(name).norm2")
    return pass.residual(y, grid: grid, as: "\(name).mlp") { local(y, residual: $0, pass) }
  }
}

/// EfficientViT, both series.
package struct EfficientViT: ClassifyingBackbone {
  private enum Block: Sendable {
    case convolution(MobileConvolution)
    case attention(EfficientViTBlock)

    func callAsFunction(_ x: Tensor, as name: String, _ pass: ForwardPass) -> Tensor {
      switch self {
      case .convolution(let block): block(x, residual: x, pass)
      case .attention(let block): block(x, as: name, pass)
      }
    }

    /// The names below the block's under which it hands out intermediates.
    var parts: [String] {
      if case .attention = self { return ["norm1", "attn", "norm2", "mlp"] }
      return []
    }
  }

  private struct Stage: Sendable {
    /// Halves the map.
    let entrance: MobileConvolution
    let blocks: [Block]
    /// Of the blocks.
    let names: [String]
  }

  private let stem: Conv2D
  private let stemBlocks: [MobileConvolution]
  private let stages: [Stage]
  private let path: ParameterPath
  package let featureInfo: [FeatureInfo]
  package let intermediateNames: [String]
  package let leastSide = 1  // sides round up

  package init(_ c: EfficientViTConfiguration, from tree: ParameterScope) throws {
    path = ParameterPath(tree)
    let isSmall = c.series == .small
    let first =
      (isSmall ? tree.scope("input_stem") : tree.scope("stages").scope(0)).scope("op_list")
    stem = try Conv2D(
      in: c.inputChannels, out: c.widths[0], ConvolutionGeometry(kernel: 3, stride: 2, padding: 1),
      following: .batchNorm(epsilon: c.normEpsilon, key: "norm"), activation: c.activation,
      key: "conv", from: first.scope(0))
    stemBlocks = try (0..<c.depths[0]).map { index in
      try MobileConvolution(
        in: c.widths[0], out: c.widths[0],
        isSmall ? .separable : .residual(hidden: c.widths[0]), activation: c.activation,
        normEpsilon: c.normEpsilon, from: first.scope(1 + index).scope("main"))
    }
    stages = try (1...4).map { stage in
      let scope = tree.scope("stages").scope(isSmall ? stage - 1 : stage).scope("op_list")
      let count = c.blockCounts[stage - 1]
      return Stage(
        entrance: try Self.convolution(c, stage: stage, isEntrance: true, from: scope.scope(0)),
        blocks: try (0..<count).map { try Self.block(c, stage: stage, from: scope.scope(1 + $0)) },
        names: (0..<count).map { IntermediateNames.block(stage: stage - 1, $0) })
    }
    featureInfo = (1...4).map { FeatureInfo(channels: c.widths[$0], stride: 2 << $0) }
    var names: [String] = []
    for (index, stage) in stages.enumerated() {
      names.append(IntermediateNames.patchEmbedding(index))
      for (name, block) in zip(stage.names, stage.blocks) {
        names += block.parts.map { name + "." + $0 }
        names.append(name)
      }
      names.append(IntermediateNames.stage(index))
    }
    intermediateNames = names
  }

  // Upstream: backbone.py, EfficientViTLargeBackbone: 1, 4, 4, 4, 6, and four times as much at a stage's entrance.
  private static func expansion(
    _ c: EfficientViTConfiguration, stage: Int, isEntrance: Bool
  ) -> Double {
    c.series == .small ? c.expansion : (stage == 4 ? 6 : 4) * (isEntrance ? 4 : 1)
  }

  private static func convolution(
    _ c: EfficientViTConfiguration, stage: Int, isEntrance: Bool, from tree: ParameterScope
  ) throws -> MobileConvolution {
    let inputs = c.widths[isEntrance ? stage - 1 : stage]
    let ratio = expansion(c, stage: stage, isEntrance: isEntrance)
    let hidden = max(1, Int((Double(inputs) * ratio).rounded()))
    let form: MobileConvolution.Form =
      c.series == .large && stage < 3
      ? .fused(hidden: hidden) : ratio == 1 ? .separable : .inverted(hidden: hidden)
    return try MobileConvolution(
      in: inputs, out: c.widths[stage], form, stride: isEntrance ? 2 : 1,
      hasFewerNorms: stage > 2, activation: c.activation, normEpsilon: c.normEpsilon,
      from: tree.scope("main"))
  }

  private static func block(
    _ c: EfficientViTConfiguration, stage: Int, from tree: ParameterScope
  ) throws -> Block {
    guard stage > (c.series == .small ? 2 : 3) else {
      return .convolution(try convolution(c, stage: stage, isEntrance: false, from: tree))
    }
    return .attention(
      try EfficientViTBlock(
        c.widths[stage], width: c.headWidth,
        expansion: expansion(c, stage: stage, isEntrance: false), activation: c.activation,
        normEpsilon: c.normEpsilon, from: tree))
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    var map = stem(x, pass)  // [B, H / 2, W / 2, C]
    for block in stemBlocks { map = block(map, residual: map, pass) }
    pass.observe(map, as: "stem")
    var outputs: [Tensor] = []
    for (index, stage) in stages.enumerated() {
      map = pass.observe(stage.entrance(map, pass), as: IntermediateNames.patchEmbedding(index))
      for (name, block) in zip(stage.names, stage.blocks) {
        map = pass.observe(block(map, as: name, pass), as: name)
      }
      outputs.append(pass.observe(map, as: IntermediateNames.stage(index)))
    }
    return outputs
  }

  package var pooledChannels: Int { featureInfo[featureInfo.count - 1].channels }

  /// The mean of the last map.
  package func pooled(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    let maps = self(x, pass)
    return pass.meanOverTokens(maps[maps.count - 1].asTokens, layer: path("pool"))
  }
}

extension BackboneFamily {
  /// B0 to B3.
  static let efficientViT = efficientViT("efficientvit", .small, EfficientViT.variants)

  /// L1 and L2.
  static let efficientViTLarge = efficientViT(
    "efficientvit_large", .large, EfficientViT.largeVariants)

  private static func efficientViT(
    _ name: String, _ series: EfficientViTConfiguration.Series,
    _ variants: [String: EfficientViTConfiguration]
  ) -> BackboneFamily {
    BackboneFamily(
      name: name, keys: EfficientViTConfiguration.keys(series),
      ignoredKeys: EfficientViT.ignoredKeys, translation: nil
    ) { section in
      let c = try EfficientViTConfiguration(section, series, variants: variants)
      return BackboneNumbers(inputChannels: c.inputChannels, depths: c.blockCounts) { _, tree in
        try EfficientViT(c, from: tree)
      }
    }
  }
}

extension EfficientViT {
  /// Keys of checkpoints that a model does not read.
  package static let ignoredKeys = [
    IgnoredKeys(pattern: "head.*", reason: "the classifier, or the segmentation head"),
    IgnoredKeys(pattern: "*.num_batches_tracked", reason: "a training counter"),
  ]

  /// The published variants of the B series, by their names in configs.
  package static let variants: [String: EfficientViTConfiguration] = [
    "b0": EfficientViTConfiguration(
      .small, widths: [8, 16, 32, 64, 128], depths: [1, 2, 2, 2, 2], headWidth: 16),
    "b1": EfficientViTConfiguration(
      .small, widths: [16, 32, 64, 128, 256], depths: [1, 2, 3, 3, 4], headWidth: 16),
    "b2": EfficientViTConfiguration(
      .small, widths: [24, 48, 96, 192, 384], depths: [1, 3, 4, 4, 6], headWidth: 32),
    "b3": EfficientViTConfiguration(
      .small, widths: [32, 64, 128, 256, 512], depths: [1, 4, 6, 6, 9], headWidth: 32),
  ]

  /// The published variants of the L series.
  package static let largeVariants: [String: EfficientViTConfiguration] = [
    "l1": EfficientViTConfiguration(
      .large, widths: [32, 64, 128, 256, 512], depths: [1, 1, 1, 6, 6], headWidth: 32),
    "l2": EfficientViTConfiguration(
      .large, widths: [32, 64, 128, 256, 512], depths: [1, 2, 2, 8, 8], headWidth: 32),
  ]
}
