import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor

/// Turns the maps of a backbone or a neck into a score per class and pixel.
package protocol SegmentationHead: Sendable {
  /// - Parameter maps: `[B, H, W, C]` each, finest first.
  /// - Returns: logits `[B, H, W, classes]`, on the finest grid or, of EfficientViT's head, on the second.
  func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> Tensor
}

/// The `decode_head` section of a config: which head, and the numbers that all heads have.
package struct HeadConfiguration: Sendable {
  /// The heads and what only they need.
  package enum Kind: Sendable, Equatable {
    /// ``SemanticFPNHead``, after a feature pyramid.
    case semanticFPN
    /// ``UPerHead``, whose grids of pooled context have `poolScales` cells a side.
    case uper(poolScales: [Int])
    /// ``AllMLPHead``.
    case allMLP
    /// ``EfficientViTHead``.
    case efficientViT(EfficientViTHeadConfiguration)
  }

  private enum TypeName: String, CaseIterable {
    case fpn = "fpn_head"
    case uper = "uper_head"
    case segformer = "segformer_head"
    case efficientViT = "efficientvit_head"
  }

  package let kind: Kind
  /// Width of every convolution.
  package let channels: Int
  /// Scores a pixel: one a class, or a single one for an object against the background.
  package let classes: Int
  /// With a single score, the probability above which a pixel is the object.
  package let threshold: Float
  /// How resizes place their samples.
  package let alignCorners: Bool
  /// Of the batch norms.
  package let normEpsilon: Float
  /// What is said where the backbone has too few maps.
  private let tooFewMaps: ConfigError

  /// Whether the head reads the maps of a neck; the others read the backbone's.
  package var needsNeck: Bool { kind == .semanticFPN }

  /// What the head's names begin with in checkpoints.
  package var scope: String {
    if case .efficientViT = kind { return "head" }
    return "decode_head"
  }

  /// Reads the section.
  ///
  /// - Throws: `ConfigError` naming the key.
  package init(_ node: ConfigNode) throws {
    let typeNode = try node.map().required("type")
    let type = try typeNode.choice(TypeName.self)
    tooFewMaps = typeNode.error(
      found: "reads three maps", expected: "a backbone that gives as many")
    let map = try node.map(
      known: ["type", "channels", "num_classes", "align_corners", "norm_eps"]
        + ["out_channels", "threshold"] + (type == .uper ? ["pool_scales"] : [])
        + (type == .efficientViT ? EfficientViTHeadConfiguration.keys : []))
    switch type {
    case .fpn: kind = .semanticFPN
    case .segformer: kind = .allMLP
    case .efficientViT: kind = .efficientViT(try EfficientViTHeadConfiguration(map))
    case .uper:
      // As many grids as there are numbers.
      let scales = try map.optional("pool_scales")?.list().map { try $0.int(in: 1...64) }
      kind = .uper(poolScales: scales ?? [1, 2, 3, 6])
    }
    channels = try map.required("channels").int(in: 1...4096)
    let named = try map.required("num_classes").int(in: 1...4096)
    classes = try map.optional("out_channels")?.int(in: 1...4096) ?? named
    if classes != named, let outputs = map.optional("out_channels"), classes != 1 || named != 2 {
      throw outputs.error(
        found: "is \(classes)", expected: "num_classes, or 1 where num_classes is 2")
    }
    // Upstream: mmseg/models/decode_heads/decode_head.py, the default for one output.
    threshold = Float(try map.optional("threshold")?.double(in: 0...1) ?? 0.3)
    if let threshold = map.optional("threshold"), classes > 1 {
      throw threshold.error(
        found: "has no meaning with \(classes) scores a pixel",
        expected: "one score, or no threshold")
    }
    alignCorners = try map.optional("align_corners")?.bool() ?? false
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? 1e-5)
  }

  /// Builds the head for the maps that it will get.
  package func makeHead(
    from inputs: [FeatureInfo], tree: ParameterScope
  ) throws -> any SegmentationHead {
    switch kind {
    case .semanticFPN: return try SemanticFPNHead(self, from: inputs, tree: tree)
    case .uper(let scales): return try UPerHead(self, poolScales: scales, from: inputs, tree: tree)
    case .allMLP: return try AllMLPHead(self, from: inputs, tree: tree)
    case .efficientViT(let own):
      guard inputs.count >= 3 else { throw tooFewMaps }
      return try EfficientViTHead(self, own, from: inputs, tree: tree)
    }
  }
}

extension HeadConfiguration {
  /// The unit that heads consist of: a convolution that keeps the size, its batch norm, ReLU.
  ///
  /// - Parameters:
  ///   - kernel: 1 or 3.
  ///   - tree: holds `conv` and `bn`.
  func module(in inputs: Int, kernel: Int, from tree: ParameterScope) throws -> Conv2D {
    try Conv2D(
      in: inputs, out: channels, ConvolutionGeometry(kernel: kernel, padding: kernel / 2),
      following: .batchNorm(epsilon: normEpsilon, key: "bn"), activation: .relu, key: "conv",
      from: tree)
  }

  /// The last layer of a head, `conv_seg`: from its width to the classes.
  func classifier(from tree: ParameterScope) throws -> Conv2D {
    try Conv2D(
      in: channels, out: classes, ConvolutionGeometry(kernel: 1), from: tree.scope("conv_seg"))
  }
}
