import FlattenCheckpoint
import FlattenConfig

/// A family of backbones: its name in configs, the keys it reads there and in checkpoints, and how it is
/// built.
package struct BackboneFamily: Sendable {
  /// In configs, such as `flatten_swin`.
  package let name: String
  /// The config keys it has beside `type` and `variant`.
  let keys: [String]
  /// Keys of checkpoints that dense prediction may leave unread.
  let ignoredKeys: [IgnoredKeys]
  /// Our parameters for a key of another toolbox; `nil` where none spells this family differently.
  let translation: (@Sendable (String) -> [TranslatedParameter])?
  /// Reads the `backbone` section of a config.
  let read: @Sendable (BackboneSection) throws -> BackboneNumbers

  /// All families. To add one, write it into a file of its own and name it here.
  package static let all: [BackboneFamily] = [
    .flattenPVT, .flattenPVTv2, .flattenSwin, .flattenCSwin, .flattenDeiT, .pvt, .pvtV2, .swin,
    .cswin, .deit, .agentPVT, .inlinePVT, .vvt, .ravlt, .mlla, .efficientViT,
    .efficientViTLarge,
  ]
}

/// A backbone's numbers, which its family makes of a section of a config.
package struct BackboneNumbers: Sendable {
  /// Channels of the input.
  let inputChannels: Int
  /// Blocks of each stage.
  let depths: [Int]
  /// Keys of checkpoints that a model with these numbers may leave unread, beside the family's.
  var ignoredKeys: [IgnoredKeys] = []
  /// Builds the backbone from its parameters.
  let make: @Sendable (BackbonePurpose, ParameterScope) throws -> any ClassifyingBackbone
}

/// The `backbone` section of a config, as families read it.
struct BackboneSection {
  let map: ConfigMap
  /// The family's name.
  let family: String
  let attentions: AttentionRegistry

  /// The numbers that a config's `variant` names, or `nil` where it names none.
  func variant<Variant>(_ variants: [String: Variant]) throws -> Variant? {
    guard let node = map.optional("variant") else { return nil }
    if let variant = variants[try node.string()] { return variant }
    throw node.error(
      expected: "one of \(variants.keys.sorted().joined(separator: ", ")) for this type")
  }

  /// Refuses the keys of linear attention, and more of the kind, in a published softmax model.
  func refuseLinearKeys(and more: [String] = []) throws {
    guard let node = (more + BlockNumbers.linearKeys).lazy.compactMap({ map.optional($0) }).first
    else { return }
    throw node.error(
      found: "does not apply to the published softmax model", expected: "type flatten_\(family)")
  }
}

/// The numbers that the blocks of all families have.
package struct BlockNumbers: Sendable {
  /// The picture size that the model was built for, in pixels: what tables of positions fit.
  package var imageSize = 224
  /// Input channels.
  package var inputChannels = 3
  /// Hidden width of the MLPs, in units of the stage's channels.
  package var mlpRatio = 4.0
  /// Whether q, k and v have a bias.
  package var qkvBias = true
  /// Of all norms but those that have one of their own.
  package var normEpsilon: Float
  /// The paper's p.
  package var focusingFactor = 3
  /// Window of the linear attention's depthwise convolution.
  package var kernel = 5
  /// What the names of attentions stand for.
  package var attentions = AttentionRegistry()
  /// The blocks that take the attention of the one before.
  package var skipped = SkippedAttention()

  init(normEpsilon: Float) { self.normEpsilon = normEpsilon }

  /// The keys of a config that set them; a family may leave out `mlp_ratio`.
  static let keys = [
    "img_size", "in_chans", "mlp_ratio", "qkv_bias", "norm_eps", "focusing_factor", "kernel_size",
    "skip_attention",
  ]
  /// The keys of linear attention, which published softmax models do not have.
  static let linearKeys = ["attn_type", "attention", "focusing_factor", "kernel_size"]

  /// Reads a config's keys over what is there.
  ///
  /// - Parameter depths: blocks of each stage.
  mutating func read(
    _ section: BackboneSection, depths: [Int], imageSizes: ClosedRange<Int> = 8...8192
  ) throws {
    let map = section.map
    imageSize = try map.optional("img_size")?.int(in: imageSizes) ?? imageSize
    inputChannels = try map.optional("in_chans")?.int(in: 1...16) ?? inputChannels
    mlpRatio = try map.optional("mlp_ratio")?.double(in: 0.25...16) ?? mlpRatio
    qkvBias = try map.optional("qkv_bias")?.bool() ?? qkvBias
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? Double(normEpsilon))
    focusingFactor = try map.optional("focusing_factor")?.int(in: 1...32) ?? focusingFactor
    kernel = try map.oddKernel() ?? kernel
    attentions = section.attentions
    skipped = try SkippedAttention(map.optional("skip_attention"), depths: depths)
  }
}
