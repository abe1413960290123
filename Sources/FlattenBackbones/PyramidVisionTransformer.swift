// PVT (Pyramid Vision Transformer, arXiv 2102.12122), FLatten-PVT (arXiv 2308.00442), and PVT with other attentions:
// Agent-PVT (arXiv 2312.08874) and InLine-PVT (arXiv 2412.06590).
//
// Checkpoints: whai362/PVT at 57e2dfa (classification/pvt.py and segmentation/pvt.py),
// LeapLabTHU/FLatten-Transformer at abdb115 (models/flatten_pvt.py), LeapLabTHU/Agent-Attention
// (agent_transformer/models_pvt.py) and LeapLabTHU/InLine at e463a6f (models/inline_pvt.py).
//
// B batch, H W grid, N tokens = H * W, C channels.
//
// What surprises:
// - patches do not overlap, so what is left over at the right and the bottom is dropped at each stage;
// - the norms of blocks have epsilon 1e-6, those of patch embeddings and reductions 1e-5;
// - FLatten-PVT creates `norm` after the last stage and never uses it;
// - PVT's last position table has a row for the class token, which dense prediction skips;
// - upstream runs FLatten-PVT only at the size it was built for, and Agent-PVT's and InLine-PVT's rule for other sizes
//   asks whether the first stage's tokens fit; here every position table is resized to its own stage's grid.

import FlattenCheckpoint
import FlattenNN
import FlattenTensor

extension TransformerBlock {
  /// A block of PVT. Its tokens may be preceded by a class token where no keys are reduced.
  package init(
    pvt c: PyramidConfiguration, at site: AttentionSite, from tree: ParameterScope,
    root: ParameterScope? = nil
  ) throws {
    let hidden = site.channels * c.mlpRatios[site.stage]
    try self.init(
      c.common, at: site, from: tree, root: root,
      attention: { try c.attentions.make(c.attention[site.stage], site, from: $0) },
      mlp: { try MLP(site.channels, hidden: hidden, from: $0.scope("mlp")) })
  }
}

/// PVT and FLatten-PVT.
package struct PyramidVisionTransformer: ClassifyingBackbone {
  /// What the last stage holds beside the grid's tokens.
  package enum Ending: Sendable {
    /// FLatten-PVT: nothing; a classifier reads the mean over all tokens.
    case meanOfTokens
    /// PVT as published for dense prediction: a row of the last position table to skip.
    case skippedClassToken
    /// PVT as published for classification: a class token and a norm.
    case classToken
  }

  private struct Stage: Sendable {
    let index: Int
    let embedding: PatchEmbedding
    let position: PositionTable
    let blocks: TransformerStage
  }

  private struct ClassToken: Sendable {
    let token: Tensor  // [1, 1, C]
    let norm: LayerNorm
  }

  private let stages: [Stage]
  private let classToken: ClassToken?
  package let featureInfo: [FeatureInfo]
  package let leastSide: Int
  package let intermediateNames: [String]

  package init(_ c: PyramidConfiguration, ending: Ending, from tree: ParameterScope) throws {
    stages = try (0..<4).map { stage in
      let channels = c.embedDims[stage]
      let size = stage == 0 ? 4 : 2
      let isLast = stage == 3
      let hasClassRow = isLast && ending == .skippedClassToken && Self.hasClassRow(tree)
      return Stage(
        index: stage,
        embedding: try PatchEmbedding(
          in: stage == 0 ? c.common.inputChannels : c.embedDims[stage - 1], out: channels,
          ConvolutionGeometry(kernel: size, stride: size), normEpsilon: c.innerNormEpsilon,
          from: tree.scope("patch_embed\(stage + 1)")),
        position: try PositionTable(
          "pos_embed\(stage + 1)", native: c.nativeGrid(stage: stage), channels: channels,
          leading: isLast && ending == .classToken ? .kept(1) : hasClassRow ? .skipped(1) : .none,
          from: tree),
        blocks: try TransformerStage(
          c.depths[stage], from: tree.scope("block\(stage + 1)")
        ) { block, scope in
          try TransformerBlock(
            pvt: c, at: c.site(stage: stage, block: block), from: scope, root: tree)
        })
    }
    if ending == .classToken {
      let channels = c.embedDims[3]
      classToken = ClassToken(
        token: try tree.tensor(
          "cls_token", [1, 1, channels], initially: .normal(deviation: 0.02)),
        norm: try LayerNorm(channels, epsilon: c.common.normEpsilon, from: tree.scope("norm")))
    } else {
      classToken = nil
    }
    featureInfo = c.featureInfo
    leastSide = c.leastSide(roundsUp: false)
    intermediateNames = IntermediateNames.all(blocks: c.depths, skipped: c.common.skipped)
  }

  /// Whether the last table has a row for the class token: always as published, never in files of
  /// mmdetection, whose rows are those of a square grid alone. No square number follows another.
  private static func hasClassRow(_ tree: ParameterScope) -> Bool {
    guard let shape = tree.shape(of: "pos_embed4"), shape.count == 3 else { return true }
    return Grid(squareOf: shape[1]) == nil
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    var maps: [Tensor] = []
    for stage in stages {
      let map = embed(maps.last ?? x, stage, pass)
      let tokens = stage.position.added(to: map, pass)  // [B, N, C]
      maps.append(output(tokens, map.grid, stage, pass))
    }
    return maps
  }

  package var pooledChannels: Int { featureInfo[3].channels }

  package func pooled(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    guard let classToken else {
      return pass.meanOverTokens(self(x, pass)[3].asTokens, layer: "pool")
    }
    var map = x
    for stage in stages.dropLast() {
      let embedded = embed(map, stage, pass)
      map = output(stage.position.added(to: embedded, pass), embedded.grid, stage, pass)
    }
    let last = stages[3]
    map = embed(map, last, pass)
    let all = pass.joinTokens(classToken.token, map.asTokens, layer: "cls_token")  // [B, 1 + N, C]
    let placed = pass.add(all, last.position(map.grid, pass), layer: "pos_embed4")
    let tokens = last.blocks(placed, grid: map.grid, pass)
    let first = pass.tokens(tokens, 0..<1, layer: "pool")  // [B, 1, C]
    return classToken.norm(first.reshaped(Shape(x.shape[0], pooledChannels)), pass)
  }

  /// What a stage begins with: `[B, H / 2, W / 2, C]`.
  private func embed(_ x: Tensor, _ stage: Stage, _ pass: ForwardPass) -> Tensor {
    pass.observe(stage.embedding(x, pass), as: IntermediateNames.patchEmbedding(stage.index))
  }

  /// A stage's map, of tokens whose positions are added.
  private func output(
    _ tokens: Tensor, _ grid: Grid, _ stage: Stage, _ pass: ForwardPass
  ) -> Tensor {
    pass.observe(
      stage.blocks(tokens, grid: grid, pass).asMap(grid),
      as: IntermediateNames.stage(stage.index))
  }
}

