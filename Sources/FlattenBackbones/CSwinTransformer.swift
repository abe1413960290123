// CSwin (arXiv 2107.00652) and FLatten-CSwin (arXiv 2308.00442).
//
// Checkpoints: microsoft/CSWin-Transformer at f111ae2 (models/cswin.py, and for dense prediction
// segmentation/backbone/cswin_transformer.py) and LeapLabTHU/FLatten-Transformer at abdb115
// (models/flatten_cswin.py).
//
// B batch, N tokens of a stage's map, C its channels.
//
// What surprises:
// - the stem is a 7x7 convolution with stride 4 and padding 2, and its layers are numbered 0 and 2;
// - a block's own `qkv` and `proj` serve both branches; the first half of the channels looks along
//   columns, the second along rows;
// - stripes as wide as the native map make a block with one branch over all channels;
// - linear attention works only where one window is the whole map, so la_split_size is the map's side;
//   it has two depthwise convolutions on v: LePE over all channels, and `dwc` shared by the heads;
// - the norm after the last stage belongs to classification; in dense prediction each map has its own,
//   counted from 1.
//
// Any picture size, as CSwin's dense prediction has it: stripes go over the full height or width of the
// actual map, which is padded with zeros on both sides to whole stripes. Linear blocks see the whole
// map, their position tables resized.

import FlattenCheckpoint
import FlattenNN
import FlattenTensor

extension TransformerBlock {
  /// A block of CSwin.
  package init(
    cswin c: CSwinConfiguration, at site: AttentionSite, from tree: ParameterScope,
    root: ParameterScope? = nil
  ) throws {
    let hidden = Int(Double(site.channels) * c.common.mlpRatio)
    try self.init(
      c.common, at: site, from: tree, root: root,
      attention: { try c.attentions.make(c.attention[site.stage], site, from: $0) },
      mlp: { try MLP(site.channels, hidden: hidden, from: $0.scope("mlp")) })
  }
}

extension CSwinConfiguration {
  /// Where a block's attention stands.
  package func site(stage: Int, block: Int) -> AttentionSite {
    let side = nativeSide(stage)
    return AttentionSite(
      stage: stage, block: block, channels: channels(stage), heads: heads[stage],
      nativeGrid: Grid(side, side), qkvBias: common.qkvBias, normEpsilon: common.normEpsilon,
      options: attention[stage].options)
  }

  /// CSwin's attentions, whose layers stand beside those of their block, and those that are registered.
  var attentions: AttentionRegistry {
    common.attentions.adding(
      [
        .focused: { site, scope in
          try CrossShapedAttention(site, from: scope) { tree in
            .linear(
              try FocusedStripeAttention(
                FocusedMixing.Configuration(
                  channels: site.channels, heads: site.heads, nativeGrid: site.nativeGrid,
                  focusingFactor: common.focusingFactor, kernel: common.kernel),
                from: tree.scope(0)))
          }
        },
        .softmax: { site, scope in
          let (split, branches) = (splitSizes[site.stage], branches(site.stage))
          let stripes: [StripeAttention.Stripes] =
            branches == 1 ? [.whole] : [.columns(split), .rows(split)]
          return try CrossShapedAttention(site, from: scope) { tree in
            .softmax(
              try stripes.enumerated().map { branch, stripes in
                try StripeAttention(
                  stripes, channels: site.channels / branches, heads: site.heads / branches,
                  from: tree.scope(branch))
              })
          }
        },
      ], scope: "")
  }
}

/// Cross-shaped or whole attention.
private struct CrossShapedAttention: TokenAttention {
  enum Mixing: Sendable {
    case linear(FocusedStripeAttention)
    /// One branch, or two with half of the channels each.
    case softmax([StripeAttention])
  }

  private let queryKeyValue: QueryKeyValue
  private let mixing: Mixing
  private let projection: Linear
  private let channels: Int
  private let path: String

