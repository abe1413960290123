// The segmentation head of Panoptic FPN (arXiv 1901.02446) with the semantics and key names of
// mmsegmentation 1.2.2, mmseg/models/decode_heads/fpn_head.py.
//
// What surprises:
// - each Upsample doubles the grid, so odd sizes overshoot and the last resize shrinks them again;
// - in `scale_heads.i.j` j counts the Upsample layers too: convolutions sit at j = 0, 2, 4.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Brings every level to the finest grid by convolutions and doublings, adds them and classifies.
package struct SemanticFPNHead: SegmentationHead {
  private let alignCorners: Bool
  /// The convolutions of each level, finest level first; at least one each.
  var scaleHeads: [[Conv2D]]
  private let isFinest: [Bool]
  private let classifier: Conv2D
  private let path: String

  package init(_ c: HeadConfiguration, from inputs: [FeatureInfo], tree: ParameterScope) throws {
    alignCorners = c.alignCorners
    path = tree.path
    let finest = inputs.map(\.stride).min() ?? 1
    isFinest = inputs.map { $0.stride == finest }
    let doublings = inputs.map { ($0.stride / finest).trailingZeroBitCount }
    scaleHeads = try inputs.enumerated().map { level, input in
      try (0..<max(1, doublings[level])).map { index in
        try c.module(
          in: index == 0 ? input.channels : c.channels, kernel: 3,
          from: tree.scope("scale_heads").scope(level).scope(2 * index))
      }
    }
    classifier = try c.classifier(from: tree)
  }

  package func callAsFunction(_ levels: [Tensor], _ pass: ForwardPass) -> Tensor {
    mix(zip(scaleHeads, levels).map { convolutions, level in convolutions[0](level, pass) }, pass)
  }

  /// The rest, from the levels after their first convolution, finest first.
  func mix(_ levels: [Tensor], _ pass: ForwardPass) -> Tensor {
    let coarser = levels.indices.dropFirst().map { level in
      enlarged(levels[level], level, until: levels[0].grid, pass)
    }
    let sum = pass.addResized(
      levels[0], coarser, alignCorners: alignCorners, layer: "\(path).sum")
    return classifier(sum, pass)
  }

  /// Doubles a level's map after each of its convolutions.
  private func enlarged(
    _ map: Tensor, _ level: Int, until finest: Grid, _ pass: ForwardPass
  ) -> Tensor {
    var map = map
    let convolutions = scaleHeads[level]
    for index in convolutions.indices {
      if index > 0 { map = convolutions[index](map, pass) }
      let doubled = Grid(2 * map.grid.height, 2 * map.grid.width)
      // A last doubling that ends on the finest grid is what the addition of the levels does.
      if isFinest[level] || index == convolutions.count - 1 && doubled == finest { break }
      map = pass.resizeBilinear(
        map, height: doubled.height, width: doubled.width, alignCorners: alignCorners,
        layer: "\(path).scale_heads.\(level).upsample")
    }
    return map
  }
}
