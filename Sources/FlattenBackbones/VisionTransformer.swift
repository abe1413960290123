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
  /// The picture size that the position tables were built for, in pixels.
  package var imageSize = 224
  /// Side of a patch, in pixels.
  package var patchSize = 16
  /// Input channels.
  package var inputChannels = 3
  /// Channels of all blocks.
  package var embedDim: Int
  /// Blocks.
  package var depth = 12
  /// Heads of all blocks.
  package var heads: Int
  /// The attention of all blocks.
  package var attention: AttentionKind
  /// Hidden width of the MLPs, in units of the channels.
  package var mlpRatio = 4.0
  /// Whether q, k and v have a bias.
  package var qkvBias = true
  /// Of all norms.
  package var normEpsilon: Float = 1e-6
  /// The paper's p.
  package var focusingFactor = 3
  /// Window of the attention's depthwise convolution.
  package var kernel = 5

  package init(embedDim: Int, heads: Int, attention: AttentionKind) {
    self.embedDim = embedDim
    self.heads = heads
    self.attention = attention
  }

  /// The keys a config may set, beside `type` and `variant`.
  package static let keys = [
    "img_size", "patch_size", "in_chans", "embed_dim", "depth", "num_heads", "mlp_ratio",
    "qkv_bias", "norm_eps", "attn_type", "focusing_factor", "kernel_size",
  ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Throws: `ConfigError` naming the key.
  package init(
    _ map: ConfigMap, variant: VisionTransformerConfiguration?, isFlatten: Bool,
    attentions: AttentionRegistry
  ) throws {
    let embedDim = try map.optional("embed_dim")?.int(in: 1...4096)
    let heads = try map.optional("num_heads")?.int(in: 1...128)
    let given = variant?.attention ?? (isFlatten ? .linear : .softmax)
    self.init(
      embedDim: try embedDim ?? variant?.embedDim ?? map.required("embed_dim").int(),
      heads: try heads ?? variant?.heads ?? map.required("num_heads").int(),
      attention: try map.attentionKinds([given], count: 1, attentions)[0])
    imageSize = try map.optional("img_size")?.int(in: 8...8192) ?? imageSize
    patchSize = try map.optional("patch_size")?.int(in: 1...64) ?? patchSize
    inputChannels = try map.optional("in_chans")?.int(in: 1...16) ?? inputChannels
    depth = try map.optional("depth")?.int(in: 1...64) ?? depth
    mlpRatio = try map.optional("mlp_ratio")?.double(in: 0.25...16) ?? mlpRatio
    qkvBias = try map.optional("qkv_bias")?.bool() ?? qkvBias
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? Double(normEpsilon))
    focusingFactor = try map.optional("focusing_factor")?.int(in: 1...32) ?? focusingFactor
    kernel = try map.oddKernel() ?? kernel
    try map.checkHeads([self.heads], channels: [self.embedDim])
  }

  /// The grid of patches at the native picture size.
  package var nativeGrid: Grid {
    let side = max(1, imageSize / patchSize)
    return Grid(side, side)
  }
}

extension TransformerBlock {
  /// A block over a class token and patches.
  fileprivate init(
    deit c: VisionTransformerConfiguration, _ index: Int, from tree: ParameterScope
  ) throws {
    try self.init(
      c.embedDim, normEpsilon: c.normEpsilon, name: IntermediateNames.block(stage: 0, index),
      from: tree, attention: { try c.makeAttention(index, from: $0.scope("attn")) },
      mlp: {
        try MLP(c.embedDim, hidden: Int(Double(c.embedDim) * c.mlpRatio), from: $0.scope("mlp"))
      })
  }
}

extension VisionTransformerConfiguration {
  fileprivate func makeAttention(
    _ block: Int, from tree: ParameterScope
  ) throws -> any TokenAttention {
    guard case .registered(let attention) = attention else {
      return try VisionAttention(self, from: tree)
    }
    return try attention.make(
      AttentionSite(
        stage: 0, block: block, channels: embedDim, heads: heads, nativeGrid: nativeGrid,
        classTokens: 1, qkvBias: qkvBias, normEpsilon: normEpsilon),
      tree)
  }
}

