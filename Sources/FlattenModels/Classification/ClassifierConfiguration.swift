import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig

/// The `model` section of a classifier's config: backbone and number of classes.
///
///     model:
///       backbone: { type: flatten_swin, variant: tiny }
///       classifier: { num_classes: 1000 }
package struct ClassifierConfiguration: TaskModelConfiguration {
  package static let sectionKey = "classifier"
  package static let weightsKeys = ["head.weight"]

  package let backbone: BackboneConfiguration
  /// The number of classes.
  package let classes: Int

  package init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    let map = try node.map(known: ["backbone", Self.sectionKey])
    backbone = try BackboneConfiguration(try map.required("backbone"), attentions: attentions)
    let classifier = try map.required(Self.sectionKey).map(known: ["num_classes"])
    classes = try classifier.required("num_classes").int(in: 1...65536)
  }

  package func translating(_ source: any ParameterSource) -> any ParameterSource {
    backbone.translating(source, below: "")
  }
}
