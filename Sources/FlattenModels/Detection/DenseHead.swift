// The dense heads of RetinaNet (arXiv 1708.02002) and of Faster R-CNN's region proposals (arXiv 1506.01497) with the
// semantics and key names of mmdetection 3.3.0, mmdet/models/dense_heads/retina_head.py and rpn_head.py.
//
// B batch, h w grid of a level, A anchors a cell, K scores an anchor.
//
// What surprises: one head serves all levels; a score's number in a level is ((y * w + x) * A + anchor) * K + class.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenRegions
import FlattenTensor

/// Scores and box deltas of all anchors, a tensor a level, finest first.
package struct DenseOutput: Sendable {
  /// Logits `[B, h, w, A K]`.
  package let scores: [Tensor]
  /// `[B, h, w, 4 A]`.
  package let deltas: [Tensor]

  /// Rows and columns of every level.
  package var gridSizes: [PixelSize] {
    deltas.map { PixelSize(height: $0.shape[1], width: $0.shape[2]) }
  }
}

/// Makes scores and box deltas of every level of a pyramid.
package struct DenseHead: Sendable {
  private let scoreTower: [Conv2D]
  /// Empty where the scores' is read for both.
  private let deltaTower: [Conv2D]
  private let scores: Conv2D
  private let deltas: Conv2D

  /// RetinaNet's head, `bbox_head`: two towers of 3x3 convolutions, then one more each.
  ///
  /// - Parameters:
  ///   - inputs: channels of all levels.
  ///   - c: the detector's numbers.
  ///   - tree: the head's place.
  package init(retina c: DetectorConfiguration, in inputs: Int, from tree: ParameterScope) throws {
    func tower(_ key: String) throws -> [Conv2D] {
      try (0..<c.headConvolutions).map { index in
        try Conv2D(
          in: index == 0 ? inputs : c.headChannels, out: c.headChannels,
          ConvolutionGeometry(kernel: 3, padding: 1), activation: .relu, key: "conv",
          from: tree.scope(key).scope(index))
      }
    }
    func last(_ key: String, _ outputs: Int) throws -> Conv2D {
      try Conv2D(
        in: c.headConvolutions == 0 ? inputs : c.headChannels, out: outputs,
        ConvolutionGeometry(kernel: 3, padding: 1), from: tree.scope(key))
    }
    scoreTower = try tower("cls_convs")
    deltaTower = try tower("reg_convs")
    scores = try last("retina_cls", c.anchors.perCell * c.classes)
    deltas = try last("retina_reg", c.anchors.perCell * 4)
  }

  /// The region proposal network, `rpn_head`: one 3x3 convolution, then two of 1x1.
  ///
  /// - Parameters: as for RetinaNet's.
  package init(
    proposals c: DetectorConfiguration, in inputs: Int, from tree: ParameterScope
  ) throws {
    scoreTower = [
      try Conv2D(
        in: inputs, out: c.headChannels, ConvolutionGeometry(kernel: 3, padding: 1),
        activation: .relu, from: tree.scope("rpn_conv"))
    ]
    deltaTower = []
    func last(_ key: String, _ outputs: Int) throws -> Conv2D {
      try Conv2D(
        in: c.headChannels, out: outputs, ConvolutionGeometry(kernel: 1), from: tree.scope(key))
    }
    scores = try last("rpn_cls", c.anchors.perCell)
    deltas = try last("rpn_reg", c.anchors.perCell * 4)
  }

  /// - Parameter levels: `[B, h, w, C]` each.
  package func callAsFunction(_ levels: [Tensor], _ pass: ForwardPass) -> DenseOutput {
    var scores: [Tensor] = []
    var deltas: [Tensor] = []
    for level in levels {
      let scored = scoreTower.reduce(level) { $1($0, pass) }
      scores.append(self.scores(scored, pass))
      let moved = deltaTower.isEmpty ? scored : deltaTower.reduce(level) { $1($0, pass) }
      deltas.append(self.deltas(moved, pass))
    }
    return DenseOutput(scores: scores, deltas: deltas)
  }
}