/// Attention over a class token and patches.
private struct VisionAttention: TokenAttention {
  private enum Mixing: Sendable {
    case linear(FocusedMixing)
    case softmax
  }

  private let queryKeyValue: QueryKeyValue
  private let mixing: Mixing
  private let projection: Linear
  private let heads: Int
  private let path: String

  init(_ c: VisionTransformerConfiguration, from tree: ParameterScope) throws {
    queryKeyValue = try QueryKeyValue(c.embedDim, bias: c.qkvBias, from: tree.scope("qkv"))
    if c.attention == .linear {
      mixing = .linear(
        try FocusedMixing(
          FocusedMixing.Configuration(
            channels: c.embedDim, heads: c.heads, nativeGrid: c.nativeGrid,
            focusingFactor: c.focusingFactor, kernel: c.kernel, hasClassToken: true),
          from: tree))
    } else {
      mixing = .softmax
    }
    projection = try Linear(in: c.embedDim, out: c.embedDim, bias: true, from: tree.scope("proj"))
    heads = c.heads
    path = tree.path
  }

  /// `[B, 1 + N, C]` to the same shape.
  func callAsFunction(
    _ x: consuming Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let (q, kv) = queryKeyValue(consume x, pass)  // [B, 1 + N, C], [B, 1 + N, 2C]
    let whole = WindowLayout(wholeOf: grid.height, grid.width)
    let mixed: Tensor
    switch mixing {
    case .linear(let mixing): mixed = mixing(q, kv: kv, whole, pass)
    case .softmax:
      pass.report(
        AttentionRecord(
          layer: path, .softmax(bias: nil), queries: q, keys: kv, heads: heads, layout: whole))
      mixed = pass.softmaxAttention(q, kv: kv, heads: heads, layer: "\(path).attention")
    }
    return projection(mixed, residual: residual, pass)
  }
}

/// DeiT and FLatten-DeiT: one resolution, a class token.
package struct VisionTransformer: ClassifyingBackbone {
  private let patchSize: Int
  private let embedding: Conv2D
  private let classToken: Tensor  // [1, 1, C]
  private let position: PositionTable
  private let blocks: [TransformerBlock]
  private let norm: LayerNorm
  private let path: ParameterPath
  package let featureInfo: [FeatureInfo]
  package let intermediateNames: [String]
  package let leastSide = 1  // pictures are padded

  package init(_ c: VisionTransformerConfiguration, from tree: ParameterScope) throws {
    patchSize = c.patchSize
    path = ParameterPath(tree)
    embedding = try Conv2D(
      in: c.inputChannels, out: c.embedDim,
      ConvolutionGeometry(kernel: c.patchSize, stride: c.patchSize),
      from: tree.scope("patch_embed").scope("proj"))
    classToken = try tree.tensor("cls_token", [1, 1, c.embedDim])
    position = try PositionTable(
      "pos_embed", native: c.nativeGrid, channels: c.embedDim, leading: .kept(1), from: tree)
    blocks = try (0..<c.depth).map {
      try TransformerBlock(deit: c, $0, from: tree.scope("blocks").scope($0))
    }
    norm = try LayerNorm(c.embedDim, epsilon: c.normEpsilon, from: tree.scope("norm"))
    featureInfo = [FeatureInfo(channels: c.embedDim, stride: c.patchSize)]
    intermediateNames = IntermediateNames.all(blocks: [c.depth])
  }

  /// One map: the patches of the last block, normed.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> ShortList<Tensor> {
    let (tokens, grid) = tokens(x, pass)
    let patches = pass.tokens(norm(tokens, pass), 1..<grid.count + 1, layer: path("patches"))
    return ShortList(only: pass.handOut(patches.asMap(grid), as: IntermediateNames.stage(0)))
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
    let map = pass.handOut(  // [B, H / 16, W / 16, C]
      embedding(picture, pass), as: IntermediateNames.patchEmbedding(0))
    let all = pass.joinTokens(classToken, map.asTokens, layer: path("cls_token"))  // [B, 1 + N, C]
    let placed = pass.add(all, position(map.grid, pass), layer: path("pos_embed"))
    return (blocks.reduce(placed) { $1($0, grid: map.grid, pass) }, map.grid)
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
    c.attention = .linear
    return c
  }
}
