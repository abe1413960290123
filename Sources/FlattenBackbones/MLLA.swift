// MLLA (arXiv 2405.16605), a transformer of linear attention in the blocks of Mamba.
//
// Checkpoints: LeapLabTHU/MLLA at 66b6d29 (models/mlla.py and, for dense prediction,
// downstream/segmentation/mmseg/models/backbones/mlla.py).
//
// B batch, H W grid, N tokens = H * W, C channels.
//
// A block is x += cpe1(x); n = norm1(x); x += out_proj(attn(SiLU(dwc(in_proj(n)))) * SiLU(act_proj(n)));
// x += cpe2(x); x += mlp(norm2(x)).
//
// What surprises:
// - a picture is padded with zeros to a multiple of 4 and a map to even sides before it is merged, at the right and the
//   bottom: windows that reach there see what the first layer makes of zeros, not zeros;
// - the stem's middle is a residual pair of convolutions;
// - merging widens to four times its outputs, halves the map by a depthwise convolution, and narrows;
// - each block of a file has a table of rotations of the native grid, which no other size can use: they are computed;
// - in dense prediction each map has a norm of its own, counted from 0; classification has one, `norm`.

import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// The numbers of MLLA, under the upstream names.
package struct MLLAConfiguration: Sendable {
  /// The numbers that all families have.
  package var common = BlockNumbers(normEpsilon: 1e-5)
  /// Channels of the first stage; each next has twice as many.
  package var embedDim: Int
  /// Blocks of each stage.
  package var depths: [Int]
  /// Heads of each stage.
  package var heads: [Int]
  /// Whether each map goes through a norm of its own (`norm0` ...), as in dense prediction; `nil` where the file
  /// decides.
  package var hasOutputNorms: Bool?

  package init(embedDim: Int, depths: [Int], heads: [Int]) {
    self.embedDim = embedDim
    self.depths = depths
    self.heads = heads
  }

  /// The keys a config may set, beside `type` and `variant`.
  static let keys = [
    "img_size", "in_chans", "embed_dim", "depths", "num_heads", "mlp_ratio", "qkv_bias", "norm_eps",
    "out_norms",
  ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Throws: `ConfigError` naming the key.
  init(_ section: BackboneSection, variants: [String: MLLAConfiguration]) throws {
    let (map, variant) = (section.map, try section.variant(variants))
    let depths = try map.stageInts("depths", in: 1...64, variant?.depths)
    self.init(
      embedDim: try map.optional("embed_dim")?.int(in: 1...4096) ?? variant?.embedDim
        ?? map.required("embed_dim").int(in: 1...4096),
      depths: depths,
      heads: try map.stageInts("num_heads", in: 1...128, variant?.heads, count: depths.count))
    try common.read(section, depths: depths)
    hasOutputNorms = try map.optional("out_norms")?.bool()
    try map.checkHeads(heads, channels: depths.indices.map(channels))
    if embedDim % 4 != 0 {
      throw (map.optional("embed_dim") ?? map.node).error(
        expected: "a multiple of 4: the rotation turns pairs of channels by row and by column")
    }
  }

  /// Channels of a stage.
  package func channels(_ stage: Int) -> Int { embedDim << stage }

  /// The pyramid: each stage halves the map.
  package var featureInfo: [FeatureInfo] {
    depths.indices.map { FeatureInfo(channels: channels($0), stride: 4 << $0) }
  }
}

extension TransformerBlock {
  /// A block of MLLA.
  package init(
    mlla c: MLLAConfiguration, stage: Int, block: Int, from tree: ParameterScope
  ) throws {
    let channels = c.channels(stage)
    func position(_ key: String, _ block: ParameterScope) throws -> DepthwiseConv2D {
      try DepthwiseConv2D(channels, kernel: 3, addsInput: true, from: block.scope(key))
    }
    try self.init(
      channels, normEpsilon: c.common.normEpsilon,
      name: IntermediateNames.block(stage: stage, block), from: tree,
      positions: { Positions(attention: try position("cpe1", $0), mlp: try position("cpe2", $0)) },
      attention: {
        try GatedAttention(
          channels, heads: c.heads[stage], qkvBias: c.common.qkvBias, from: $0)
      },
      mlp: {
        try MLP(
          channels, hidden: Int(Double(channels) * c.common.mlpRatio), from: $0.scope("mlp"))
      })
  }
}

/// Mamba's block around an attention: a depthwise convolution before it, a gate after it.
private struct GatedAttention: TokenAttention {
  private let input: Linear
  private let gate: Linear
  private let depthwise: DepthwiseConv2D
  private let attention: MambaLikeAttention
  private let output: Linear
  private let path: String

  /// - Parameter tree: the block's place.
  init(_ channels: Int, heads: Int, qkvBias: Bool, from tree: ParameterScope) throws {
    input = try Linear(in: channels, out: channels, bias: true, from: tree.scope("in_proj"))
    gate = try Linear(in: channels, out: channels, bias: true, from: tree.scope("act_proj"))
    depthwise = try DepthwiseConv2D(channels, kernel: 3, from: tree.scope("dwc"))
    attention = try MambaLikeAttention(
      channels: channels, heads: heads, qkvBias: qkvBias, from: tree.scope("attn"))
    output = try Linear(in: channels, out: channels, bias: true, from: tree.scope("out_proj"))
    path = tree.path
  }

  func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let u = depthwise(input(x, pass).asMap(grid), activation: .silu, pass).asTokens  // [B, N, C]
    let y = attention(u, grid: grid, residual: nil, pass)
    let gated = pass.multiply(y, gate(x, activation: .silu, pass), layer: "\(path).gated")
    return output(gated, residual: residual, pass)
  }
}

