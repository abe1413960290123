import FlattenCheckpoint
import FlattenConfig

/// The `backbone` section of a config: a family and its numbers.
///
///     backbone:
///       type: flatten_pvt
///       variant: tiny
///       attn_type: LLLL
package struct BackboneConfiguration: Sendable {
  /// The families, by their names in configs.
  package enum Family: String, CaseIterable, Sendable {
    /// FLatten-PVT, with a letter per stage.
    case flattenPVT = "flatten_pvt"
    /// FLatten-PVTv2, with a letter per stage.
    case flattenPVTv2 = "flatten_pvt_v2"
    /// PVT as published.
    case pvt
    /// PVTv2 as published.
    case pvtV2 = "pvt_v2"
  }

  package let family: Family
  package let pyramid: PyramidConfiguration

  /// Reads the section.
  ///
  /// - Throws: `ConfigError` naming the key.
  package init(_ node: ConfigNode) throws {
    let map = try node.map(known: ["type", "variant"] + PyramidConfiguration.keys)
    family = try map.required("type").choice(Family.self)
    let variants =
      switch family {
      case .flattenPVT, .pvt: PyramidVisionTransformer.variants
      case .flattenPVTv2, .pvtV2: PyramidVisionTransformerV2.variants
      }
    var variant: PyramidConfiguration?
    if let node = map.optional("variant") {
      variant = variants[try node.string()]
      if variant == nil {
        throw node.error(
          expected: "one of \(variants.keys.sorted().joined(separator: ", ")) for this type")
      }
    }
    var pyramid = try PyramidConfiguration(map, variant: variant)
    if family == .pvt || family == .pvtV2 {
      if let node = map.optional("attn_type") ?? map.optional("la_sr_ratios") {
        throw node.error(
          found: "does not apply to the published softmax model",
          expected: "type flatten_\(family.rawValue)")
      }
      pyramid.attention = [.softmax, .softmax, .softmax, .softmax]
    }
    self.pyramid = pyramid
  }

  /// Builds the backbone from its parameters.
  package func makeBackbone(from tree: ParameterScope) throws -> any ClassifyingBackbone {
    switch family {
    case .flattenPVT:
      try PyramidVisionTransformer(pyramid, ending: .meanOfTokens, from: tree)
    case .pvt:
      try PyramidVisionTransformer(pyramid, ending: .skippedClassToken, from: tree)
    case .flattenPVTv2, .pvtV2:
      try PyramidVisionTransformerV2(pyramid, from: tree)
    }
  }

  /// Keys that may be left over below the backbone's scope.
  package var ignoredKeys: [IgnoredKeys] {
    switch family {
    case .flattenPVT, .pvt: PyramidVisionTransformer.ignoredKeys
    case .flattenPVTv2, .pvtV2: PyramidVisionTransformerV2.ignoredKeys
    }
  }
}