extension BackboneFamily {
  /// PVT as published.
  static let pvt = pyramid("pvt", .softmax) {
    $0 == .classification ? .classToken : .skippedClassToken
  }

  /// FLatten-PVT.
  static let flattenPVT = pyramid("flatten_pvt", .focused)

  /// Agent-PVT (arXiv 2312.08874): PVT with agent attention.
  static let agentPVT = pyramid("agent_pvt", AttentionChoice("agent"))

  /// InLine-PVT (arXiv 2412.06590): PVT with InLine attention and twice its heads.
  static let inlinePVT = pyramid(
    "inline_pvt", AttentionChoice("inline"), PyramidVisionTransformer.inlineVariants)

  private static func pyramid(
    _ name: String, _ attention: AttentionChoice,
    _ variants: [String: PyramidConfiguration] = PyramidVisionTransformer.variants,
    ending: @escaping @Sendable (BackbonePurpose) -> PyramidVisionTransformer.Ending = { _ in
      .meanOfTokens
    }
  ) -> BackboneFamily {
    BackboneFamily(
      name: name, keys: PyramidConfiguration.keys,
      ignoredKeys: PyramidVisionTransformer.ignoredKeys,
      translation: PyramidVisionTransformer.parameters(mmdetection:)
    ) { section in
      let c = try PyramidConfiguration(section, variants: variants, attention: attention)
      return BackboneNumbers(
        inputChannels: c.common.inputChannels, depths: c.depths, ignoredKeys: c.skippedKeys
      ) { try PyramidVisionTransformer(c, ending: ending($0), from: $1) }
    }
  }
}

extension PyramidVisionTransformer {
  /// Keys of official checkpoints that dense prediction does not read.
  package static let ignoredKeys = [
    IgnoredKeys(pattern: "norm.*", reason: "created by upstream, unused by its dense forward"),
    IgnoredKeys(pattern: "cls_token", reason: "belongs to classification"),
    IgnoredKeys(pattern: "head.*", reason: "the ImageNet classifier"),
  ]

  /// Our parameters for a key of mmdetection's PyramidVisionTransformer, which mmsegmentation uses as
  /// well; any other key stays.
  ///
  /// Its norms in patch embeddings and reductions have epsilon 1e-6: set `inner_norm_eps` for weights
  /// that were trained there.
  ///
  /// Upstream: mmdetection mmdet/models/backbones/pvt.py, pvt_convert read backwards.
  package static func parameters(mmdetection key: String) -> [TranslatedParameter] {
    let parts = key.split(separator: ".")
    if parts.count == 5, parts[0] == "layers", parts[2...] == ["1", "0", "pos_embed"],
      let stage = Int(parts[1])
    {
      return [TranslatedParameter("pos_embed\(stage + 1)")]
    }
    // The position table is the first item of the list of blocks.
    return pyramidParameters(mmdetection: key, firstBlock: 1, mlp: ["0": "fc1", "3": "fc2"])
  }

  /// The published variants, by their names in configs.
  package static let variants: [String: PyramidConfiguration] = [
    "tiny": variant(depths: [2, 2, 2, 2]),
    "small": variant(depths: [3, 4, 6, 3]),
    "medium": variant(depths: [3, 4, 18, 3]),
    "large": variant(depths: [3, 8, 27, 3]),
  ]

  /// The published variants of InLine-PVT.
  package static let inlineVariants = variants.mapValues { c in
    var c = c
    c.heads = c.heads.map { 2 * $0 }
    return c
  }

  private static func variant(depths: [Int]) -> PyramidConfiguration {
    PyramidConfiguration(
      embedDims: [64, 128, 320, 512], heads: [1, 2, 5, 8], mlpRatios: [8, 8, 4, 4], depths: depths)
  }
}
