// RAVLT (arXiv 2411.07635), a vision transformer of rank-augmented linear attention, RALA.
//
// Checkpoints: qhfan/RALA at a86314f (classfication/RALA.py and, for dense prediction,
// segmentation/mmseg/models/backbones/RALA.py).
//
// B batch, H W grid, N tokens = H * W, C channels.
//
// A block is x += pos(x); x += gamma_1 * attn(norm1(x)); x += gamma_2 * ffn(norm2(x)), with
// ffn(x) = fc2(u + dwconv(u)), u = GELU(fc1(x)).
//
// What surprises:
// - the released networks have softmax in the last two stages, on the same rotated queries and keys, with the same gate
//   and the same local term: keys and shapes are those of RALA, so a file cannot tell which of the two it was trained
//   with;
// - the linear layers are stored as 1x1 convolutions, the classifier as well;
// - the stem's and the reductions' convolutions have a bias and a batch norm;
// - each map leaves through a norm of its own, and the next stage begins before it;
// - classification has no such norms: a 1x1 convolution, a batch norm and SiLU stand before the mean.
//
// All that is linear and follows a product is taken into the kernels' forms of weights: batch norms, the layer scales
// gamma, and the inputs that depthwise convolutions are added to.

import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor

/// The numbers of RAVLT, under the upstream names.
package struct RAVLTConfiguration: Sendable {
  /// Input channels.
  package var inputChannels = 3
  /// Channels of each stage.
  package var embedDims: [Int]
  /// Heads of each stage; the width of a head is a multiple of 4.
  package var heads: [Int]
  /// Blocks of each stage.
  package var depths: [Int]
  /// Hidden width of each stage's feed-forward part, in units of its channels.
  package var mlpRatios = [3.5, 3.5, 3.5, 3.5]
  /// Whether the branches of a stage's blocks have layer scales.
  package var hasLayerScale = [true, true, true, true]
  /// Whether a stage's attention is softmax in the place of RALA.
  package var isSoftmax = [false, false, true, true]
  /// Channels that a picture is summed up in, for classification.
  package var projection = 1024
  /// Of the layer norms.
  package var normEpsilon: Float = 1e-6
  /// Whether each map goes through a norm of its own, as in dense prediction; `nil` where the file decides.
  package var hasOutputNorms: Bool?

  package init(embedDims: [Int], heads: [Int], depths: [Int]) {
    self.embedDims = embedDims
    self.heads = heads
    self.depths = depths
  }

  /// The keys a config may set, beside `type` and `variant`.
  static let keys = [
    "in_chans", "embed_dims", "num_heads", "depths", "mlp_ratios", "layerscales", "projection",
    "attention", "attn_type", "norm_eps", "out_norms",
  ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Throws: `ConfigError` naming the key.
  init(_ section: BackboneSection, variants: [String: RAVLTConfiguration]) throws {
    let (map, variant) = (section.map, try section.variant(variants))
    self.init(
      embedDims: try map.stageInts("embed_dims", in: 1...4096, variant?.embedDims, count: 4),
      heads: try map.stageInts("num_heads", in: 1...128, variant?.heads, count: 4),
      depths: try map.stageInts("depths", in: 1...64, variant?.depths, count: 4))
    inputChannels = try map.optional("in_chans")?.int(in: 1...16) ?? inputChannels
    if let node = map.optional("mlp_ratios") {
      mlpRatios = try node.list(count: 4).map { try $0.double(in: 0.25...16) }
    }
    if let node = map.optional("layerscales") {
      hasLayerScale = try node.list(count: 4).map { try $0.bool() }
    }
    projection = try map.optional("projection")?.int(in: 1...65536) ?? projection
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? Double(normEpsilon))
    hasOutputNorms = try map.optional("out_norms")?.bool()
    try readAttention(map)
    try map.checkHeads(heads, channels: embedDims)
    for (channels, heads) in zip(embedDims, heads) where channels / heads % 4 != 0 {
      throw (map.optional("num_heads") ?? map.node).error(
        found: "makes heads of \(channels / heads) channels",
        expected: "multiples of 4, which the rotation turns in pairs by row and by column")
    }
    if embedDims[0] % 2 != 0 {
      throw (map.optional("embed_dims") ?? map.node).error(
        expected: "an even number of channels in the first stage: the stem has half of them")
    }
  }

  /// `rala` or `softmax` in each stage; `{type: rala, softmax: true}` is the latter as well.
  private mutating func readAttention(_ map: ConfigMap) throws {
    let given = isSoftmax.map { $0 ? AttentionChoice.softmax : AttentionChoice("rala") }
    isSoftmax = try map.attentions(given, count: 4, AttentionRegistry()).map { choice in
      if choice == .softmax { return true }
      guard ["rala", "R"].contains(choice.name) else {
        throw (map.optional("attention") ?? map.optional("attn_type") ?? map.node).error(
          found: "names '\(choice.name)'", expected: "rala or softmax in each stage of RAVLT")
      }
      let isSoftmax = try choice.options.bool("softmax", default: false)
      try choice.options.finish()
      return isSoftmax
    }
  }

  /// The pyramid: strides 4, 8, 16, 32.
  package var featureInfo: [FeatureInfo] {
    embedDims.enumerated().map { FeatureInfo(channels: $1, stride: 4 << $0) }
  }
}

