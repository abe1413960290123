import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig

/// The `model` section of a config: backbone, neck and head.
///
///     model:
///       backbone: { type: flatten_pvt, variant: tiny }
///       neck: { type: fpn, out_channels: 256 }
///       decode_head: { type: fpn_head, channels: 128, num_classes: 150, align_corners: false }
///
/// The heads `uper_head`, `segformer_head` and `efficientvit_head` take the backbone's maps: no `neck` then.
package struct SegmentorConfiguration: TaskModelConfiguration {
  package static let sectionKey = "decode_head"
  package static let weightsKeys = [
    "decode_head.conv_seg.weight", "head.output_ops.0.op_list.0.conv.weight",
  ]

  package enum NeckType: String, CaseIterable { case fpn }

  package let backbone: BackboneConfiguration
  /// Width of the neck's maps; `nil` where the head reads the backbone's.
  package let neckChannels: Int?
  package let head: HeadConfiguration

  package func translating(_ source: any ParameterSource) -> any ParameterSource {
    backbone.translating(source, below: "backbone.")
  }

  /// Scores a pixel.
  package var classes: Int { head.classes }

  /// Ids that a label map may hold: with a single score the background, 0, and the object, 1.
  package var labels: Int { max(head.classes, 2) }

  package init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    let map = try node.map(known: ["backbone", "neck", Self.sectionKey])
    backbone = try BackboneConfiguration(try map.required("backbone"), attentions: attentions)
    head = try HeadConfiguration(try map.required(Self.sectionKey))
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
