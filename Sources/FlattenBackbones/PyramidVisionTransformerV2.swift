// PVTv2 (arXiv 2106.13797), FLatten-PVTv2 (arXiv 2308.00442), and VVT (arXiv 2206.10552), which is PVTv2 with Vicinity
// attention.
//
// Checkpoints: whai362/PVT at 57e2dfa (detection/pvt_v2.py, classification/pvt_v2.py),
// LeapLabTHU/FLatten-Transformer at abdb115 (models/flatten_pvt_v2.py) and OpenNLPLab/Vicinity-Vision-Transformer at
// 2c49e0f (classification/vvt.py).
//
// What surprises:
// - patches overlap (7x7 stride 4, then 3x3 stride 2), so grids round up and nothing is dropped;
// - there is no position table beside the attention's own; the MLP's depthwise convolution takes its
//   place;
// - the "linear" variant pools keys and values to 7x7 whatever the picture, puts a ReLU before the
//   MLP's depthwise convolution, and its position table always has 49 rows.

import FlattenCheckpoint
import FlattenNN
import FlattenTensor

extension TransformerBlock {
  /// A block of PVTv2, with a convolution in its MLP.
  package init(
    pvtV2 c: PyramidConfiguration, at site: AttentionSite, from tree: ParameterScope,
    root: ParameterScope? = nil
  ) throws {
    let hidden = site.channels * c.mlpRatios[site.stage]
    try self.init(
      c.common, at: site, from: tree, root: root,
      attention: { try c.attentions.make(c.attention[site.stage], site, from: $0) },
      mlp: {
        try ConvolutionalMLP(
          site.channels, hidden: hidden, hasLinearAttention: c.hasPooledKeys,
          from: $0.scope("mlp"))
      })
  }
}

/// PVTv2 and FLatten-PVTv2.
package struct PyramidVisionTransformerV2: ClassifyingBackbone {
  private struct Stage: Sendable {
    let embedding: PatchEmbedding
    let blocks: TransformerStage
    let norm: LayerNorm
  }

  private let stages: [Stage]
  package let featureInfo: [FeatureInfo]
  package let leastSide: Int
  package let intermediateNames: [String]

  package init(_ c: PyramidConfiguration, from tree: ParameterScope) throws {
    stages = try (0..<4).map { stage in
      let channels = c.embedDims[stage]
      let geometry =
        stage == 0
        ? ConvolutionGeometry(kernel: 7, stride: 4, padding: 3)
        : ConvolutionGeometry(kernel: 3, stride: 2, padding: 1)
      return Stage(
        embedding: try PatchEmbedding(
          in: stage == 0 ? c.common.inputChannels : c.embedDims[stage - 1], out: channels, geometry,
          normEpsilon: c.innerNormEpsilon, from: tree.scope("patch_embed\(stage + 1)")),
        blocks: try TransformerStage(
          c.depths[stage], from: tree.scope("block\(stage + 1)")
        ) { block, scope in
          try TransformerBlock(
            pvtV2: c, at: c.site(stage: stage, block: block), from: scope, root: tree)
        },
        norm: try LayerNorm(
          channels, epsilon: c.common.normEpsilon, from: tree.scope("norm\(stage + 1)")))
    }
    featureInfo = c.featureInfo
    leastSide = c.leastSide(roundsUp: true)
    intermediateNames = IntermediateNames.all(blocks: c.depths, skipped: c.common.skipped)
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    var maps: [Tensor] = []
    for (index, stage) in stages.enumerated() {
      let map = pass.observe(
        stage.embedding(maps.last ?? x, pass), as: IntermediateNames.patchEmbedding(index))
      maps.append(
        pass.observe(
          stage.norm(stage.blocks(map, pass), pass), as: IntermediateNames.stage(index)))
    }
    return maps
  }

  package var pooledChannels: Int { featureInfo[3].channels }

  package func pooled(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    pass.meanOverTokens(self(x, pass)[3].asTokens, layer: "pool")
  }
}

