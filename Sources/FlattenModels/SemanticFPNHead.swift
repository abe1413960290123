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
  /// The first convolution of each level, finest first.
  let entrances: [JoinableConv2D]
  /// The convolutions after it.
  private let scaleHeads: [[Conv2D]]
  private let isFinest: [Bool]
  private let classifier: Conv2D
  private let path: String

  package init(_ c: HeadConfiguration, from inputs: [FeatureInfo], tree: ParameterScope) throws {
    alignCorners = c.alignCorners
    path = tree.path
    let finest = inputs.map(\.stride).min() ?? 1
    isFinest = inputs.map { $0.stride == finest }
    let doublings = inputs.map { ($0.stride / finest).trailingZeroBitCount }
    entrances = try inputs.enumerated().map { level, input in
      JoinableConv2D(
        try c.storedModule(
          in: input.channels, kernel: 3, from: tree.scope("scale_heads").scope(level).scope(0)))
    }
    scaleHeads = try inputs.indices.map { level in
      try (0..<max(1, doublings[level])).dropFirst().map { index in
        try c.module(
          in: c.channels, kernel: 3,
          from: tree.scope("scale_heads").scope(level).scope(2 * index))
      }
    }
    classifier = try c.classifier(from: tree)
  }

  package func callAsFunction(
    _ levels: consuming ShortList<Tensor>, _ pass: ForwardPass
  ) -> Tensor {
    levels.reverse()
    return mix(levels, pass) { level, map in entrances[level](map, pass) }
  }

  /// - Parameters:
  ///   - levels: coarsest first, so that each is let go once it is used.
  ///   - enter: a level, by its number from the finest, through its first convolution.
  func mix(
    _ levels: consuming ShortList<Tensor>, _ pass: ForwardPass,
    entering enter: (Int, Tensor) -> Tensor
  ) -> Tensor {
    let finest = enter(0, levels.removeLast())
    var coarser: ShortList<Tensor> = []
    for level in 1..<entrances.count {
      let following = scaleHeads[level]
      var map = enter(level, levels.removeLast())
      for index in 0...following.count {
        if index > 0 { map = following[index - 1](map, pass) }
        let doubled = Grid(2 * map.grid.height, 2 * map.grid.width)
        // A last doubling that ends on the finest grid is what the addition below does.
        if isFinest[level] || index == following.count && doubled == finest.grid { break }
        map = pass.resizeBilinear(
          map, height: doubled.height, width: doubled.width,
          alignCorners: alignCorners, layer: "\(path).scale_heads.\(level).upsample")
      }
      coarser.append(map)
    }
    let sum = pass.addResized(
      finest, coarser, alignCorners: alignCorners, layer: "\(path).sum")
    return classifier(sum, pass)
  }
}
