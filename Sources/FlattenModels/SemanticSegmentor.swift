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
package struct SegmentorConfiguration: Sendable {
  package enum NeckType: String, CaseIterable { case fpn }
  package enum HeadType: String, CaseIterable { case fpnHead = "fpn_head" }

  package let backbone: BackboneConfiguration
  /// Width of the neck's maps.
  package let neckChannels: Int
  package let head: SemanticFPNHead.Configuration

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
    let neck = try map.required("neck").map(known: ["type", "out_channels"])
    _ = try neck.optional("type")?.choice(NeckType.self)
    neckChannels = try neck.required("out_channels").int(in: 1...4096)
    let head = try map.required("decode_head").map(
      known: ["type", "channels", "num_classes", "align_corners", "norm_eps"])
    _ = try head.required("type").choice(HeadType.self)
    self.head = SemanticFPNHead.Configuration(
      channels: try head.required("channels").int(in: 1...4096),
      classes: try head.required("num_classes").int(in: 1...4096),
      alignCorners: try head.optional("align_corners")?.bool() ?? false,
      normEpsilon: Float(try head.optional("norm_eps")?.double(in: 0...1) ?? 1e-5))
  }
}

/// A backbone, a feature pyramid and a segmentation head under mmsegmentation's key names.
package struct SemanticSegmentor: Sendable {
  package let backbone: any PyramidBackbone
  package let neck: FeaturePyramidNetwork
  package let head: SemanticFPNHead
  package let classes: Int

  /// Builds the model; the caller ends the loading with `ParameterTree.finish`.
  package init(_ c: SegmentorConfiguration, from tree: ParameterScope) throws {
    backbone = try c.backbone.makeBackbone(from: tree.scope("backbone"))
    neck = try FeaturePyramidNetwork(
      from: backbone.featureInfo, channels: c.neckChannels, tree: tree.scope("neck"))
    head = try SemanticFPNHead(c.head, from: neck.featureInfo, tree: tree.scope("decode_head"))
    classes = c.classes
  }

  /// - Parameter x: `[B, H, W, 3]`, normalised; both sides at least 32.
  /// - Returns: logits `[B, H', W', classes]` on the finest grid, a quarter of the input's.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    head(neck(backbone(x, pass), pass), pass)
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
