// DeiT (arXiv 2012.12877) and FLatten-DeiT (arXiv 2308.00442).
//
// Checkpoints: facebookresearch/deit at 7e160fe (models.py, on timm's VisionTransformer). For FLatten-DeiT
// no official file and no official code exist: the paper has it among its comparisons of linear
// attentions, as DeiT-T with its module in every block.
//
// B batch, N patches of the grid, C channels; a class token stands before them.
//
// What is ours to decide for FLatten-DeiT:
// - the class token is a token of the attention like any other, with a row of its own in
//   `positional_encoding` `[1, 1 + N, C]`;
// - it has no neighbours, so the depthwise convolution runs over the patches only and leaves it out.
//
// Any picture size: pictures are padded with zeros to whole patches, and the patches' rows of position
// tables are resized; the class token's row stays.

import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor

/// The numbers of DeiT and FLatten-DeiT, under the upstream names.
package struct VisionTransformerConfiguration: Sendable {
  /// The numbers that all families have.
  package var common = BlockNumbers(normEpsilon: 1e-6)
  /// Side of a patch, in pixels.
  package var patchSize = 16
  /// Channels of all blocks.
  package var embedDim: Int
  /// Blocks.
  package var depth = 12
  /// Heads of all blocks.
  package var heads: Int
  /// The attention of all blocks.
  package var attention: AttentionChoice

  package init(embedDim: Int, heads: Int, attention: AttentionChoice) {
    self.embedDim = embedDim
    self.heads = heads
    self.attention = attention
  }

  /// The keys a config may set, beside `type` and `variant`.
  static let keys =
    BlockNumbers.keys + [
      "patch_size", "embed_dim", "depth", "num_heads", "attn_type", "attention",
    ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Throws: `ConfigError` naming the key.
  init(
    _ section: BackboneSection, variants: [String: VisionTransformerConfiguration],
    isFlatten: Bool
  ) throws {
    if !isFlatten { try section.refuseLinearKeys() }
    let (map, variant) = (section.map, try section.variant(variants))
    let embedDim = try map.optional("embed_dim")?.int(in: 1...4096)
    let heads = try map.optional("num_heads")?.int(in: 1...128)
    let given = variant?.attention ?? (isFlatten ? .focused : .softmax)
    self.init(
      embedDim: try embedDim ?? variant?.embedDim ?? map.required("embed_dim").int(),
      heads: try heads ?? variant?.heads ?? map.required("num_heads").int(),
      attention: try map.attentions([given], count: 1, section.attentions)[0])
    depth = try map.optional("depth")?.int(in: 1...64) ?? depth
    try common.read(section, depths: [depth])
    patchSize = try map.optional("patch_size")?.int(in: 1...64) ?? patchSize
    try map.checkHeads([self.heads], channels: [self.embedDim])
  }

  /// The grid of patches at the native picture size.
  package var nativeGrid: Grid {
    let side = max(1, common.imageSize / patchSize)
    return Grid(side, side)
  }
}

extension TransformerBlock {
  /// A block over a class token and patches.
  fileprivate init(
    deit c: VisionTransformerConfiguration, at site: AttentionSite, from tree: ParameterScope,
    root: ParameterScope
  ) throws {
    let hidden = Int(Double(c.embedDim) * c.common.mlpRatio)
    try self.init(
      c.common, at: site, from: tree, root: root,
      attention: { try c.attentions.make(c.attention, site, from: $0) },
      mlp: { try MLP(c.embedDim, hidden: hidden, from: $0.scope("mlp")) })
  }
}

extension VisionTransformerConfiguration {
  fileprivate func site(block: Int) -> AttentionSite {
    AttentionSite(
      stage: 0, block: block, channels: embedDim, heads: heads, nativeGrid: nativeGrid,
      classTokens: 1, qkvBias: common.qkvBias, normEpsilon: common.normEpsilon,
      options: attention.options)
  }

  /// DeiT's attentions, and those that are registered.
  fileprivate var attentions: AttentionRegistry {
    common.attentions.adding([
      .focused: { site, scope in
        try VisionAttention(site, from: scope) {
          try FocusedMixing(
            FocusedMixing.Configuration(
              channels: site.channels, heads: site.heads, nativeGrid: site.nativeGrid,
              focusingFactor: common.focusingFactor, kernel: common.kernel, hasClassToken: true),
            from: $0)
        }
      },
      .softmax: { site, scope in try VisionAttention(site, from: scope) { _ in nil } },
    ])
  }
}

/// Attention over a class token and patches.
private struct VisionAttention: TokenAttention {
  private let queryKeyValue: QueryKeyValue
  /// Focused linear attention; `nil` for softmax.
  private let mixing: FocusedMixing?
  private let projection: Linear
  private let heads: Int
  private let path: String

  init(
    _ site: AttentionSite, from tree: ParameterScope,
    mixing: (ParameterScope) throws -> FocusedMixing?
  ) throws {
    let channels = site.channels
    queryKeyValue = try QueryKeyValue(channels, bias: site.qkvBias, from: tree.scope("qkv"))
    self.mixing = try mixing(tree)
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    heads = site.heads
    path = tree.path
  }

  /// `[B, 1 + N, C]` to the same shape.
  func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let (q, kv) = queryKeyValue(x, pass)  // [B, 1 + N, C], [B, 1 + N, 2C]
    let whole = WindowLayout(wholeOf: grid.height, grid.width)
    let mixed = mixing?(q, kv: kv, whole, pass) ?? softmax(q, kv, whole, pass)
    return projection(mixed, residual: residual, pass)
  }

  private func softmax(
    _ q: Tensor, _ kv: Tensor, _ layout: WindowLayout, _ pass: ForwardPass
  ) -> Tensor {
    pass.observe(
      attention: AttentionRecord(
        layer: path, .softmax(bias: nil), queries: q, keys: kv, heads: heads, layout: layout))
    return pass.softmaxAttention(q, kv: kv, heads: heads, layer: "\(path).attention")
  }
}

