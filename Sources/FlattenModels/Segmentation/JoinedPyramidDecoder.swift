// For inference only. In a segmentor with FPN and Semantic FPN head nothing lies between the neck's last 3x3
// convolution of a level and the head's first. On the finest levels, which hold nearly all pixels, the two are
// computed as one 5x5 convolution (``PackedConvolutionPair``), which takes fewer multiplications. Measured on a
// Zen 5 with FLatten-PVT-T at 512x512: 77.8 instead of 87.5 ms.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

extension SemanticSegmentor {
  /// Builds the model for the purpose of the tree's context: for inference with a joined decoder, where that
  /// saves time.
  package static func load(
    _ c: SegmentorConfiguration, from tree: ParameterScope
  ) throws -> SemanticSegmentor {
    guard tree.context.purpose == .inference, let neckChannels = c.neckChannels,
      PackedConvolutionPair.saves(
        inputs: neckChannels, middle: neckChannels, outputs: c.head.channels)
    else { return try SemanticSegmentor(c, from: tree) }
    // The decoder prepares these in pairs.
    let levels = 0..<JoinedPyramidDecoder.joinedLevels
    let unprepared =
      levels.map { tree.scope("neck.fpn_convs.\($0).conv").path }
      + levels.map { tree.scope("decode_head.scale_heads.\($0).0").path }
    let plain = try SemanticSegmentor(c, from: tree.leavingUnprepared(Set(unprepared)))
    guard let neck = plain.neck, let head = plain.head as? SemanticFPNHead else { return plain }
    return SemanticSegmentor(
      backbone: plain.backbone, neck: nil,
      head: JoinedPyramidDecoder(neck, head, tree.context), classes: plain.classes)
  }
}

/// FPN and Semantic FPN head in one: from the backbone's maps to scores.
private struct JoinedPyramidDecoder: SegmentationHead {
  private struct Joint: Sendable {
    let pair: PackedConvolutionPair
    let paths: (first: String, second: String)
  }

  /// The two finest levels hold 94 % of the pixels. Joining the others would save another hundredth of a
  /// pass and cost a tenth of the time to load.
  static let joinedLevels = 2

  private let neck: FeaturePyramidNetwork
  private let head: SemanticFPNHead
  private let joints: [Joint]

  init(_ neck: FeaturePyramidNetwork, _ head: SemanticFPNHead, _ context: LoadingContext) {
    joints = zip(neck.outputs, head.scaleHeads).compactMap { first, convolutions in
      guard let one = first.stored, let two = convolutions[0].stored else { return nil }
      return Joint(
        pair: PackedConvolutionPair(one, two, context),
        paths: (first.path, convolutions[0].path))
    }
    var (neck, head) = (neck, head)
    neck.outputs = neck.outputs.map { $0.releasingStored() }
    head.scaleHeads = head.scaleHeads.map { $0.map { $0.releasingStored() } }
    (self.neck, self.head) = (neck, head)
  }

  func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> Tensor {
    let entered = neck.topDown(maps, pass).enumerated().map { level, map in
      level < joints.count
        ? joined(map, joints[level], pass)
        : head.scaleHeads[level][0](neck.outputs[level](map, pass), pass)
    }
    return head.mix(entered, pass)
  }

  private func joined(_ map: Tensor, _ joint: Joint, _ pass: ForwardPass) -> Tensor {
    pass.convolutionPair(map, joint.pair, layer: joint.paths.first, and: joint.paths.second)
  }
}
