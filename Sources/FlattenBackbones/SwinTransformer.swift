// Swin (arXiv 2103.14030) and FLatten-Swin (arXiv 2308.00442).
//
// Checkpoints: microsoft/Swin-Transformer at f82860b (models/swin_transformer.py),
// LeapLabTHU/FLatten-Transformer at abdb115 (models/flatten_swin.py), and mmsegmentation's spelling of
// Swin (mmseg/models/backbones/swin.py at 0b50600).
//
// B batch, H W grid, C channels of a stage, w side of a window, n = w * w its tokens.
//
// What surprises:
// - FLatten's `window_size` (56, or 96 for 384 pixels) is that of linear blocks; softmax blocks have
//   windows of 7, or 12;
// - windows of the official models are cut to a smaller map and then not shifted, so the last stage at
//   224 pixels never shifts; mmsegmentation pads such a map and shifts;
// - linear blocks shift, where their windows are smaller than the map, and ignore the mask;
// - the norm after the last stage belongs to classification; in dense prediction each map has its own.
//
// Any picture size, which upstream's FLatten-Swin does not have: pictures are padded with zeros to
// whole patches, maps to whole windows and even sides, as in mmsegmentation. A linear block whose window
// was the whole map at the native size sees the whole map at any size, its position table resized;
// other linear blocks keep their windows.

import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Attention inside windows: the map is cut, each window's tokens are mixed, and the map is joined.
package struct WindowedAttention: TokenAttention {
  /// The windows that a block's attention looks at.
  package enum Span: Sendable, Equatable {
    /// The map, whatever its size.
    case wholeMap(native: Grid)
    /// Windows of `side`, the map rolled by `shift`; `smallMaps` tells what a smaller map is.
    case windows(side: Int, shift: Int, smallMaps: SwinConfiguration.SmallMaps)

    /// The window of a map of the size that the model was built for.
    var nativeWindow: Grid {
      switch self {
      case .wholeMap(let native): native
      case .windows(let side, _, _): Grid(side, side)
      }
    }

    /// The windows of a map.
    func layout(_ grid: Grid) -> WindowLayout {
      switch self {
      case .wholeMap:
        return WindowLayout(wholeOf: grid.height, grid.width)
      case .windows(let side, let shift, let smallMaps):
        let isSmall = smallMaps == .cut && min(grid.height, grid.width) <= side
        return WindowLayout(
          height: grid.height, width: grid.width,
          windowHeight: isSmall ? min(side, grid.height) : side,
          windowWidth: isSmall ? min(side, grid.width) : side, shift: isSmall ? 0 : shift)
      }
    }
  }

  private let span: Span
  private let mixer: any WindowMixer
  private let path: String

  /// - Parameters:
  ///   - span: what the attention looks at.
  ///   - tree: the attention's place.
  ///   - mixer: makes the attention inside a window from the same place.
  package init(
    _ span: Span, from tree: ParameterScope,
    mixer: (ParameterScope) throws -> any WindowMixer
  ) throws {
    self.span = span
    self.mixer = try mixer(tree)
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let layout = span.layout(grid)
    let windows = pass.windows(  // [B*count, n, C]
      x.asMap(grid), layout, layer: "\(path).windows")
    let mixed = mixer(windows, layout, pass)  // [B*count, n, C]
    return pass.joinWindows(
      [(mixed, layout)], residual: residual?.asMap(grid), layer: "\(path).joined"
    ).asTokens
  }
}

extension SwinConfiguration {
  /// Where a block's attention stands.
  package func site(stage: Int, block: Int) -> AttentionSite {
    let native = nativeSide(stage)
    return AttentionSite(
      stage: stage, block: block, channels: channels(stage), heads: heads[stage],
      nativeGrid: Grid(native, native), qkvBias: common.qkvBias, normEpsilon: common.normEpsilon,
      options: attention[stage].options)
  }

  /// The windows of a block: every second one shifts them by half.
  func span(_ site: AttentionSite, isFocused: Bool) -> WindowedAttention.Span {
    let native = nativeSide(site.stage)
    let window = isFocused ? linearWindow : softmaxWindow
    if isFocused && native <= window { return .wholeMap(native: Grid(native, native)) }
    let smallMaps = isFocused ? .cut : smallMaps
    // Upstream: models/flatten_swin.py:285, a window is never larger than the native map. Padded maps
    // have windows of full size.
    let side = smallMaps == .cut ? min(window, native) : window
    return .windows(
      side: side, shift: site.block % 2 == 0 ? 0 : side / 2, smallMaps: smallMaps)
  }