extension TransformerBlock {
  /// A block of RAVLT.
  package init(
    ravlt c: RAVLTConfiguration, stage: Int, block: Int, from tree: ParameterScope
  ) throws {
    let channels = c.embedDims[stage]
    func scale(_ name: String) throws -> Tensor? {
      guard c.hasLayerScale[stage] else { return nil }
      return try tree.tensor(name, [1, channels, 1, 1], initially: .ones)
    }
    try self.init(
      channels, normEpsilon: c.normEpsilon, normKeys: ("norm1.norm", "norm2.norm"),
      name: IntermediateNames.block(stage: stage, block), from: tree,
      positions: {
        Positions(
          attention: try DepthwiseConv2D(
            channels, kernel: 3, addsInput: true, from: $0.scope("pos")))
      },
      attention: {
        try RankAugmentedAttention(
          channels: channels, heads: c.heads[stage], isSoftmax: c.isSoftmax[stage],
          layerScale: scale("gamma_1"), from: $0.scope("attn"))
      },
      mlp: {
        try MixingFeedForward(
          channels, hidden: Int(Double(channels) * c.mlpRatios[stage]),
          layerScale: scale("gamma_2"), from: $0.scope("ffn"))
      })
  }
}

/// RAVLT's feed-forward part, `gamma fc2(u + dwconv(u))` of `u = GELU(fc1(x))`.
private struct MixingFeedForward: ResidualBranch {
  private let expand: Linear
  private let depthwise: DepthwiseConv2D
  private let contract: Linear

  /// Reads `fc1`, `dwconv` and `fc2`.
  init(_ channels: Int, hidden: Int, layerScale: Tensor?, from tree: ParameterScope) throws {
    expand = try Linear(convolution: channels, out: hidden, from: tree.scope("fc1"))
    depthwise = try DepthwiseConv2D(
      hidden, kernel: 3, addsInput: true, from: tree.scope("dwconv"))
    contract = try Linear(
      convolution: hidden, out: channels, scale: layerScale, from: tree.scope("fc2"))
  }

  func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let u = expand(x, activation: .gelu, pass)  // [B, N, hidden]
    return contract(depthwise(u.asMap(grid), pass).asTokens, residual: residual, pass)
  }
}