extension BackboneFamily {
  /// PVTv2 as published.
  static let pvtV2 = pyramidV2("pvt_v2", .softmax)

  /// FLatten-PVTv2.
  static let flattenPVTv2 = pyramidV2("flatten_pvt_v2", .focused)

  /// VVT: PVTv2 with Vicinity attention, and wider early stages.
  static let vvt = pyramidV2(
    "vvt", AttentionChoice("vicinity"), PyramidVisionTransformerV2.vicinityVariants)

  private static func pyramidV2(
    _ name: String, _ attention: AttentionChoice,
    _ variants: [String: PyramidConfiguration] = PyramidVisionTransformerV2.variants
  ) -> BackboneFamily {
    BackboneFamily(
      name: name, keys: PyramidConfiguration.keys,
      ignoredKeys: PyramidVisionTransformerV2.ignoredKeys,
      translation: PyramidVisionTransformerV2.parameters(mmdetection:)
    ) { section in
      let c = try PyramidConfiguration(section, variants: variants, attention: attention)
      return BackboneNumbers(
        inputChannels: c.common.inputChannels, depths: c.depths, ignoredKeys: c.skippedKeys
      ) { _, tree in try PyramidVisionTransformerV2(c, from: tree) }
    }
  }
}

extension PyramidVisionTransformerV2 {
  /// Keys of official checkpoints that dense prediction does not read.
  package static let ignoredKeys = [
    IgnoredKeys(pattern: "head.*", reason: "the ImageNet classifier")
  ]

  /// Our parameters for a key of mmdetection's PyramidVisionTransformerV2; any other key stays. As with
  /// PVT, its inner norms have epsilon 1e-6.
  package static func parameters(mmdetection key: String) -> [TranslatedParameter] {
    pyramidParameters(
      mmdetection: key, firstBlock: 0, mlp: ["0": "fc1", "1": "dwconv.dwconv", "4": "fc2"])
  }

  /// The published variants, by their names in configs.
  package static let variants: [String: PyramidConfiguration] = [
    "b0": variant(width: 32, depths: [2, 2, 2, 2]),
    "b1": variant(width: 64, depths: [2, 2, 2, 2]),
    "b2": variant(width: 64, depths: [3, 4, 6, 3]),
    "b2_li": variant(width: 64, depths: [3, 4, 6, 3], hasPooledKeys: true),
    "b3": variant(width: 64, depths: [3, 4, 18, 3]),
    "b4": variant(width: 64, depths: [3, 8, 27, 3], mlpRatios: [8, 8, 4, 4]),
    "b5": variant(width: 64, depths: [3, 6, 40, 3], mlpRatios: [4, 4, 4, 4]),
  ]

  /// The published variants of VVT.
  package static let vicinityVariants: [String: PyramidConfiguration] = [
    "tiny": vicinityVariant(depths: [2, 2, 2, 2]),
    "small": vicinityVariant(depths: [3, 3, 9, 3]),
    "medium": vicinityVariant(depths: [3, 3, 27, 3]),
    "large": vicinityVariant(depths: [4, 4, 36, 4], mlpRatios: [4, 4, 4, 4]),
  ]

  private static func vicinityVariant(
    depths: [Int], mlpRatios: [Int] = [8, 8, 4, 4]
  ) -> PyramidConfiguration {
    PyramidConfiguration(
      embedDims: [96, 160, 320, 512], heads: [1, 2, 5, 8], mlpRatios: mlpRatios, depths: depths)
  }

  private static func variant(
    width: Int, depths: [Int], mlpRatios: [Int] = [8, 8, 4, 4], hasPooledKeys: Bool = false
  ) -> PyramidConfiguration {
    var c = PyramidConfiguration(
      embedDims: width == 32 ? [32, 64, 160, 256] : [64, 128, 320, 512], heads: [1, 2, 5, 8],
      mlpRatios: mlpRatios, depths: depths)
    c.hasPooledKeys = hasPooledKeys
    return c
  }
}
