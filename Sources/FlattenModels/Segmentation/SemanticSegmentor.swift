import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// A backbone, a feature pyramid where the head wants one, and a segmentation head under mmsegmentation's
/// key names.
package struct SemanticSegmentor: TaskModel {
  package let backbone: any PyramidBackbone
  /// `nil` where the head reads the backbone's maps.
  package let neck: FeaturePyramidNetwork?
  package let head: any SegmentationHead
  package let classes: Int

  /// Builds the model; the caller ends the loading with `ParameterTree.finish`.
  package init(_ c: SegmentorConfiguration, from tree: ParameterScope) throws {
    backbone = try c.backbone.make(for: .densePrediction, from: tree.scope("backbone"))
    let maps = backbone.featureInfo
    neck = try c.neckChannels.map {
      try FeaturePyramidNetwork(from: maps, channels: $0, tree: tree.scope("neck"))
    }
    head = try c.head.makeHead(
      from: neck?.featureInfo ?? maps, tree: tree.scope(c.head.scope))
    classes = c.classes
  }

  init(
    backbone: any PyramidBackbone, neck: FeaturePyramidNetwork?, head: any SegmentationHead,
    classes: Int
  ) {
    self.backbone = backbone
    self.neck = neck
    self.head = head
    self.classes = classes
  }

  /// - Parameter x: `[B, H, W, 3]`, normalised; both sides at least 32.
  /// - Returns: logits `[B, H', W', classes]`, on a quarter of the input's grid or, of EfficientViT's head, an
  ///   eighth.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    let maps = backbone(x, pass)
    return head(neck?(maps, pass) ?? maps, pass)
  }

  /// The logits.
  package static func scores(of output: Tensor) -> [Tensor] { [output] }

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