/// DeiT and FLatten-DeiT: one resolution, a class token.
package struct VisionTransformer: ClassifyingBackbone {
  private let patchSize: Int
  private let embedding: Conv2D
  private let classToken: Tensor  // [1, 1, C]
  private let position: PositionTable
  private let blocks: TransformerStage
  private let norm: LayerNorm
  private let path: ParameterPath
  package let featureInfo: [FeatureInfo]
  package let intermediateNames: [String]
  package let leastSide = 1  // pictures are padded

  package init(_ c: VisionTransformerConfiguration, from tree: ParameterScope) throws {
    patchSize = c.patchSize
    path = ParameterPath(tree)
    embedding = try Conv2D(
      in: c.common.inputChannels, out: c.embedDim,
      ConvolutionGeometry(kernel: c.patchSize, stride: c.patchSize),
      from: tree.scope("patch_embed").scope("proj"))
    classToken = try tree.tensor(
      "cls_token", [1, 1, c.embedDim], initially: .normal(deviation: 0.02))
    position = try PositionTable(
      "pos_embed", native: c.nativeGrid, channels: c.embedDim, leading: .kept(1), from: tree)
    blocks = try TransformerStage(c.depth, from: tree.scope("blocks")) {
      try TransformerBlock(deit: c, at: c.site(block: $0), from: $1, root: tree)
    }
    norm = try LayerNorm(c.embedDim, epsilon: c.common.normEpsilon, from: tree.scope("norm"))
    featureInfo = [FeatureInfo(channels: c.embedDim, stride: c.patchSize)]
    intermediateNames = IntermediateNames.all(blocks: [c.depth], skipped: c.common.skipped)
  }

  /// One map: the patches of the last block, normed.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    let (tokens, grid) = tokens(x, pass)
    let patches = pass.tokens(norm(tokens, pass), 1..<grid.count + 1, layer: path("patches"))
    return [pass.observe(patches.asMap(grid), as: IntermediateNames.stage(0))]
  }

  package var pooledChannels: Int { featureInfo[0].channels }

  package func pooled(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    let (tokens, _) = tokens(x, pass)
    let classToken = pass.tokens(tokens, 0..<1, layer: path("pool"))  // [B, 1, C]
    return norm(classToken.reshaped(Shape(x.shape[0], pooledChannels)), pass)
  }

  /// The tokens after the last block, `[B, 1 + N, C]`, and the grid of their patches.
  private func tokens(_ x: Tensor, _ pass: ForwardPass) -> (Tensor, Grid) {
    let picture = pass.padded(x, toMultipleOf: patchSize, layer: path("patch_embed.pad"))
    let map = pass.observe(  // [B, H / 16, W / 16, C]
      embedding(picture, pass), as: IntermediateNames.patchEmbedding(0))
    let all = pass.joinTokens(classToken, map.asTokens, layer: path("cls_token"))  // [B, 1 + N, C]
    let placed = pass.add(all, position(map.grid, pass), layer: path("pos_embed"))
    return (blocks(placed, grid: map.grid, pass), map.grid)
  }
}

extension BackboneFamily {
  /// DeiT as published.
  static let deit = deit("deit", VisionTransformer.variants, isFlatten: false)

  /// FLatten-DeiT.
  static let flattenDeiT = deit(
    "flatten_deit", VisionTransformer.flattenVariants, isFlatten: true)

  private static func deit(
    _ name: String, _ variants: [String: VisionTransformerConfiguration], isFlatten: Bool
  ) -> BackboneFamily {
    BackboneFamily(
      name: name, keys: VisionTransformerConfiguration.keys,
      ignoredKeys: VisionTransformer.ignoredKeys, translation: nil
    ) { section in
      let c = try VisionTransformerConfiguration(
        section, variants: variants, isFlatten: isFlatten)
      return BackboneNumbers(
        inputChannels: c.common.inputChannels, depths: [c.depth],
        ignoredKeys: c.common.skipped.ignoredKeys { _, block in "blocks.\(block)" }
      ) { _, tree in try VisionTransformer(c, from: tree) }
    }
  }
}

extension VisionTransformer {
  /// Keys of checkpoints that dense prediction does not read.
  package static let ignoredKeys = [
    IgnoredKeys(pattern: "head.*", reason: "the ImageNet classifier")
  ]

  /// The published variants of DeiT, by their names in configs.
  package static let variants: [String: VisionTransformerConfiguration] = [
    "tiny": VisionTransformerConfiguration(embedDim: 192, heads: 3, attention: .softmax),
    "small": VisionTransformerConfiguration(embedDim: 384, heads: 6, attention: .softmax),
    "base": VisionTransformerConfiguration(embedDim: 768, heads: 12, attention: .softmax),
  ]

  /// The paper's FLatten-DeiT-T, and its larger brothers.
  package static let flattenVariants = variants.mapValues { c in
    var c = c
    c.attention = .focused
    return c
  }
}
