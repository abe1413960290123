import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// A backbone and a linear layer over its summary of the picture, under the official key names.
package struct ImageClassifier: Sendable {
  package let backbone: any ClassifyingBackbone
  private let classifier: Linear

  /// - Parameters:
  ///   - tree: the checkpoint's root; backbone keys have no prefix.
  package init(
    _ backbone: any ClassifyingBackbone, classes: Int, from tree: ParameterScope
  ) throws {
    self.backbone = backbone
    classifier = try Linear(
      in: backbone.pooledChannels, out: classes, bias: true, from: tree.scope("head"))
  }

  /// - Parameter x: `[B, H, W, 3]`, normalised.
  /// - Returns: the summary `[B, C]` and the logits `[B, classes]`.
  package func callAsFunction(
    _ x: Tensor, _ pass: ForwardPass
  ) -> (features: Tensor, logits: Tensor) {
    let features = backbone.pooled(x, pass)
    return (features, classifier(features, pass))
  }
}
