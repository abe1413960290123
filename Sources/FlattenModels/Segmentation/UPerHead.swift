// The head of UPerNet (arXiv 1807.10221) with the semantics and key names of mmsegmentation 1.2.2,
// mmseg/models/decode_heads/uper_head.py and psp_head.py.
//
// B batch, H W grid of the finest level, h w of the coarsest, D the head's width, L levels.
//
// What surprises:
// - the top-down path enlarges bilinearly, where FeaturePyramidNetwork takes the nearest neighbour;
// - the coarsest level has no lateral convolution, and its fused map no convolution of its own: what
//   comes out of the pooled context takes both places;
// - in `psp_modules.i.j` the pooling is j = 0 and has no parameters; the convolution is j = 1.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Adds context pooled from the whole picture to the coarsest level, passes it down to the finer ones
/// and classifies all levels together.
package struct UPerHead: SegmentationHead {
  private let context: PyramidPooling
  private let laterals: [Conv2D]
  private let outputs: [Conv2D]
  private let fusion: Conv2D
  private let classifier: Conv2D
  private let alignCorners: Bool
  private let path: String

  package init(
    _ c: HeadConfiguration, poolScales: [Int], from inputs: [FeatureInfo], tree: ParameterScope
  ) throws {
    context = try PyramidPooling(
      c, scales: poolScales, in: inputs.last?.channels ?? 0, from: tree)
    laterals = try inputs.dropLast().enumerated().map { level, input in
      try c.module(
        in: input.channels, kernel: 1, from: tree.scope("lateral_convs").scope(level))
    }
    outputs = try laterals.indices.map { level in
      try c.module(in: c.channels, kernel: 3, from: tree.scope("fpn_convs").scope(level))
    }
    fusion = try c.module(
      in: inputs.count * c.channels, kernel: 3, from: tree.scope("fpn_bottleneck"))
    classifier = try c.classifier(from: tree)
    alignCorners = c.alignCorners
    path = tree.path
  }

  package func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> Tensor {
    var coarser = context(maps[laterals.count], pass)  // [B, h, w, D]
    var levels = [coarser]  // coarsest first
    for level in laterals.indices.reversed() {
      let lateral = laterals[level](maps[level], pass)
      coarser = pass.addResized(
        lateral, [coarser], alignCorners: alignCorners,
        layer: "\(path).lateral_convs.\(level).sum")
      levels.append(coarser)
    }
    levels.reverse()
    for level in outputs.indices { levels[level] = outputs[level](levels[level], pass) }
    let all = pass.concatenatedResized(  // [B, H, W, L D]
      levels, alignCorners: alignCorners, layer: "\(path).fpn_bottleneck.input")
    return classifier(fusion(all, pass), pass)  // [B, H, W, classes]
  }
}

/// The pyramid pooling module of PSPNet (arXiv 1612.01105): a map beside its means over grids of few
/// cells, mixed by a 3x3 convolution.
struct PyramidPooling: Sendable {
  private let scales: [Int]
  private let modules: [Conv2D]
  private let mix: Conv2D
  private let alignCorners: Bool
  private let path: String

  init(
    _ c: HeadConfiguration, scales: [Int], in channels: Int, from tree: ParameterScope
  ) throws {
    self.scales = scales
    modules = try scales.indices.map { index in
      try c.module(
        in: channels, kernel: 1, from: tree.scope("psp_modules").scope(index).scope(1))
    }
    mix = try c.module(
      in: channels + scales.count * c.channels, kernel: 3, from: tree.scope("bottleneck"))
    alignCorners = c.alignCorners
    path = tree.path
  }

  /// `[B, h, w, C]` to `[B, h, w, D]`.
  func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    var maps = [x]
    for (index, scale) in scales.enumerated() {
      let pooled = pass.adaptiveAveragePool(
        x, size: scale, layer: "\(path).psp_modules.\(index).0")
      maps.append(modules[index](pooled, pass))  // [B, scale, scale, D]
    }
    let all = pass.concatenatedResized(  // [B, h, w, C + 4 D]
      maps, alignCorners: alignCorners, layer: "\(path).bottleneck.input")
    return mix(all, pass)
  }
}