  /// Swin's attentions, and those that are registered.
  var attentions: AttentionRegistry {
    common.attentions.adding([
      .focused: { site, scope in
        let span = span(site, isFocused: true)
        return try WindowedAttention(span, from: scope) {
          try FocusedWindowAttention(
            FocusedMixing.Configuration(
              channels: site.channels, heads: site.heads, nativeGrid: span.nativeWindow,
              focusingFactor: common.focusingFactor, kernel: common.kernel),
            qkvBias: site.qkvBias, from: $0)
        }
      },
      .softmax: { site, scope in
        let span = span(site, isFocused: false)
        return try WindowedAttention(span, from: scope) {
          try WindowAttention(
            channels: site.channels, heads: site.heads, window: span.nativeWindow.height,
            qkvBias: site.qkvBias, from: $0)
        }
      },
    ])
  }
}

extension TransformerBlock {
  /// A block of Swin.
  fileprivate init(
    swin c: SwinConfiguration, at site: AttentionSite, from tree: ParameterScope,
    root: ParameterScope
  ) throws {
    let hidden = Int(Double(site.channels) * c.common.mlpRatio)
    try self.init(
      c.common, at: site, from: tree, root: root,
      attention: { try c.attentions.make(c.attention[site.stage], site, from: $0) },
      mlp: { try MLP(site.channels, hidden: hidden, from: $0.scope("mlp")) })
  }
}

/// Halves a map: four cells become one, `4C` channels `2C`.
package struct PatchMerging: Sendable {
  private let norm: LayerNorm
  private let reduction: Linear
  private let path: String

  package init(_ channels: Int, normEpsilon: Float, from tree: ParameterScope) throws {
    norm = try LayerNorm(4 * channels, epsilon: normEpsilon, from: tree.scope("norm"))
    reduction = try Linear(
      in: 4 * channels, out: 2 * channels, bias: false, from: tree.scope("reduction"))
    path = tree.path
  }

  /// `[B, H, W, C]` to `[B, ceil(H / 2), ceil(W / 2), 2C]`.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    reduction(norm(pass.mergePatches(x, layer: path), pass), pass)
  }
}

