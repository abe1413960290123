import FlattenCheckpoint
import FlattenConfig

/// The `backbone` section of a config: a family and its numbers.
///
///     backbone:
///       type: flatten_swin
///       variant: tiny
///       attention: [focused, focused, softmax, softmax]
package struct BackboneConfiguration: Sendable {
  package let family: BackboneFamily
  private let numbers: BackboneNumbers

  /// Reads the section.
  ///
  /// - Parameter attentions: those that the config may ask for beside the family's own.
  /// - Throws: `ConfigError` naming the key.
  package init(_ node: ConfigNode, attentions: AttentionRegistry = AttentionRegistry()) throws {
    let map = try node.map()
    family = try map.required("type").choice(of: BackboneFamily.all, named: \.name)
    try map.finish(known: ["type", "variant"] + family.keys)
    numbers = try family.read(
      BackboneSection(map: map, family: family.name, attentions: attentions))
  }

  /// Channels of the input.
  package var inputChannels: Int { numbers.inputChannels }

  /// Blocks of each stage.
  package var depths: [Int] { numbers.depths }

  /// Keys that may be left over below the backbone's scope.
  package var ignoredKeys: [IgnoredKeys] { family.ignoredKeys + numbers.ignoredKeys }

  /// Builds the backbone. For classification it has the norm or the class token that its vector needs, and
  /// no norms of its maps.
  package func make(
    for purpose: BackbonePurpose, from tree: ParameterScope
  ) throws -> any ClassifyingBackbone {
    try numbers.make(purpose, tree)
  }

  /// A checkpoint under our names where other toolboxes spell this family's names differently.
  ///
  /// - Parameter scope: what the backbone's names begin with in the file: `backbone.`, or nothing.
  package func translating(
    _ source: any ParameterSource, below scope: String
  ) -> any ParameterSource {
    family.translation.map { TranslatedParameters(source, below: scope, $0) } ?? source
  }
}
