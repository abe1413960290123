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
package struct SemanticFPNHead: Sendable {
  /// The numbers of a head.
  package struct Configuration: Sendable {
    /// Width of every convolution.
    package let channels: Int
    /// Number of classes.
    package let classes: Int
    /// How the doublings and the last resize place their samples.
    package let alignCorners: Bool
    /// Of the batch norms.
    package let normEpsilon: Float

    package init(channels: Int, classes: Int, alignCorners: Bool, normEpsilon: Float) {
      self.channels = channels
      self.classes = classes
      self.alignCorners = alignCorners
      self.normEpsilon = normEpsilon
    }
  }

  private let configuration: Configuration
  private let scaleHeads: [[Conv2D]]
  private let isFinest: [Bool]
  private let classifier: Conv2D
  private let path: String

  package init(_ c: Configuration, from inputs: [FeatureInfo], tree: ParameterScope) throws {
    configuration = c
    path = tree.path
    let finest = inputs.map(\.stride).min() ?? 1
    isFinest = inputs.map { $0.stride == finest }
    scaleHeads = try inputs.enumerated().map { level, input in
      let doublings = (input.stride / finest).trailingZeroBitCount
      return try (0..<max(1, doublings)).map { index in
        try Conv2D(
          in: index == 0 ? input.channels : c.channels, out: c.channels,
          ConvolutionGeometry(kernel: 3, padding: 1),
          following: .batchNorm(epsilon: c.normEpsilon, key: "bn"), activation: .relu, key: "conv",
          from: tree.scope("scale_heads").scope(level).scope(doublings == 0 ? index : 2 * index))
      }
    }
    classifier = try Conv2D(
      in: c.channels, out: c.classes, ConvolutionGeometry(kernel: 1), from: tree.scope("conv_seg"))
  }

  /// Levels of the pyramid, finest first, to logits `[B, H, W, classes]` on the finest grid.
  package func callAsFunction(_ levels: [Tensor], _ pass: ForwardPass) -> Tensor {
    let finest = scaleHeads[0].reduce(levels[0]) { $1($0, pass) }
    let coarser = (1..<levels.count).map { level in
      var map = levels[level]
      for (index, convolution) in scaleHeads[level].enumerated() {
        map = convolution(map, pass)
        let doubled = Grid(2 * map.grid.height, 2 * map.grid.width)
        // A last doubling that ends on the finest grid is what the addition below does.
        if isFinest[level] || index == scaleHeads[level].count - 1 && doubled == finest.grid {
          break
        }
        map = pass.resizeBilinear(
          map, height: doubled.height, width: doubled.width,
          alignCorners: configuration.alignCorners, layer: "\(path).scale_heads.\(level).upsample")
      }
      return map
    }
    let sum = pass.addResized(
      finest, coarser, alignCorners: configuration.alignCorners, layer: "\(path).sum")
    return classifier(sum, pass)
  }
}
