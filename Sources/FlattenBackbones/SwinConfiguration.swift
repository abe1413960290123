import FlattenConfig
import FlattenNN

/// The numbers of Swin and FLatten-Swin, under the upstream names.
package struct SwinConfiguration: Sendable {
  /// How softmax windows treat a map that is not larger than they are.
  package enum SmallMaps: String, CaseIterable, Sendable {
    /// Windows end where the map does, and are not shifted: the official models.
    case cut
    /// The map is padded to a window, and every second block shifts all the same: mmsegmentation and
    /// mmdetection, whose checkpoints were trained so.
    case padded
  }

  /// The numbers that all families have; the picture size tells which windows were the whole map.
  package var common = BlockNumbers(normEpsilon: 1e-5)
  /// Side of a patch, in pixels.
  package var patchSize = 4
  /// Channels of the first stage; each next has twice as many.
  package var embedDim: Int
  /// Blocks of each stage.
  package var depths: [Int]
  /// Heads of each stage.
  package var heads: [Int]
  /// Side of softmax windows.
  package var softmaxWindow = 7
  /// Side of linear windows.
  package var linearWindow = 56
  /// The attention of each stage.
  package var attention: [AttentionChoice]
  /// Whether each map goes through a norm of its own (`norm0` ...), as mmsegmentation has it; `nil`
  /// where the file decides.
  package var hasOutputNorms: Bool?
  /// The stages whose maps are handed out, finest first; the others have no norm of their own.
  package var outputs: [Int]
  /// The rule of small maps in dense prediction; classification always cuts.
  package var smallMaps = SmallMaps.cut

  package init(embedDim: Int, depths: [Int], heads: [Int], attention: [AttentionChoice]) {
    self.embedDim = embedDim
    self.depths = depths
    self.heads = heads
    self.attention = attention
    outputs = Array(depths.indices)
  }

  /// The keys a config may set, beside `type` and `variant`.
  static let keys =
    BlockNumbers.keys + [
      "patch_size", "embed_dim", "depths", "num_heads", "window_size", "ape", "patch_norm",
      "attn_type", "attention", "out_norms", "out_indices", "small_maps",
    ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Parameter isFlatten: whether stages may be linear. Upstream: models/flatten_swin.py:469,
  ///   `window_size` is then that of linear blocks, and softmax blocks have windows of 7, or of 12 where
  ///   `window_size` exceeds 56.
  /// - Throws: `ConfigError` naming the key.
  init(
    _ section: BackboneSection, variants: [String: SwinConfiguration], isFlatten: Bool
  ) throws {
    if !isFlatten { try section.refuseLinearKeys() }
    let (map, variant) = (section.map, try section.variant(variants))
    let depths = try map.stageInts("depths", in: 1...64, variant?.depths)
    let heads = try map.stageInts("num_heads", in: 1...128, variant?.heads, count: depths.count)
    let embedDim =
      try map.optional("embed_dim")?.int(in: 1...4096) ?? variant?.embedDim
      ?? map.required("embed_dim").int(in: 1...4096)
    let given = variant?.attention ?? depths.map { _ in isFlatten ? .focused : .softmax }
    let attention = try map.attentions(given, count: depths.count, section.attentions)
    self.init(embedDim: embedDim, depths: depths, heads: heads, attention: attention)
    if let variant {
      common.imageSize = variant.common.imageSize
      softmaxWindow = variant.softmaxWindow
      linearWindow = variant.linearWindow
    }
    try common.read(section, depths: depths)
    if let window = try map.optional("window_size")?.int(in: 1...1024) {
      linearWindow = window
      softmaxWindow = !isFlatten ? window : window <= 56 ? 7 : 12
    }
    patchSize = try map.optional("patch_size")?.int(in: 1...32) ?? patchSize
    hasOutputNorms = try map.optional("out_norms")?.bool()
    if let node = map.optional("out_indices") {
      outputs = try node.ints(in: 0...depths.count - 1)
      guard let last = outputs.last, last == depths.count - 1,
        zip(outputs, outputs.dropFirst()).allSatisfy(<)
      else {
        throw node.error(
          found: "is \(outputs)", expected: "rising numbers that end with the last stage's")
      }
    }
    smallMaps = try map.optional("small_maps")?.choice() ?? (isFlatten ? .cut : .padded)
    // No published model has the first, all have the second.
    try map.refuse("ape", otherThan: false)
    try map.refuse("patch_norm", otherThan: true)
    try map.checkHeads(heads, channels: depths.indices.map(channels))
  }

  /// Channels of a stage.
  package func channels(_ stage: Int) -> Int { embedDim << stage }

  /// Side of a stage's map at the picture size the model was built for.
  package func nativeSide(_ stage: Int) -> Int { max(1, (common.imageSize / patchSize) >> stage) }

  /// The pyramid: each stage halves the map.
  package var featureInfo: [FeatureInfo] {
    outputs.map { FeatureInfo(channels: channels($0), stride: patchSize << $0) }
  }
}
