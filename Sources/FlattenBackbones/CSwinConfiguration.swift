import FlattenConfig
import FlattenNN

/// The numbers of CSwin and FLatten-CSwin, under the upstream names.
package struct CSwinConfiguration: Sendable {
  /// The numbers that all families have.
  package var common = BlockNumbers(normEpsilon: 1e-5)
  /// Channels of the first stage; each next has twice as many.
  package var embedDim: Int
  /// Blocks of each stage.
  package var depths: [Int]
  /// Heads of each stage.
  package var heads: [Int]
  /// Width of each stage's stripes. A stage whose native map is not wider, and the last one, sees the
  /// whole map.
  package var splitSizes: [Int]
  /// The attention of each stage.
  package var attention: [AttentionChoice]
  /// Whether each map goes through a norm of its own (`norm1` ...), as in dense prediction with CSwin;
  /// `nil` where the file decides.
  package var hasOutputNorms: Bool?

  package init(
    embedDim: Int, depths: [Int], heads: [Int], splitSizes: [Int], attention: [AttentionChoice]
  ) {
    self.embedDim = embedDim
    self.depths = depths
    self.heads = heads
    self.splitSizes = splitSizes
    self.attention = attention
  }

  /// The keys a config may set, beside `type` and `variant`.
  static let keys =
    BlockNumbers.keys + [
      "patch_size", "embed_dim", "depth", "num_heads", "split_size", "la_split_size", "attn_type",
      "attention", "out_norms",
    ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Parameter isFlatten: whether stages may be linear.
  /// - Throws: `ConfigError` naming the key.
  init(
    _ section: BackboneSection, variants: [String: CSwinConfiguration], isFlatten: Bool
  ) throws {
    if !isFlatten { try section.refuseLinearKeys(and: ["la_split_size"]) }
    let (map, variant) = (section.map, try section.variant(variants))
    let depths = try map.stageInts("depth", in: 1...64, variant?.depths)
    let count = depths.count
    let embedDim =
      try map.optional("embed_dim")?.int(in: 1...4096) ?? variant?.embedDim
      ?? map.required("embed_dim").int(in: 1...4096)
    let given = variant?.attention ?? depths.map { _ in isFlatten ? .focused : .softmax }
    self.init(
      embedDim: embedDim, depths: depths,
      heads: try map.stageInts("num_heads", in: 1...128, variant?.heads, count: count),
      splitSizes: try map.stageInts("split_size", in: 1...1024, variant?.splitSizes, count: count),
      attention: try map.attentions(given, count: count, section.attentions))
    common.imageSize = variant?.common.imageSize ?? common.imageSize
    try common.read(section, depths: depths)
    if let node = map.optional("patch_size") { _ = try node.int(in: 4...4) }
    hasOutputNorms = try map.optional("out_norms")?.bool()
    try checkLinearSplits(map)
    try map.checkHeads(heads, channels: depths.indices.map(channels))
    for stage in depths.indices where branches(stage) == 2 && heads[stage] % 2 != 0 {
      throw (map.optional("num_heads") ?? map.node).error(
        found: "gives stage \(stage + 1) \(heads[stage]) heads",
        expected: "an even number, half for each direction of its stripes")
    }
  }

  /// Linear attention exists over the whole map only, so `la_split_size` must say so: the native side of
  /// each linear stage's map, for example `56-28-14-7` at 224 pixels.
  private func checkLinearSplits(_ map: ConfigMap) throws {
    guard let node = map.optional("la_split_size") else { return }
    let text = try node.string()
    let sizes = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    let native = depths.indices.map { nativeSide($0) }
    guard sizes.count == depths.count, !sizes.contains(nil),
      // Upstream: models/flatten_cswin.py:442, the last stage is whole whatever the number says.
      depths.indices.dropLast().allSatisfy({
        attention[$0] != .focused || sizes[$0] == native[$0]
      })
    else {
      let sides = native.map(String.init).joined(separator: "-")
      throw node.error(
        expected:
          "'\(sides)', the sides of the maps: linear attention sees the whole map or does not "
          + "work")
    }
  }

  /// Channels of a stage.
  package func channels(_ stage: Int) -> Int { embedDim << stage }

  /// Side of a stage's map at the picture size the model was built for.
  package func nativeSide(_ stage: Int) -> Int { max(1, (common.imageSize / 4) >> stage) }

  /// Branches of a stage's attention: two for stripes in both directions, one for the whole map.
  package func branches(_ stage: Int) -> Int {
    let isWhole =
      attention[stage] != .softmax || stage == depths.count - 1
      || nativeSide(stage) == splitSizes[stage]
    return isWhole ? 1 : 2
  }

  /// The pyramid: each stage halves the map.
  package var featureInfo: [FeatureInfo] {
    depths.indices.map { FeatureInfo(channels: channels($0), stride: 4 << $0) }
  }
}
