// The all-MLP decoder of SegFormer (arXiv 2105.15203) with the semantics and key names of mmsegmentation
// 1.2.2, mmseg/models/decode_heads/segformer_head.py.
//
// B batch, H W grid of the finest level, D the head's width, L levels.
//
// What surprises: the paper's linear layers per level have a batch norm and a ReLU here.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Brings all levels to one width and to the finest grid, and mixes and classifies each pixel by itself.
package struct AllMLPHead: SegmentationHead {
  private let levels: [Conv2D]
  private let fusion: Conv2D
  private let classifier: Conv2D
  private let alignCorners: Bool
  private let path: String

  package init(_ c: HeadConfiguration, from inputs: [FeatureInfo], tree: ParameterScope) throws {
    levels = try inputs.enumerated().map { level, input in
      try c.module(in: input.channels, kernel: 1, from: tree.scope("convs").scope(level))
    }
    fusion = try c.module(
      in: inputs.count * c.channels, kernel: 1, from: tree.scope("fusion_conv"))
    classifier = try c.classifier(from: tree)
    alignCorners = c.alignCorners
    path = tree.path
  }

  package func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> Tensor {
    var projected: [Tensor] = []  // [B, h, w, D] each
    for (level, map) in zip(levels, maps) { projected.append(level(map, pass)) }
    let all = pass.concatenatedResized(  // [B, H, W, L D]
      projected, alignCorners: alignCorners, layer: "\(path).fusion_conv.input")
    return classifier(fusion(all, pass), pass)  // [B, H, W, classes]
  }
}
