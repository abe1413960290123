import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor

/// The numbers of a four-stage pyramid transformer (PVT, PVTv2 and their FLatten forms), under the
/// upstream names.
package struct PyramidConfiguration: Sendable {
  /// The numbers that all families have; epsilon of the block norms and of PVTv2's stage norms.
  package var common = BlockNumbers(normEpsilon: 1e-6)
  /// Channels of each stage.
  package var embedDims: [Int]
  /// Heads of each stage.
  package var heads: [Int]
  /// Hidden width of each stage's MLP, in units of its channels.
  package var mlpRatios: [Int]
  /// Blocks of each stage.
  package var depths: [Int]
  /// Reduction of keys and values in softmax blocks.
  package var reductionRatios = [8, 4, 2, 1]
  /// The same in linear blocks; upstream's class default is 8421, its released configs say 1111.
  package var linearReductionRatios = [1, 1, 1, 1]
  /// The attention of each stage.
  package var attention: [AttentionChoice] = [.focused, .focused, .focused, .focused]
  /// Of the norms in patch embeddings and reductions.
  package var innerNormEpsilon: Float = 1e-5
  /// PVTv2's "linear" variant: keys and values from a pooled 7x7 grid.
  package var hasPooledKeys = false

  package init(embedDims: [Int], heads: [Int], mlpRatios: [Int], depths: [Int]) {
    self.embedDims = embedDims
    self.heads = heads
    self.mlpRatios = mlpRatios
    self.depths = depths
  }

  /// The keys a config may set, beside `type` and `variant`.
  static let keys =
    BlockNumbers.keys.filter { $0 != "mlp_ratio" } + [
      "patch_size", "embed_dims", "num_heads", "mlp_ratios", "depths", "sr_ratios", "la_sr_ratios",
      "attn_type", "attention", "inner_norm_eps", "linear",
    ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Parameter given: the attention of stages for which the config names none. With the published softmax models'
  ///   it cannot name any.
  /// - Throws: `ConfigError` naming the key.
  init(
    _ section: BackboneSection, variants: [String: PyramidConfiguration],
    attention given: AttentionChoice
  ) throws {
    let (map, variant) = (section.map, try section.variant(variants))
    if given == .softmax { try section.refuseLinearKeys(and: ["la_sr_ratios"]) }
    func four(_ key: String, _ range: ClosedRange<Int>, _ given: [Int]?) throws -> [Int] {
      if let node = map.optional(key) { return try node.ints(count: 4, in: range) }
      if let given { return given }
      return try map.required(key).ints(count: 4, in: range)
    }
    self.init(
      embedDims: try four("embed_dims", 1...4096, variant?.embedDims),
      heads: try four("num_heads", 1...64, variant?.heads),
      mlpRatios: try four("mlp_ratios", 1...16, variant?.mlpRatios),
      depths: try four("depths", 1...64, variant?.depths))
    try common.read(section, depths: depths, imageSizes: 32...8192)
    reductionRatios = try four("sr_ratios", 1...32, reductionRatios)
    if let node = map.optional("la_sr_ratios") { linearReductionRatios = try Self.digits(node) }
    attention = try map.attentions(
      attention.map { _ in given }, count: 4, section.attentions)
    if let node = map.optional("patch_size") { _ = try node.int(in: 4...4) }
    innerNormEpsilon = Float(
      try map.optional("inner_norm_eps")?.double(in: 0...1) ?? Double(innerNormEpsilon))
    hasPooledKeys =
      try map.optional("linear")?.bool() ?? variant?.hasPooledKeys ?? hasPooledKeys
    try map.checkHeads(heads, channels: embedDims)
  }

  /// One digit a stage, as a string or as the number that an unquoted `1111` is.
  private static func digits(_ node: ConfigNode) throws -> [Int] {
    let text = node.kind == .int ? String(try node.int(in: 1...9999)) : try node.string()
    let digits = text.compactMap(\.wholeNumberValue)
    guard text.count == 4, digits.count == 4, !digits.contains(0) else {
      throw node.error(expected: "four digits from 1 to 9, one a stage, for example 1111")
    }
    return digits
  }

  /// The grid of each stage at the native picture size.
  package func nativeGrid(stage: Int) -> Grid {
    let side = max(1, common.imageSize >> (stage + 2))
    return Grid(side, side)
  }

  /// The pyramid that all these models give: strides 4, 8, 16, 32.
  package var featureInfo: [FeatureInfo] {
    zip(embedDims, [4, 8, 16, 32]).map { FeatureInfo(channels: $0, stride: $1) }
  }

  /// The least side of a picture: a cell of each map, and of the keys where a convolution makes them
  /// fewer.
  ///
  /// - Parameter roundsUp: whether a patch that the picture does not fill counts.
  package func leastSide(roundsUp: Bool) -> Int {
    featureInfo.indices.map { stage in
      var cells = 1
      if case .strided(let ratio) = reduction(stage: stage) { cells = ratio }
      let stride = featureInfo[stage].stride
      return roundsUp ? stride * (cells - 1) + 1 : stride * cells
    }.max() ?? 1
  }

  /// How a stage's attention makes its keys fewer; one that is registered sees them all.
  package func reduction(stage: Int) -> KeyReduction {
    let ratios: [AttentionChoice: [Int]] = [
      .focused: linearReductionRatios, .softmax: reductionRatios,
    ]
    guard let ratio = ratios[attention[stage]]?[stage] else { return .none }
    return hasPooledKeys ? .pooled(size: 7) : ratio > 1 ? .strided(ratio: ratio) : .none
  }

  /// Keys of blocks that take the attention of the one before.
  var skippedKeys: [IgnoredKeys] {
    common.skipped.ignoredKeys { "block\($0 + 1).\($1)" }
  }

  /// Where a block's attention stands.
  ///
  /// - Parameter nativeGrid: `nil` takes that of the native picture size.
  package func site(stage: Int, block: Int, nativeGrid: Grid? = nil) -> AttentionSite {
    AttentionSite(
      stage: stage, block: block, channels: embedDims[stage], heads: heads[stage],
      nativeGrid: nativeGrid ?? self.nativeGrid(stage: stage), qkvBias: common.qkvBias,
      normEpsilon: innerNormEpsilon, options: attention[stage].options)
  }

  /// The attentions of PVT and PVTv2, and those that are registered.
  var attentions: AttentionRegistry {
    common.attentions.adding([
      .focused: { site, scope in
        try FocusedLinearAttention(
          FocusedLinearAttention.Configuration(
            channels: site.channels, heads: site.heads, reduction: reduction(stage: site.stage),
            nativeGrid: site.nativeGrid, focusingFactor: common.focusingFactor,
            kernel: common.kernel, qkvBias: site.qkvBias, normEpsilon: site.normEpsilon),
          from: scope)
      },
      .softmax: { site, scope in
        try SpatialReductionAttention(
          channels: site.channels, heads: site.heads, reduction: reduction(stage: site.stage),
          qkvBias: site.qkvBias, normEpsilon: site.normEpsilon, from: scope)
      },
    ])
  }
}
