// PVT (Pyramid Vision Transformer, arXiv 2102.12122) and FLatten-PVT (arXiv 2308.00442).
//
// Checkpoints: whai362/PVT at 57e2dfa (classification/pvt.py and segmentation/pvt.py) and
// LeapLabTHU/FLatten-Transformer at abdb115 (models/flatten_pvt.py).
//
// B batch, H W grid, N tokens = H * W, C channels.
//
// What surprises:
// - patches do not overlap, so what is left over at the right and the bottom is dropped at each stage;
// - the norms of blocks have epsilon 1e-6, those of patch embeddings and reductions 1e-5;
// - FLatten-PVT creates `norm` after the last stage and never uses it;
// - PVT's last position table has a row for the class token, which dense prediction skips;
// - upstream runs FLatten-PVT only at the size it was built for; here every position table is resized.

import FlattenCheckpoint
import FlattenNN
import FlattenTensor

extension TransformerBlock {
  /// A block of PVT. Its tokens may be preceded by a class token where no keys are reduced.
  package init(
    pvt c: PyramidConfiguration, stage: Int, _ index: Int, from tree: ParameterScope
  ) throws {
    let channels = c.embedDims[stage]
    try self.init(
      channels, normEpsilon: c.normEpsilon,
      name: IntermediateNames.block(stage: stage, index), from: tree,
      attention: { try c.makeAttention(stage: stage, index, from: $0.scope("attn")) },
      mlp: { try MLP(channels, hidden: channels * c.mlpRatios[stage], from: $0.scope("mlp")) })
  }
}

extension PyramidConfiguration {
  /// The attention of a block.
  func makeAttention(
    stage: Int, _ block: Int, from tree: ParameterScope
  ) throws -> any TokenAttention {
    switch attention[stage] {
    case .linear:
      try FocusedLinearAttention(
        FocusedLinearAttention.Configuration(
          channels: embedDims[stage], heads: heads[stage], reduction: reduction(stage: stage),
          nativeGrid: nativeGrid(stage: stage), focusingFactor: focusingFactor, kernel: kernel,
          qkvBias: qkvBias, normEpsilon: innerNormEpsilon),
        from: tree)
    case .softmax:
      try SpatialReductionAttention(
        channels: embedDims[stage], heads: heads[stage], reduction: reduction(stage: stage),
        qkvBias: qkvBias, normEpsilon: innerNormEpsilon, from: tree)
    case .registered(let attention):
      try attention.make(
        AttentionSite(
          stage: stage, block: block, channels: embedDims[stage], heads: heads[stage],
          nativeGrid: nativeGrid(stage: stage), classTokens: 0, qkvBias: qkvBias,
          normEpsilon: innerNormEpsilon),
        tree)
    }
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
    let blocks: [TransformerBlock]
    let path: String
  }

  private struct ClassToken: Sendable {
    let token: Tensor  // [1, 1, C], its position added
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
      let hasClassRow = stage == 3 && ending != .meanOfTokens && Self.hasClassRow(tree)
      return Stage(
        index: stage,
        embedding: try PatchEmbedding(
          in: stage == 0 ? c.inputChannels : c.embedDims[stage - 1], out: channels,
          ConvolutionGeometry(kernel: size, stride: size), normEpsilon: c.innerNormEpsilon,
          from: tree.scope("patch_embed\(stage + 1)")),
        position: try PositionTable(
          "pos_embed\(stage + 1)", native: c.nativeGrid(stage: stage), channels: channels,
          leading: hasClassRow ? .skipped(1) : .none, from: tree),
        blocks: try (0..<c.depths[stage]).map { block in
          try TransformerBlock(
            pvt: c, stage: stage, block, from: tree.scope("block\(stage + 1)").scope(block))
        },
        path: tree.scope("pos_embed\(stage + 1)").path)
    }
    if ending == .classToken {
      let channels = c.embedDims[3]
      let rows = tree.shape(of: "pos_embed4").flatMap { $0.count == 3 ? $0[1] : nil }
      let table = try tree.tensor(
        "pos_embed4", [1, rows ?? c.nativeGrid(stage: 3).count + 1, channels])
      let token = try tree.tensor("cls_token", [1, 1, channels])
      classToken = ClassToken(
        token: Tensor([1, 1, channels]) { sum in
          for index in 0..<channels {
            sum[index] = token.pointer[index] + table.pointer[index]
          }
        },
        norm: try LayerNorm(channels, epsilon: c.normEpsilon, from: tree.scope("norm")))
    } else {
      classToken = nil
    }
    featureInfo = c.featureInfo
    leastSide = c.leastSide(roundsUp: false)
    intermediateNames = IntermediateNames.all(blocks: c.depths)
  }

  /// Whether the last table has a row for the class token: always as published, never in files of
  /// mmdetection, whose rows are those of a square grid alone. No square number follows another.
  private static func hasClassRow(_ tree: ParameterScope) -> Bool {
    guard let shape = tree.shape(of: "pos_embed4"), shape.count == 3 else { return true }
    return Grid(squareOf: shape[1]) == nil
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> ShortList<Tensor> {
    var maps: ShortList<Tensor> = []
    for stage in stages {
      let (tokens, grid) = embed(maps.last ?? x, stage, pass)
      let map = run(consume tokens, grid, stage, pass).asMap(grid)
      maps.append(pass.handOut(map, as: IntermediateNames.stage(stage.index)))
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
      let (tokens, grid) = embed(map, stage, pass)
      map = run(tokens, grid, stage, pass).asMap(grid)
    }
    let (tokens, grid) = embed(map, stages[3], pass)
    let all = run(
      pass.joinTokens(classToken.token, tokens, layer: "cls_token"), grid, stages[3], pass)
    let first = pass.tokens(all, 0..<1, layer: "pool")  // [B, 1, C]
    return classToken.norm(first.reshaped(Shape(x.shape[0], pooledChannels)), pass)
  }

  /// A stage's tokens `[B, N, C]` with their positions added, and their grid.
  private func embed(_ x: Tensor, _ stage: Stage, _ pass: ForwardPass) -> (Tensor, Grid) {
    let map = pass.handOut(
      stage.embedding(x, pass), as: IntermediateNames.patchEmbedding(stage.index))
    return (stage.position.added(to: map, layer: stage.path, pass), map.grid)
  }

  private func run(
    _ tokens: consuming Tensor, _ grid: Grid, _ stage: Stage, _ pass: ForwardPass
  ) -> Tensor {
    var x = consume tokens
    for block in stage.blocks { x = block(x, grid: grid, pass) }
    return x
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

  private static func variant(depths: [Int]) -> PyramidConfiguration {
    PyramidConfiguration(
      embedDims: [64, 128, 320, 512], heads: [1, 2, 5, 8], mlpRatios: [8, 8, 4, 4], depths: depths)
  }
}