/// Halves a map: a 1x1 convolution, a depthwise one of stride 2, and a 1x1 convolution with a batch norm.
private struct ConvolutionalMerging: Sendable {
  private let widen: Conv2D
  private let halve: DepthwiseConv2D
  private let narrow: Conv2D
  private let path: String

  /// Reads `conv.0`, `conv.1` and `conv.2`.
  init(in inputs: Int, out outputs: Int, from tree: ParameterScope) throws {
    let hidden = 4 * outputs
    widen = try Conv2D(
      in: inputs, out: hidden, ConvolutionGeometry(kernel: 1), activation: .relu,
      from: tree.scope("conv.0.conv"))
    halve = try DepthwiseConv2D(hidden, kernel: 3, stride: 2, from: tree.scope("conv.1.conv"))
    narrow = try Conv2D(
      in: hidden, out: outputs, ConvolutionGeometry(kernel: 1),
      following: .batchNorm(epsilon: MLLA.batchNormEpsilon, key: "norm", bias: true), key: "conv",
      from: tree.scope("conv.2"))
    path = tree.path
  }

  /// `[B, H, W, inputs]` to `[B, ceil(H / 2), ceil(W / 2), outputs]`.
  func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    let even = pass.padded(x, toMultipleOf: 2, layer: "\(path).pad")
    return narrow(halve(widen(even, pass), activation: .relu, pass), pass)
  }
}

/// MLLA's stem: a quarter of the picture's sides.
private struct MLLAStem: Sendable {
  private let first: Conv2D
  private let pair: [Conv2D]
  private let last: [Conv2D]
  private let path: String

  /// Reads `conv1`, `conv2` and `conv3`.
  init(in inputs: Int, out outputs: Int, from tree: ParameterScope) throws {
    func layer(
      _ key: String, _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1,
      isLast: Bool = false
    ) throws -> Conv2D {
      try Conv2D(
        in: inputs, out: outputs,
        ConvolutionGeometry(kernel: kernel, stride: stride, padding: kernel / 2),
        following: .batchNorm(epsilon: MLLA.batchNormEpsilon, key: "norm"),
        activation: isLast ? .none : .relu, key: "conv", from: tree.scope(key))
    }
    let half = outputs / 2
    first = try layer("conv1", inputs, half, stride: 2)
    pair = [try layer("conv2.0", half, half), try layer("conv2.1", half, half, isLast: true)]
    last = [
      try layer("conv3.0", half, 4 * outputs, stride: 2),
      try layer("conv3.1", 4 * outputs, outputs, kernel: 1, isLast: true),
    ]
    path = tree.path
  }

  /// `[B, H, W, inputs]` to `[B, ceil(H / 4), ceil(W / 4), outputs]`.
  func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    let half = first(pass.padded(x, toMultipleOf: 4, layer: "\(path).pad"), pass)
    let refined = pair.reduce(half) { $1($0, pass) }
    return last.reduce(pass.add(refined, half, layer: "\(path).conv2")) { $1($0, pass) }
  }
}

