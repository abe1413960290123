import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig

/// The `model` section of a classifier's config: backbone and number of classes.
///
///     model:
///       backbone: { type: flatten_swin, variant: tiny }
///       classifier: { num_classes: 1000 }
package struct ClassifierConfiguration: Sendable {
  package let backbone: BackboneConfiguration
  /// The number of classes.
  package let classes: Int

  /// Reads the section.
  ///
  /// - Throws: `ConfigError` naming the key.
  package init(_ node: ConfigNode) throws {
    let map = try node.map(known: ["backbone", "classifier"])
    backbone = try BackboneConfiguration(try map.required("backbone"))
    let classifier = try map.required("classifier").map(known: ["num_classes"])
    classes = try classifier.required("num_classes").int(in: 1...65536)
  }

  /// A checkpoint under our names where another toolbox wrote it.
  package func translating(_ source: any ParameterSource) -> any ParameterSource {
    backbone.translating(source, below: "")
  }
}

extension ImageClassifier {
  /// Builds the model; the caller ends the loading with `ParameterTree.finish`.
  package init(_ c: ClassifierConfiguration, from tree: ParameterScope) throws {
    try self.init(
      c.backbone.makeClassifyingBackbone(from: tree), classes: c.classes, from: tree)
  }

  /// Keys of a checkpoint that classification does not read: those of the backbone, but for the
  /// classifier, which to a backbone alone is one of them.
  package static func ignoredKeys(_ c: ClassifierConfiguration) -> [IgnoredKeys] {
    c.backbone.ignoredKeys.filter { !$0.pattern.hasPrefix("head") }
  }
}