/// Swin and FLatten-Swin.
package struct SwinTransformer: ClassifyingBackbone {
  private struct Stage: Sendable {
    let blocks: TransformerStage
    let isHandedOut: Bool
    let outputNorm: LayerNorm?
    let merging: PatchMerging?
  }

  private let patchSize: Int
  private let embedding: PatchEmbedding
  private let stages: [Stage]
  private let finalNorm: LayerNorm?
  private let path: ParameterPath
  package let featureInfo: [FeatureInfo]
  package let intermediateNames: [String]
  package let leastSide = 1  // pictures are padded

  package init(
    _ c: SwinConfiguration, for purpose: BackbonePurpose, from tree: ParameterScope
  ) throws {
    var c = c
    if purpose == .classification { c.smallMaps = .cut }
    patchSize = c.patchSize
    path = ParameterPath(tree)
    embedding = try PatchEmbedding(
      in: c.common.inputChannels, out: c.embedDim,
      ConvolutionGeometry(kernel: c.patchSize, stride: c.patchSize),
      normEpsilon: c.common.normEpsilon,
      from: tree.scope("patch_embed"))
    let last = c.depths.count - 1
    let hasOutputNorms = tree.hasOutputNorms(
      c.outputs.map { "norm\($0)" }, wanted: c.hasOutputNorms, for: purpose)
    stages = try c.depths.indices.map { stage in
      let scope = tree.scope("layers").scope(stage)
      return Stage(
        blocks: try TransformerStage(c.depths[stage], from: scope.scope("blocks")) {
          try TransformerBlock(
            swin: c, at: c.site(stage: stage, block: $0), from: $1, root: tree)
        },
        isHandedOut: c.outputs.contains(stage),
        outputNorm: hasOutputNorms && c.outputs.contains(stage)
          ? try LayerNorm(
            c.channels(stage), epsilon: c.common.normEpsilon, from: tree.scope("norm\(stage)"))
          : nil,
        merging: stage == last
          ? nil
          : try PatchMerging(
            c.channels(stage), normEpsilon: c.common.normEpsilon, from: scope.scope("downsample")))
    }
    finalNorm =
      purpose == .classification
      ? try LayerNorm(c.channels(last), epsilon: c.common.normEpsilon, from: tree.scope("norm"))
      : nil
    featureInfo = c.featureInfo
    intermediateNames = IntermediateNames.all(blocks: c.depths, skipped: c.common.skipped)
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    let picture = pass.padded(x, toMultipleOf: patchSize, layer: path("patch_embed.pad"))
    var map = embedding(picture, pass)  // [B, H / 4, W / 4, C]
    var outputs: [Tensor] = []
    for (index, stage) in stages.enumerated() {
      pass.observe(map, as: IntermediateNames.patchEmbedding(index))
      map = stage.blocks(map, pass)
      let output = pass.observe(
        stage.outputNorm?(map, pass) ?? map, as: IntermediateNames.stage(index))
      if stage.isHandedOut { outputs.append(output) }
      map = stage.merging?(map, pass) ?? map  // [B, H / 2, W / 2, 2C]
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
  /// Swin as published.
  static let swin = swin("swin", SwinTransformer.variants, isFlatten: false)

  /// FLatten-Swin.
  static let flattenSwin = swin("flatten_swin", SwinTransformer.flattenVariants, isFlatten: true)

  private static func swin(
    _ name: String, _ variants: [String: SwinConfiguration], isFlatten: Bool
  ) -> BackboneFamily {
    BackboneFamily(
      name: name, keys: SwinConfiguration.keys, ignoredKeys: SwinTransformer.ignoredKeys,
      translation: SwinTransformer.parameters(mmsegmentation:)
    ) { section in
      let c = try SwinConfiguration(section, variants: variants, isFlatten: isFlatten)
      return BackboneNumbers(
        inputChannels: c.common.inputChannels, depths: c.depths,
        ignoredKeys: c.common.skipped.ignoredKeys { "layers.\($0).blocks.\($1)" }
      ) { try SwinTransformer(c, for: $0, from: $1) }
    }
  }
}

extension SwinTransformer {
  /// Keys of checkpoints that a model does not read.
  package static let ignoredKeys = [
    IgnoredKeys(pattern: "norm.*", reason: "after the last stage, for classification only"),
    IgnoredKeys(pattern: "head.*", reason: "the ImageNet classifier"),
    IgnoredKeys(pattern: "*.relative_position_index", reason: "follows from the window's size"),
    IgnoredKeys(pattern: "*.attn_mask", reason: "follows from the map's size"),
  ]

  /// Our parameters for a key of mmsegmentation's Swin; any other key stays.
  ///
  /// Upstream: mmsegmentation tools/model_converters/swin2mmseg.py, read backwards.
  package static func parameters(mmsegmentation key: String) -> [TranslatedParameter] {
    if let rest = key.dropping(prefix: "patch_embed.projection.") {
      return [TranslatedParameter("patch_embed.proj." + rest)]
    }
    guard let rest = key.dropping(prefix: "stages.") else { return [TranslatedParameter(key)] }
    let name = rest.replacing(".attn.w_msa.", with: ".attn.")
      .replacing(".ffn.layers.0.0.", with: ".mlp.fc1.")
      .replacing(".ffn.layers.1.", with: ".mlp.fc2.")
    // A norm of four cells and the weight after it have the cells in another order there.
    let isMerging = name.contains(".downsample.")
    return [
      TranslatedParameter("layers." + name, elements: isMerging ? .unfoldedCells : .same)
    ]
  }

  /// The published variants of Swin, by their names in configs.
  package static let variants: [String: SwinConfiguration] = [
    "tiny": variant(96, [2, 2, 6, 2], .softmax),
    "small": variant(96, [2, 2, 18, 2], .softmax),
    "base": variant(128, [2, 2, 18, 2], .softmax),
    "base_384": variant(128, [2, 2, 18, 2], .softmax, imageSize: 384, window: 12),
    "large": variant(192, [2, 2, 18, 2], .softmax),
  ]

  /// The published variants of FLatten-Swin.
  package static let flattenVariants: [String: SwinConfiguration] = [
    "tiny": variant(96, [2, 2, 6, 2], .focused),
    "small": variant(96, [2, 2, 18, 2], .focused),
    "base": variant(128, [2, 2, 18, 2], .focused),
    "base_384": variant(128, [2, 2, 18, 2], .focused, imageSize: 384, window: 12, linear: 96),
  ]

  private static func variant(
    _ width: Int, _ depths: [Int], _ early: AttentionChoice, imageSize: Int = 224, window: Int = 7,
    linear: Int = 56
  ) -> SwinConfiguration {
    var c = SwinConfiguration(
      embedDim: width, depths: depths, heads: [1, 2, 4, 8].map { $0 * width / 32 },
      attention: [early, early, .softmax, .softmax])
    c.common.imageSize = imageSize
    c.softmaxWindow = window
    c.linearWindow = linear
    return c
  }
}
