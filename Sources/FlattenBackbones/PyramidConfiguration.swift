import FlattenConfig
import FlattenNN
import FlattenTensor

/// The numbers of a four-stage pyramid transformer (PVT, PVTv2 and their FLatten forms), under the
/// upstream names.
package struct PyramidConfiguration: Sendable {
  /// The picture size that the position tables were built for, in pixels.
  package var imageSize = 224
  /// Input channels.
  package var inputChannels = 3
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
  package var attention: [AttentionKind] = [.linear, .linear, .linear, .linear]
  /// Whether q, k and v have a bias.
  package var qkvBias = true
  /// Of the block norms and of PVTv2's stage norms.
  package var normEpsilon: Float = 1e-6
  /// Of the norms in patch embeddings and reductions.
  package var innerNormEpsilon: Float = 1e-5
  /// The paper's p.
  package var focusingFactor = 3
  /// Window of the attention's depthwise convolution.
  package var kernel = 5
  /// PVTv2's "linear" variant: keys and values from a pooled 7x7 grid.
  package var hasPooledKeys = false

  package init(embedDims: [Int], heads: [Int], mlpRatios: [Int], depths: [Int]) {
    self.embedDims = embedDims
    self.heads = heads
    self.mlpRatios = mlpRatios
    self.depths = depths
  }

  /// The keys a config may set, beside `type` and `variant`.
  package static let keys = [
    "img_size", "patch_size", "in_chans", "embed_dims", "num_heads", "mlp_ratios", "depths",
    "sr_ratios", "la_sr_ratios", "attn_type", "qkv_bias", "norm_eps", "inner_norm_eps",
    "focusing_factor", "kernel_size", "linear",
  ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Throws: `ConfigError` naming the key.
  package init(
    _ map: ConfigMap, variant: PyramidConfiguration?, attentions: AttentionRegistry
  ) throws {
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
    reductionRatios = try four("sr_ratios", 1...32, reductionRatios)
    if let node = map.optional("la_sr_ratios") {
      linearReductionRatios = try Self.digits(node)
    }
    attention = try map.attentionKinds(attention, count: 4, attentions)
    imageSize = try map.optional("img_size")?.int(in: 32...8192) ?? imageSize
    if let node = map.optional("patch_size") { _ = try node.int(in: 4...4) }
    inputChannels = try map.optional("in_chans")?.int(in: 1...16) ?? inputChannels
    qkvBias = try map.optional("qkv_bias")?.bool() ?? qkvBias
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? Double(normEpsilon))
    innerNormEpsilon = Float(
      try map.optional("inner_norm_eps")?.double(in: 0...1) ?? Double(innerNormEpsilon))
    focusingFactor = try map.optional("focusing_factor")?.int(in: 1...32) ?? focusingFactor
    kernel = try map.oddKernel() ?? kernel
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

  /// A native grid that no picture size gives; for a block by itself.
  package var overriddenNativeGrid: Grid?

  /// The grid of each stage at the native picture size.
  package func nativeGrid(stage: Int) -> Grid {
    if let overriddenNativeGrid { return overriddenNativeGrid }
    let side = max(1, imageSize >> (stage + 2))
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

  /// How a stage's attention makes its keys fewer; what is registered sees them all.
  package func reduction(stage: Int) -> KeyReduction {
    let ratio: Int
    switch attention[stage] {
    case .linear: ratio = linearReductionRatios[stage]
    case .softmax: ratio = reductionRatios[stage]
    case .registered: return .none
    }
    return hasPooledKeys ? .pooled(size: 7) : ratio > 1 ? .strided(ratio: ratio) : .none
  }
}
