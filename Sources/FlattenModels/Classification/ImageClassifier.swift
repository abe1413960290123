import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// A backbone and a classifier, under the official key names: a linear layer over the backbone's summary of the
/// picture, or EfficientViT's layers over its last map.
package struct ImageClassifier: TaskModel {
  private enum Head: Sendable {
    case linear(Linear)
    case efficientViT(EfficientViTClassifier)
  }

  private let body: any ClassifyingBackbone
  private let head: Head

  package var backbone: any PyramidBackbone { body }

  package init(_ c: ClassifierConfiguration, from tree: ParameterScope) throws {
    let place = c.scope.map { tree.scope($0) } ?? tree
    let body = try c.backbone.make(for: .classification, from: place)
    self.body = body
    head =
      try c.efficientViT.map { own in
        let channels = body.featureInfo[body.featureInfo.count - 1].channels
        return .efficientViT(
          try EfficientViTClassifier(
            own, in: channels, classes: c.classes, from: tree.scope("head")))
      } ?? Self.linear(body, classes: c.classes, from: tree)
  }

  /// A model whose classifier is one linear layer.
  ///
  /// - Parameters:
  ///   - tree: the checkpoint's root; backbone keys have no prefix.
  package init(
    _ backbone: any ClassifyingBackbone, classes: Int, from tree: ParameterScope
  ) throws {
    body = backbone
    head = try Self.linear(backbone, classes: classes, from: tree)
  }

  private static func linear(
    _ body: any ClassifyingBackbone, classes: Int, from tree: ParameterScope
  ) throws -> Head {
    .linear(try Linear(in: body.pooledChannels, out: classes, bias: true, from: tree.scope("head")))
  }

  /// - Parameter x: `[B, H, W, 3]`, normalised.
  /// - Returns: what the last layer reads, `[B, C]`, and the logits `[B, classes]`.
  package func callAsFunction(
    _ x: Tensor, _ pass: ForwardPass
  ) -> (features: Tensor, logits: Tensor) {
    switch head {
    case .linear(let classifier):
      let features = body.pooled(x, pass)
      return (features, classifier(features, pass))
    case .efficientViT(let classifier):
      let maps = body(x, pass)
      return classifier(maps[maps.count - 1], pass)
    }
  }

  /// The logits.
  package static func scores(of output: (features: Tensor, logits: Tensor)) -> [Tensor] {
    [output.logits]
  }

  package func encode(_ x: Tensor, _ pass: ForwardPass) { _ = body.pooled(x, pass) }

  /// Keys of a checkpoint that classification does not read: those of the backbone, but for the
  /// classifier, which to a backbone alone is one of them.
  package static func ignoredKeys(_ c: ClassifierConfiguration) -> [IgnoredKeys] {
    let prefix = c.scope.map { $0 + "." } ?? ""
    return c.backbone.ignoredKeys.filter { !$0.pattern.hasPrefix("head") }.map {
      IgnoredKeys(pattern: prefix + $0.pattern, reason: $0.reason)
    } + [IgnoredKeys(pattern: "*num_batches_tracked", reason: "a training counter")]
  }
}
