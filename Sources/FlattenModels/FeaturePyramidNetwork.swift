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
  /// The last convolution of each level, finest first.
  var outputs: [Conv2D]
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
    featureInfo = inputs.map { FeatureInfo(channels: channels, stride: $0.stride) }
  }

  /// Maps `[B, H, W, C]` of the backbone to as many maps of one width.
  package func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> [Tensor] {
    zip(outputs, topDown(maps, pass)).map { output, level in output(level, pass) }
  }

  /// The top-down path: each level's lateral convolution, plus the enlarged coarser level. Finest first.
  func topDown(_ maps: [Tensor], _ pass: ForwardPass) -> [Tensor] {
    var levels: [Tensor] = []  // coarsest first
    for level in laterals.indices.reversed() {
      levels.append(laterals[level](maps[level], addingNearest: levels.last, pass))
    }
    return levels.reversed()
  }
}
