import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// A backbone and a linear layer over its summary of the picture, under the official key names.
package struct ImageClassifier: TaskModel {
  private let body: any ClassifyingBackbone
  private let classifier: Linear

  package var backbone: any PyramidBackbone { body }

  package init(_ c: ClassifierConfiguration, from tree: ParameterScope) throws {
    try self.init(c.backbone.make(for: .classification, from: tree), classes: c.classes, from: tree)
  }

  /// - Parameters:
  ///   - tree: the checkpoint's root; backbone keys have no prefix.
  package init(
    _ backbone: any ClassifyingBackbone, classes: Int, from tree: ParameterScope
  ) throws {
    body = backbone
    classifier = try Linear(
      in: backbone.pooledChannels, out: classes, bias: true, from: tree.scope("head"))
  }

  /// - Parameter x: `[B, H, W, 3]`, normalised.
  /// - Returns: the summary `[B, C]` and the logits `[B, classes]`.
  package func callAsFunction(
    _ x: Tensor, _ pass: ForwardPass
  ) -> (features: Tensor, logits: Tensor) {
    let features = body.pooled(x, pass)
    return (features, classifier(features, pass))
  }

  /// The logits.
  package static func scores(of output: (features: Tensor, logits: Tensor)) -> [Tensor] {
    [output.logits]
  }

  package func encode(_ x: Tensor, _ pass: ForwardPass) { _ = body.pooled(x, pass) }

  /// Keys of a checkpoint that classification does not read: those of the backbone, but for the
  /// classifier, which to a backbone alone is one of them.
  package static func ignoredKeys(_ c: ClassifierConfiguration) -> [IgnoredKeys] {
    c.backbone.ignoredKeys.filter { !$0.pattern.hasPrefix("head") } + [
      IgnoredKeys(pattern: "*.num_batches_tracked", reason: "a training counter")
    ]
  }
}