/// RAVLT.
package struct RAVLT: ClassifyingBackbone {
  private struct Stage: Sendable {
    /// What leads to the stage from the one before; `nil` in the first, which follows the stem.
    let reduction: Conv2D?
    let blocks: TransformerStage
    let outputNorm: LayerNorm?
  }

  private let stem: [Conv2D]
  private let stages: [Stage]
  /// To the vector that a picture is summed up in; for classification only.
  private let summary: Conv2D?
  private let path: ParameterPath
  package let featureInfo: [FeatureInfo]
  package let pooledChannels: Int
  package let intermediateNames: [String]
  package let leastSide = 1

  package init(
    _ c: RAVLTConfiguration, for purpose: BackbonePurpose, from tree: ParameterScope
  ) throws {
    path = ParameterPath(tree)
    let embedding = tree.scope("patch_embed.proj")
    let (half, width) = (c.embedDims[0] / 2, c.embedDims[0])
    // Inputs, outputs, stride; a norm stands one place after its convolution, a GELU two.
    let layers = [(c.inputChannels, half, 2), (half, half, 1), (half, half, 1), (half, width, 2)]
    stem = try layers.enumerated().map { index, layer in
      try Conv2D(
        in: layer.0, out: layer.1, ConvolutionGeometry(kernel: 3, stride: layer.2, padding: 1),
        following: .batchNorm(epsilon: Self.batchNormEpsilon, key: "\(3 * index + 1)", bias: true),
        activation: index == 3 ? .none : .gelu, key: "\(3 * index)", from: embedding)
    }
    let norms = c.depths.indices.map { "extra_norms.\($0).norm" }
    let hasOutputNorms = tree.hasOutputNorms(norms, wanted: c.hasOutputNorms, for: purpose)
    stages = try c.depths.indices.map { stage in
      let channels = c.embedDims[stage]
      return Stage(
        reduction: stage == 0
          ? nil
          : try Conv2D(
            in: c.embedDims[stage - 1], out: channels,
            ConvolutionGeometry(kernel: 3, stride: 2, padding: 1),
            following: .batchNorm(epsilon: Self.batchNormEpsilon, key: "norm", bias: true),
            key: "reduction", from: tree.scope("layers.\(stage - 1).downsample")),
        blocks: try TransformerStage(
          c.depths[stage], from: tree.scope("layers.\(stage).blocks")
        ) { try TransformerBlock(ravlt: c, stage: stage, block: $0, from: $1) },
        outputNorm: hasOutputNorms
          ? try LayerNorm(channels, epsilon: c.normEpsilon, from: tree.scope(norms[stage])) : nil)
    }
    pooledChannels = c.projection
    summary =
      purpose == .classification
      ? try Conv2D(
        in: c.embedDims[3], out: c.projection, ConvolutionGeometry(kernel: 1),
        following: .batchNorm(epsilon: Self.batchNormEpsilon, key: "norm", bias: true),
        activation: .silu, key: "proj", from: tree) : nil
    featureInfo = c.featureInfo
    intermediateNames = IntermediateNames.all(blocks: c.depths)
  }

  private static let batchNormEpsilon: Float = 1e-5

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    var map = stem.reduce(x) { $1($0, pass) }  // [B, H / 4, W / 4, C], rounded up
    var outputs: [Tensor] = []
    for (index, stage) in stages.enumerated() {
      map = stage.reduction?(map, pass) ?? map
      pass.observe(map, as: IntermediateNames.patchEmbedding(index))
      map = stage.blocks(map, pass)
      outputs.append(
        pass.observe(stage.outputNorm?(map, pass) ?? map, as: IntermediateNames.stage(index)))
    }
    return outputs
  }

  package func pooled(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    guard let summary, let last = self(x, pass).last else {
      preconditionFailure("a backbone built for dense prediction sums no picture up")
    }
    return pass.meanOverTokens(summary(last, pass).asTokens, layer: path("pool"))
  }
}

extension BackboneFamily {
  /// RAVLT.
  static let ravlt = BackboneFamily(
    name: "ravlt", keys: RAVLTConfiguration.keys, ignoredKeys: RAVLT.ignoredKeys,
    translation: RAVLT.parameters(official:)
  ) { section in
    let c = try RAVLTConfiguration(section, variants: RAVLT.variants)
    return BackboneNumbers(inputChannels: c.inputChannels, depths: c.depths) {
      try RAVLT(c, for: $0, from: $1)
    }
  }
}

extension RAVLT {
  /// Keys of checkpoints that a model does not read.
  package static let ignoredKeys = [
    IgnoredKeys(
      pattern: "layers.*.RoPE.angle", reason: "the rotation's frequencies, which heads' width gives"
    ),
    IgnoredKeys(pattern: "proj.*", reason: "the summary of a picture, for classification only"),
    IgnoredKeys(pattern: "norm.*", reason: "the summary of a picture, for classification only"),
    IgnoredKeys(pattern: "head.*", reason: "the ImageNet classifier"),
  ]

  /// Our parameters for an official key: the classifier is stored as a 1x1 convolution.
  package static func parameters(official key: String) -> [TranslatedParameter] {
    [TranslatedParameter(key, elements: key == "head.weight" ? .matrix : .same)]
  }

  /// The published variants, by their names in configs.
  package static let variants = [
    "tiny": RAVLTConfiguration(
      embedDims: [64, 128, 256, 512], heads: [1, 2, 4, 8], depths: [2, 2, 6, 2]),
    "small": RAVLTConfiguration(
      embedDims: [64, 128, 320, 512], heads: [1, 2, 5, 8], depths: [3, 5, 9, 3]),
    "base": RAVLTConfiguration(
      embedDims: [96, 192, 384, 512], heads: [1, 2, 6, 8], depths: [4, 6, 12, 6]),
    "large": RAVLTConfiguration(
      embedDims: [96, 192, 448, 640], heads: [1, 2, 7, 10], depths: [4, 7, 19, 8]),
  ]
}
