import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// A small pyramid of two levels, built from the package's parts.
struct TwoLevels: PyramidBackbone {
  let featureInfo = [FeatureInfo(channels: 32, stride: 4), FeatureInfo(channels: 64, stride: 8)]
  let intermediateNames = IntermediateNames.all(blocks: [1, 1])
  private let embeddings: [PatchEmbedding]
  private let stages: [TransformerStage]

  init(from scope: ParameterScope) throws {
    let channels = featureInfo.map(\.channels)
    embeddings = [
      try PatchEmbedding(
        in: 3, out: channels[0], ConvolutionGeometry(kernel: 7, stride: 4, padding: 3),
        normEpsilon: 1e-6, from: scope.scope("patch_embed1")),
      try PatchEmbedding(
        in: channels[0], out: channels[1], ConvolutionGeometry(kernel: 3, stride: 2, padding: 1),
        normEpsilon: 1e-6, from: scope.scope("patch_embed2")),
    ]
    stages = try channels.enumerated().map { stage, channels in
      try TransformerStage(1, from: scope.scope("block\(stage + 1)")) { index, scope in
        try TransformerBlock(
          channels, normEpsilon: 1e-6, name: IntermediateNames.block(stage: stage, index),
          from: scope,
          attention: {
            try SpatialReductionAttention(
              channels: channels, heads: 2, reduction: .strided(ratio: 2), qkvBias: true,
              normEpsilon: 1e-6, from: $0.scope("attn"))
          },
          mlp: { try MLP(channels, hidden: 4 * channels, from: $0.scope("mlp")) })
      }
    }
  }

  func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor] {
    var maps: [Tensor] = []
    for stage in stages.indices {
      let map = embeddings[stage](maps.last ?? x, pass)  // [B, H / 4, W / 4, 32], then 8 and 64
      pass.observe(map, as: IntermediateNames.patchEmbedding(stage))
      maps.append(pass.observe(stages[stage](map, pass), as: IntermediateNames.stage(stage)))
    }
    return maps
  }
}