  /// - Parameters:
  ///   - tree: the block's place: its attention has no scope of its own.
  ///   - mixing: makes the branches from the place of their list.
  init(
    _ site: AttentionSite, from tree: ParameterScope, mixing: (ParameterScope) throws -> Mixing
  ) throws {
    channels = site.channels
    queryKeyValue = try QueryKeyValue(channels, bias: site.qkvBias, from: tree.scope("qkv"))
    self.mixing = try mixing(tree.scope("attns"))
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let (q, kv) = queryKeyValue(x, pass)  // [B, N, C], [B, N, 2C]
    let mixed = mix(q, kv, grid, pass)  // [B, N, C]
    return projection(mixed, residual: residual, pass)
  }

  private func mix(_ q: Tensor, _ kv: Tensor, _ grid: Grid, _ pass: ForwardPass) -> Tensor {
    switch mixing {
    case .linear(let attention):
      return attention(q, kv: kv, grid: grid, pass)
    case .softmax(let branches):
      let width = channels / branches.count
      let stripes = branches.enumerated().map { index, branch in
        branch(q, kv: kv, channels: index * width..<(index + 1) * width, grid: grid, pass)
      }
      return pass.joinWindows(stripes, layer: "\(path).joined").asTokens
    }
  }
}

/// Halves a map: a 3x3 convolution with stride 2, and a norm.
package struct MergeBlock: Sendable {
  private let convolution: Conv2D
  private let norm: LayerNorm

  package init(
    in inputs: Int, out outputs: Int, normEpsilon: Float, from tree: ParameterScope
  ) throws {
    convolution = try Conv2D(
      in: inputs, out: outputs, ConvolutionGeometry(kernel: 3, stride: 2, padding: 1),
      from: tree.scope("conv"))
    norm = try LayerNorm(outputs, epsilon: normEpsilon, from: tree.scope("norm"))
  }

  /// `[B, H, W, C]` to `[B, ceil(H / 2), ceil(W / 2), outputs]`.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    norm(convolution(x, pass), pass)
  }
}

