import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor

/// The `model` section of a config: backbone, neck and head.
///
///     model:
///       backbone: { type: flatten_pvt, variant: tiny }
///       neck: { type: fpn, out_channels: 256 }
///       decode_head: { type: fpn_head, channels: 128, num_classes: 150, align_corners: false }
///
/// The heads `uper_head` and `segformer_head` take the backbone's maps: no `neck` then.
package struct SegmentorConfiguration: Sendable {
  package enum NeckType: String, CaseIterable { case fpn }

  package let backbone: BackboneConfiguration
  /// Width of the neck's maps; `nil` where the head reads the backbone's.
  package let neckChannels: Int?
  package let head: HeadConfiguration

  /// A checkpoint under our names where another toolbox wrote it.
  package func translating(_ source: any ParameterSource) -> any ParameterSource {
    backbone.translating(source, below: "backbone.")
  }

  /// The number of classes.
  package var classes: Int { head.classes }

  /// Reads the section.
  ///
  /// - Throws: `ConfigError` naming the key.
  package init(_ node: ConfigNode) throws {
    let map = try node.map(known: ["backbone", "neck", "decode_head"])
    backbone = try BackboneConfiguration(try map.required("backbone"))
    head = try HeadConfiguration(try map.required("decode_head"))
    if head.needsNeck {
      let neck = try map.required("neck").map(known: ["type", "out_channels"])
      _ = try neck.optional("type")?.choice(NeckType.self)
      neckChannels = try neck.required("out_channels").int(in: 1...4096)
    } else if let neck = map.optional("neck") {
      throw neck.error(
        found: "has no place before this head", expected: "decode_head.type fpn_head, or no neck")
    } else {
      neckChannels = nil
    }
  }
}

/// What makes scores of a backbone's maps.
private enum Decoder: Sendable {
  /// A head that reads the backbone's maps.
  case head(any SegmentationHead)
  /// A feature pyramid and its head. The last convolution of each level and the head's first follow each
  /// other directly.
  case pyramid(FeaturePyramidNetwork, SemanticFPNHead, joints: [ConvolutionPair])

  init(_ c: SegmentorConfiguration, from inputs: [FeatureInfo], tree: ParameterScope) throws {
    let scope = tree.scope("decode_head")
    guard let neckChannels = c.neckChannels else {
      self = .head(try c.head.makeHead(from: inputs, tree: scope))
      return
    }
    let neck = try FeaturePyramidNetwork(
      from: inputs, channels: neckChannels, tree: tree.scope("neck"))
    let head = try SemanticFPNHead(c.head, from: neck.featureInfo, tree: scope)
    let joints = neck.outputs.indices.map { level in
      ConvolutionPair(
        neck.outputs[level], head.entrances[level], isLarge: level < Self.largeLevels)
    }
    self = .pyramid(neck, head, joints: joints)
  }

  /// The two finest levels hold 94 % of the pixels. Joining the others would save another hundredth of a
  /// pass and cost a tenth of the time to load.
  private static let largeLevels = 2
}

/// A backbone, a feature pyramid where the head wants one, and a segmentation head under mmsegmentation's
/// key names.
package struct SemanticSegmentor: Sendable {
  package let backbone: any PyramidBackbone
  private let decoder: Decoder
  package let classes: Int

  /// Builds the model; the caller ends the loading with `ParameterTree.finish`.
  package init(_ c: SegmentorConfiguration, from tree: ParameterScope) throws {
    backbone = try c.backbone.makeBackbone(from: tree.scope("backbone"))
    decoder = try Decoder(c, from: backbone.featureInfo, tree: tree)
    classes = c.classes
  }

  /// The feature pyramid; `nil` where the head reads the backbone's maps.
  package var neck: FeaturePyramidNetwork? {
    if case .pyramid(let neck, _, _) = decoder { neck } else { nil }
  }

  /// The head.
  package var head: any SegmentationHead {
    switch decoder {
    case .head(let head): head
    case .pyramid(_, let head, _): head
    }
  }

  /// - Parameter x: `[B, H, W, 3]`, normalised; both sides at least 32.
  /// - Returns: logits `[B, H', W', classes]` on the finest grid, a quarter of the input's.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    switch decoder {
    case .head(let head): head(backbone(x, pass), pass)
    case .pyramid(let neck, let head, let joints):
      head.mix(neck.merged(backbone(x, pass), pass), pass) { level, map in
        joints[level](map, pass)
      }
    }
  }

  /// Keys of a checkpoint that inference does not read.
  package static func ignoredKeys(_ c: SegmentorConfiguration) -> [IgnoredKeys] {
    c.backbone.ignoredKeys.map {
      IgnoredKeys(pattern: "backbone.\($0.pattern)", reason: $0.reason)
    } + [
      IgnoredKeys(pattern: "*.num_batches_tracked", reason: "a training counter"),
      IgnoredKeys(pattern: "auxiliary_head.*", reason: "an extra loss in training"),
    ]
  }
}
