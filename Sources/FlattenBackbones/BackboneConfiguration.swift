import FlattenCheckpoint
import FlattenConfig

/// The `backbone` section of a config: a family and its numbers.
///
///     backbone:
///       type: flatten_swin
///       variant: tiny
///       attn_type: LLSS
package struct BackboneConfiguration: Sendable {
  /// The families, by their names in configs.
  package enum Family: String, CaseIterable, Sendable {
    /// FLatten-PVT, with a letter per stage.
    case flattenPVT = "flatten_pvt"
    /// FLatten-PVTv2, with a letter per stage.
    case flattenPVTv2 = "flatten_pvt_v2"
    /// FLatten-Swin, with a letter per stage.
    case flattenSwin = "flatten_swin"
    /// FLatten-CSwin, with a letter per stage.
    case flattenCSwin = "flatten_cswin"
    /// FLatten-DeiT, with one letter.
    case flattenDeiT = "flatten_deit"
    /// PVT as published.
    case pvt
    /// PVTv2 as published.
    case pvtV2 = "pvt_v2"
    /// Swin as published.
    case swin
    /// CSwin as published.
    case cswin
    /// DeiT as published.
    case deit

    /// Whether blocks may have focused linear attention.
    var isFlatten: Bool { rawValue.hasPrefix("flatten_") }
  }

  /// A family's numbers.
  package enum Numbers: Sendable {
    case pyramid(PyramidConfiguration)
    case pyramidV2(PyramidConfiguration)
    case swin(SwinConfiguration)
    case cswin(CSwinConfiguration)
    case vision(VisionTransformerConfiguration)
  }

  package let family: Family
  package let numbers: Numbers

  /// Reads the section.
  ///
  /// - Parameter attentions: what letters of `attn_type` beside L and S stand for.
  /// - Throws: `ConfigError` naming the key.
  package init(_ node: ConfigNode, attentions: AttentionRegistry = AttentionRegistry()) throws {
    let map = try node.map()
    let family = try map.required("type").choice(Family.self)
    self.family = family
    let isFlatten = family.isFlatten
    func variant<Variant>(_ variants: [String: Variant]) throws -> Variant? {
      guard let node = map.optional("variant") else { return nil }
      if let variant = variants[try node.string()] { return variant }
      throw node.error(
        expected: "one of \(variants.keys.sorted().joined(separator: ", ")) for this type")
    }
    func finish(_ keys: [String]) throws { try map.finish(known: ["type", "variant"] + keys) }

    switch family {
    case .flattenPVT, .pvt:
      try finish(PyramidConfiguration.keys)
      let variant = try variant(PyramidVisionTransformer.variants)
      numbers = .pyramid(try Self.pyramid(map, variant, family, attentions))
    case .flattenPVTv2, .pvtV2:
      try finish(PyramidConfiguration.keys)
      let variant = try variant(PyramidVisionTransformerV2.variants)
      numbers = .pyramidV2(try Self.pyramid(map, variant, family, attentions))
    case .flattenSwin, .swin:
      try finish(SwinConfiguration.keys)
      try Self.refuseLinear(map, family, ["attn_type", "focusing_factor", "kernel_size"])
      let variant = try variant(
        isFlatten ? SwinTransformer.flattenVariants : SwinTransformer.variants)
      numbers = .swin(
        try SwinConfiguration(
          map, variant: variant, isFlatten: isFlatten, attentions: attentions))
    case .flattenCSwin, .cswin:
      try finish(CSwinConfiguration.keys)
      try Self.refuseLinear(
        map, family, ["attn_type", "la_split_size", "focusing_factor", "kernel_size"])
      let variant = try variant(
        isFlatten ? CSwinTransformer.flattenVariants : CSwinTransformer.variants)
      numbers = .cswin(
        try CSwinConfiguration(
          map, variant: variant, isFlatten: isFlatten, attentions: attentions))
    case .flattenDeiT, .deit:
      try finish(VisionTransformerConfiguration.keys)
      try Self.refuseLinear(map, family, ["attn_type", "focusing_factor", "kernel_size"])
      let variant = try variant(
        isFlatten ? VisionTransformer.flattenVariants : VisionTransformer.variants)
      numbers = .vision(
        try VisionTransformerConfiguration(
          map, variant: variant, isFlatten: isFlatten, attentions: attentions))
    }
  }

  private static func pyramid(
    _ map: ConfigMap, _ variant: PyramidConfiguration?, _ family: Family,
    _ attentions: AttentionRegistry
  ) throws -> PyramidConfiguration {
    var pyramid = try PyramidConfiguration(map, variant: variant, attentions: attentions)
    try refuseLinear(map, family, ["attn_type", "la_sr_ratios"])
    if !family.isFlatten { pyramid.attention = [.softmax, .softmax, .softmax, .softmax] }
    return pyramid
  }

  /// Refuses keys of linear attention in a published softmax model.
  private static func refuseLinear(_ map: ConfigMap, _ family: Family, _ keys: [String]) throws {
    guard !family.isFlatten, let node = keys.lazy.compactMap({ map.optional($0) }).first else {
      return
    }
    throw node.error(
      found: "does not apply to the published softmax model",
      expected: "type flatten_\(family.rawValue)")
  }

  /// Channels of the input.
  package var inputChannels: Int {
    switch numbers {
    case .pyramid(let c), .pyramidV2(let c): c.inputChannels
    case .swin(let c): c.inputChannels
    case .cswin(let c): c.inputChannels
    case .vision(let c): c.inputChannels
    }
  }

  /// Builds the backbone for dense prediction from its parameters.
  package func makeBackbone(from tree: ParameterScope) throws -> any PyramidBackbone {
    try make(for: .densePrediction, from: tree)
  }

  /// Builds the backbone for classification: with the norm or the class token that its vector needs,
  /// without norms of its maps.
  package func makeClassifyingBackbone(
    from tree: ParameterScope
  ) throws -> any ClassifyingBackbone {
    try make(for: .classification, from: tree)
  }

  /// Builds the backbone for either purpose.
  package func make(
    for purpose: BackbonePurpose, from tree: ParameterScope
  ) throws -> any ClassifyingBackbone {
    switch numbers {
    case .pyramid(let c):
      try PyramidVisionTransformer(
        c,
        ending: family == .flattenPVT
          ? .meanOfTokens : purpose == .classification ? .classToken : .skippedClassToken,
        from: tree)
    case .pyramidV2(let c): try PyramidVisionTransformerV2(c, from: tree)
    case .swin(let c): try SwinTransformer(c, for: purpose, from: tree)
    case .cswin(let c): try CSwinTransformer(c, for: purpose, from: tree)
    case .vision(let c): try VisionTransformer(c, from: tree)
    }
  }

  /// Blocks of each stage.
  package var depths: [Int] {
    switch numbers {
    case .pyramid(let c), .pyramidV2(let c): c.depths
    case .swin(let c): c.depths
    case .cswin(let c): c.depths
    case .vision(let c): [c.depth]
    }
  }

  /// Keys that may be left over below the backbone's scope.
  package var ignoredKeys: [IgnoredKeys] {
    switch numbers {
    case .pyramid: PyramidVisionTransformer.ignoredKeys
    case .pyramidV2: PyramidVisionTransformerV2.ignoredKeys
    case .swin: SwinTransformer.ignoredKeys
    case .cswin: CSwinTransformer.ignoredKeys
    case .vision: VisionTransformer.ignoredKeys
    }
  }

  /// A checkpoint under our names where other toolboxes spell this family's names differently.
  ///
  /// - Parameter scope: what the backbone's names begin with in the file: `backbone.`, or nothing.
  package func translating(
    _ source: any ParameterSource, below scope: String
  ) -> any ParameterSource {
    switch numbers {
    case .pyramid:
      TranslatedParameters(
        source, below: scope, PyramidVisionTransformer.parameters(mmdetection:))
    case .pyramidV2:
      TranslatedParameters(
        source, below: scope, PyramidVisionTransformerV2.parameters(mmdetection:))
    case .swin:
      TranslatedParameters(source, below: scope, SwinTransformer.parameters(mmsegmentation:))
    case .cswin, .vision: source
    }
  }
}
