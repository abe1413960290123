import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenTensor

/// The `model` section of a classifier's config: backbone and number of classes.
///
///     model:
///       backbone: { type: flatten_swin, variant: tiny }
///       classifier: { num_classes: 1000 }
///
/// The classifier is one linear layer, `type: linear`, or EfficientViT's, `type: efficientvit_head`.
package struct ClassifierConfiguration: TaskModelConfiguration {
  package static let sectionKey = "classifier"
  package static let weightsKeys = ["head.weight", "head.op_list.3.linear.weight"]

  /// The numbers of EfficientViT's classifier.
  package struct EfficientViTHead: Sendable {
    /// Of the convolution and of the hidden layer.
    let widths: [Int]
    let activation: Activation
    let normEpsilon: Float
  }

  private enum TypeName: String, CaseIterable {
    case linear
    case efficientViT = "efficientvit_head"
  }

  package let backbone: BackboneConfiguration
  /// The number of classes.
  package let classes: Int
  /// `nil` where the classifier is one linear layer.
  package let efficientViT: EfficientViTHead?

  package init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    let map = try node.map(known: ["backbone", Self.sectionKey])
    backbone = try BackboneConfiguration(try map.required("backbone"), attentions: attentions)
    let section = try map.required(Self.sectionKey)
    let type = try section.map().optional("type")?.choice(TypeName.self) ?? .linear
    let classifier = try section.map(
      known: ["type", "num_classes"]
        + (type == .efficientViT ? ["head_widths", "act_func", "norm_eps"] : []))
    efficientViT =
      type == .linear
      ? nil
      : EfficientViTHead(
        widths: try classifier.required("head_widths").ints(count: 2, in: 1...65536),
        activation: try classifier.required("act_func").choice(ActivationName.self).activation,
        normEpsilon: Float(try classifier.required("norm_eps").double(in: 0...1)))
    classes = try classifier.required("num_classes").int(in: 1...65536)
  }

  /// What the backbone's names begin with in checkpoints: nothing, but for EfficientViT's.
  package var scope: String? { efficientViT == nil ? nil : "backbone" }

  package func translating(_ source: any ParameterSource) -> any ParameterSource {
    backbone.translating(source, below: scope.map { "\($0)." } ?? "")
  }
}