/// MLLA.
package struct MLLA: ClassifyingBackbone {
  private struct Stage: Sendable {
    /// What leads to the stage from the one before; `nil` in the first, which follows the stem.
    let merging: ConvolutionalMerging?
    let blocks: TransformerStage
    let outputNorm: LayerNorm?
  }

  private let stem: MLLAStem
  private let stages: [Stage]
  private let finalNorm: LayerNorm?
  private let path: ParameterPath
  package let featureInfo: [FeatureInfo]
  package let intermediateNames: [String]
  package let leastSide = 1

  fileprivate static let batchNormEpsilon: Float = 1e-5

  package init(
    _ c: MLLAConfiguration, for purpose: BackbonePurpose, from tree: ParameterScope
  ) throws {
    path = ParameterPath(tree)
    stem = try MLLAStem(
      in: c.common.inputChannels, out: c.embedDim, from: tree.scope("patch_embed"))
    let hasOutputNorms = tree.hasOutputNorms(
      c.depths.indices.map { "norm\($0)" }, wanted: c.hasOutputNorms, for: purpose)
    stages = try c.depths.indices.map { stage in
      Stage(
        merging: stage == 0
          ? nil
          : try ConvolutionalMerging(
            in: c.channels(stage - 1), out: c.channels(stage),
            from: tree.scope("layers.\(stage - 1).downsample")),
        blocks: try TransformerStage(
          c.depths[stage], from: tree.scope("layers.\(stage).blocks")
        ) { try TransformerBlock(mlla: c, stage: stage, block: $0, from: $1) },
        outputNorm: hasOutputNorms
          ? try LayerNorm(
            c.channels(stage), epsilon: c.common.normEpsilon, from: tree.scope("norm\(stage)"))
          : nil)
    }
    finalNorm =
      purpose == .classification
      ? try LayerNorm(
        c.channels(c.depths.count - 1), epsilon: c.common.normEpsilon, from: tree.scope("norm"))
      : nil
    featureInfo = c.featureInfo
    intermediateNames = IntermediateNames.all(blocks: c.depths)
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    var map = stem(x, pass)  // [B, H / 4, W / 4, C], rounded up
    var outputs: [Tensor] = []
    for (index, stage) in stages.enumerated() {
      map = stage.merging?(map, pass) ?? map
      pass.observe(map, as: IntermediateNames.patchEmbedding(index))
      map = stage.blocks(map, pass)
      outputs.append(
        pass.observe(stage.outputNorm?(map, pass) ?? map, as: IntermediateNames.stage(index)))
    }
    return outputs
  }

  package var pooledChannels: Int { featureInfo[featureInfo.count - 1].channels }

  package func pooled(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    guard let finalNorm, let last = self(x, pass).last else {
      preconditionFailure("a backbone built for dense prediction has no norm to pool after")
    }
    return pass.meanOverTokens(finalNorm(last, pass).asTokens, layer: path("pool"))
  }
}

extension BackboneFamily {
  /// MLLA.
  static let mlla = BackboneFamily(
    name: "mlla", keys: MLLAConfiguration.keys, ignoredKeys: MLLA.ignoredKeys, translation: nil
  ) { section in
    let c = try MLLAConfiguration(section, variants: MLLA.variants)
    return BackboneNumbers(inputChannels: c.common.inputChannels, depths: c.depths) {
      try MLLA(c, for: $0, from: $1)
    }
  }
}

extension MLLA {
  /// Keys of checkpoints that a model does not read.
  package static let ignoredKeys = [
    IgnoredKeys(
      pattern: "layers.*.attn.rope.rotations",
      reason: "the native grid's rotations, which are computed for any"),
    IgnoredKeys(pattern: "norm.*", reason: "after the last stage, for classification only"),
    IgnoredKeys(pattern: "head.*", reason: "the ImageNet classifier"),
  ]

  /// The published variants, by their names in configs.
  package static let variants = [
    "tiny": MLLAConfiguration(embedDim: 64, depths: [2, 4, 8, 4], heads: [2, 4, 8, 16]),
    "small": MLLAConfiguration(embedDim: 64, depths: [3, 6, 21, 6], heads: [2, 4, 8, 16]),
    "base": MLLAConfiguration(embedDim: 96, depths: [3, 6, 21, 6], heads: [3, 6, 12, 24]),
  ]
}
