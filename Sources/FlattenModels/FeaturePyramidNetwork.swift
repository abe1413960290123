// FPN (arXiv 1612.03144) with the semantics and key names of mmsegmentation 1.2.2,
// mmseg/models/necks/fpn.py.
//
// The top-down path enlarges by nearest neighbour to the exact size of the finer level.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Brings all levels of a pyramid to one width and passes coarse context down to the fine ones.
package struct FeaturePyramidNetwork: Sendable {
  private let laterals: [Conv2D]
  private let outputs: [Conv2D]
  private let path: String
  package let featureInfo: [FeatureInfo]

  package init(from inputs: [FeatureInfo], channels: Int, tree: ParameterScope) throws {
    laterals = try inputs.enumerated().map { level, input in
      try Conv2D(
        in: input.channels, out: channels, ConvolutionGeometry(kernel: 1),
        from: tree.scope("lateral_convs").scope(level).scope("conv"))
    }
    outputs = try inputs.indices.map { level in
      try Conv2D(
        in: channels, out: channels, ConvolutionGeometry(kernel: 3, padding: 1),
        from: tree.scope("fpn_convs").scope(level).scope("conv"))
    }
    path = tree.path
    featureInfo = inputs.map { FeatureInfo(channels: channels, stride: $0.stride) }
  }

  /// Maps `[B, H, W, C]` of the backbone to as many maps of one width.
  package func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> [Tensor] {
    var levels = zip(laterals, maps).map { $0($1, pass) }
    for level in stride(from: levels.count - 1, to: 0, by: -1) {
      let finer = levels[level - 1]
      levels[level - 1] = pass.resizeNearest(
        levels[level], height: finer.grid.height, width: finer.grid.width, addedTo: finer,
        layer: "\(path).top_down.\(level - 1)")
    }
    return zip(outputs, levels).map { $0($1, pass) }
  }
}
