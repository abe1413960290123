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
  private let scaleHeads: [[Conv2D]]
  private let isFinest: [Bool]
  private let classifier: Conv2D
  private let path: String

  package init(_ c: HeadConfiguration, from inputs: [FeatureInfo], tree: ParameterScope) throws {
    alignCorners = c.alignCorners
    path = tree.path
    let finest = inputs.map(\.stride).min() ?? 1
    isFinest = inputs.map { $0.stride == finest }
    scaleHeads = try inputs.enumerated().map { level, input in
      let doublings = (input.stride / finest).trailingZeroBitCount
      return try (0..<max(1, doublings)).map { index in
        try c.module(
          in: index == 0 ? input.channels : c.channels, kernel: 3,
          from: tree.scope("scale_heads").scope(level).scope(doublings == 0 ? index : 2 * index))
      }
    }
    classifier = try c.classifier(from: tree)
  }

  package func callAsFunction(_ levels: consuming [Tensor], _ pass: ForwardPass) -> Tensor {
    // Coarsest first, so that each is let go once it is used.
    levels.reverse()
    var finest = levels.removeLast()
    for convolution in scaleHeads[0] { finest = convolution(finest, pass) }
    let coarser = (1..<scaleHeads.count).map { level in
      var map = levels.removeLast()
      for (index, convolution) in scaleHeads[level].enumerated() {
        map = convolution(map, pass)
        let doubled = Grid(2 * map.grid.height, 2 * map.grid.width)
        // A last doubling that ends on the finest grid is what the addition below does.
        if isFinest[level] || index == scaleHeads[level].count - 1 && doubled == finest.grid {
          break
        }
        map = pass.resizeBilinear(
          map, height: doubled.height, width: doubled.width,
          alignCorners: alignCorners, layer: "\(path).scale_heads.\(level).upsample")
      }
      return map
    }
    let sum = pass.addResized(
      finest, coarser, alignCorners: alignCorners, layer: "\(path).sum")
    return classifier(sum, pass)
  }
}