/// CSwin and FLatten-CSwin.
package struct CSwinTransformer: ClassifyingBackbone {
  private struct Stage: Sendable {
    let merging: MergeBlock?
    let blocks: TransformerStage
    let outputNorm: LayerNorm?
  }

  private let stem: Conv2D
  private let stemNorm: LayerNorm
  private let stages: [Stage]
  private let finalNorm: LayerNorm?
  private let path: ParameterPath
  package let featureInfo: [FeatureInfo]
  package let intermediateNames: [String]
  package let leastSide = 3  // what the stem's window needs beside its padding

  package init(
    _ c: CSwinConfiguration, for purpose: BackbonePurpose, from tree: ParameterScope
  ) throws {
    path = ParameterPath(tree)
    let embedding = tree.scope("stage1_conv_embed")
    stem = try Conv2D(
      in: c.common.inputChannels, out: c.embedDim,
      ConvolutionGeometry(kernel: 7, stride: 4, padding: 2),
      from: embedding.scope(0))
    stemNorm = try LayerNorm(c.embedDim, epsilon: c.common.normEpsilon, from: embedding.scope(2))
    let hasOutputNorms = tree.hasOutputNorms(
      c.depths.indices.map { "norm\($0 + 1)" }, wanted: c.hasOutputNorms, for: purpose)
    stages = try c.depths.indices.map { stage in
      Stage(
        merging: stage == 0
          ? nil
          : try MergeBlock(
            in: c.channels(stage - 1), out: c.channels(stage), normEpsilon: c.common.normEpsilon,
            from: tree.scope("merge\(stage)")),
        blocks: try TransformerStage(c.depths[stage], from: tree.scope("stage\(stage + 1)")) {
          try TransformerBlock(
            cswin: c, at: c.site(stage: stage, block: $0), from: $1, root: tree)
        },
        outputNorm: hasOutputNorms
          ? try LayerNorm(
            c.channels(stage), epsilon: c.common.normEpsilon, from: tree.scope("norm\(stage + 1)"))
          : nil)
    }
    let last = c.depths.count - 1
    finalNorm =
      purpose == .classification
      ? try LayerNorm(c.channels(last), epsilon: c.common.normEpsilon, from: tree.scope("norm"))
      : nil
    featureInfo = c.featureInfo
    intermediateNames = IntermediateNames.all(blocks: c.depths, skipped: c.common.skipped)
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    var map = stemNorm(stem(x, pass), pass)  // [B, H / 4, W / 4, C]
    var outputs: [Tensor] = []
    for (index, stage) in stages.enumerated() {
      map = stage.merging?(map, pass) ?? map  // [B, H / 2, W / 2, 2C]
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
  /// CSwin as published.
  static let cswin = cswin("cswin", CSwinTransformer.variants, isFlatten: false)

  /// FLatten-CSwin.
  static let flattenCSwin = cswin(
    "flatten_cswin", CSwinTransformer.flattenVariants, isFlatten: true)

  private static func cswin(
    _ name: String, _ variants: [String: CSwinConfiguration], isFlatten: Bool
  ) -> BackboneFamily {
    BackboneFamily(
      name: name, keys: CSwinConfiguration.keys, ignoredKeys: CSwinTransformer.ignoredKeys,
      translation: nil
    ) { section in
      let c = try CSwinConfiguration(section, variants: variants, isFlatten: isFlatten)
      // A block's attention has no scope of its own.
      let parts = ["norm1", "attn", "qkv", "attns", "proj"]
      return BackboneNumbers(
        inputChannels: c.common.inputChannels, depths: c.depths,
        ignoredKeys: c.common.skipped.ignoredKeys(parts) { "stage\($0 + 1).\($1)" }
      ) { try CSwinTransformer(c, for: $0, from: $1) }
    }
  }
}

extension CSwinTransformer {
  /// Keys of checkpoints that a model does not read.
  package static let ignoredKeys = [
    IgnoredKeys(pattern: "norm.*", reason: "after the last stage, for classification only"),
    IgnoredKeys(pattern: "head.*", reason: "the ImageNet classifier"),
  ]

  /// The published variants of CSwin, by their names in configs.
  package static let variants: [String: CSwinConfiguration] = [
    "tiny": variant(64, [1, 2, 21, 1], [2, 4, 8, 16], .softmax),
    "small": variant(64, [2, 4, 32, 2], [2, 4, 8, 16], .softmax),
    "base": variant(96, [2, 4, 32, 2], [4, 8, 16, 32], .softmax),
    "base_384": variant(96, [2, 4, 32, 2], [4, 8, 16, 32], .softmax, imageSize: 384),
    "large": variant(144, [2, 4, 32, 2], [6, 12, 24, 24], .softmax),
    "large_384": variant(144, [2, 4, 32, 2], [6, 12, 24, 24], .softmax, imageSize: 384),
  ]

  /// The published variants of FLatten-CSwin: other depths than CSwin's.
  package static let flattenVariants: [String: CSwinConfiguration] = [
    "tiny": variant(64, [2, 4, 18, 1], [2, 4, 8, 16], .focused),
    "small": variant(64, [2, 4, 32, 2], [2, 4, 8, 16], .focused),
    "base": variant(96, [3, 6, 29, 2], [4, 8, 16, 32], .focused),
    "base_384": variant(96, [3, 6, 29, 2], [4, 8, 16, 32], .focused, imageSize: 384),
  ]

  private static func variant(
    _ width: Int, _ depths: [Int], _ heads: [Int], _ early: AttentionChoice, imageSize: Int = 224
  ) -> CSwinConfiguration {
    let side = imageSize / 32
    var c = CSwinConfiguration(
      embedDim: width, depths: depths, heads: heads, splitSizes: [1, 2, side, side],
      attention: [early, early, .softmax, .softmax])
    c.common.imageSize = imageSize
    return c
  }
}
