import FlattenConfig
import FlattenNN

/// The numbers of CSwin and FLatten-CSwin, under the upstream names.
package struct CSwinConfiguration: Sendable {
  /// The picture size that the model was built for, in pixels.
  package var imageSize = 224
  /// Input channels.
  package var inputChannels = 3
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
  package var attention: [AttentionKind]
  /// Hidden width of the MLPs, in units of the stage's channels.
  package var mlpRatio = 4.0
  /// Whether q, k and v have a bias.
  package var qkvBias = true
  /// Of all norms.
  package var normEpsilon: Float = 1e-5
  /// The paper's p.
  package var focusingFactor = 3
  /// Window of the linear attention's depthwise convolution.
  package var kernel = 5
  /// Whether each map goes through a norm of its own (`norm1` ...), as in dense prediction with CSwin;
  /// `nil` where the file decides.
  package var hasOutputNorms: Bool?

  package init(
    embedDim: Int, depths: [Int], heads: [Int], splitSizes: [Int], attention: [AttentionKind]
  ) {
    self.embedDim = embedDim
    self.depths = depths
    self.heads = heads
    self.splitSizes = splitSizes
    self.attention = attention
  }

  /// The keys a config may set, beside `type` and `variant`.
  package static let keys = [
    "img_size", "patch_size", "in_chans", "embed_dim", "depth", "num_heads", "split_size",
    "la_split_size", "mlp_ratio", "qkv_bias", "norm_eps", "attn_type", "focusing_factor",
    "kernel_size", "out_norms",
  ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Parameter isFlatten: whether stages may be linear.
  /// - Throws: `ConfigError` naming the key.
  package init(
    _ map: ConfigMap, variant: CSwinConfiguration?, isFlatten: Bool,
    attentions: AttentionRegistry
  ) throws {
    let depths = try map.stageInts("depth", in: 1...64, variant?.depths)
    let count = depths.count
    let embedDim =
      try map.optional("embed_dim")?.int(in: 1...4096) ?? variant?.embedDim
      ?? map.required("embed_dim").int(in: 1...4096)
    let given = variant?.attention ?? depths.map { _ in isFlatten ? .linear : .softmax }
    self.init(
      embedDim: embedDim, depths: depths,
      heads: try map.stageInts("num_heads", in: 1...128, variant?.heads, count: count),
      splitSizes: try map.stageInts("split_size", in: 1...1024, variant?.splitSizes, count: count),
      attention: try map.attentionKinds(given, count: count, attentions))
    imageSize = variant?.imageSize ?? imageSize
    imageSize = try map.optional("img_size")?.int(in: 8...8192) ?? imageSize
    if let node = map.optional("patch_size") { _ = try node.int(in: 4...4) }
    inputChannels = try map.optional("in_chans")?.int(in: 1...16) ?? inputChannels
    mlpRatio = try map.optional("mlp_ratio")?.double(in: 0.25...16) ?? mlpRatio
    qkvBias = try map.optional("qkv_bias")?.bool() ?? qkvBias
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? Double(normEpsilon))
    focusingFactor = try map.optional("focusing_factor")?.int(in: 1...32) ?? focusingFactor
    kernel = try map.oddKernel() ?? kernel
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
        attention[$0] != .linear || sizes[$0] == native[$0]
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
  package func nativeSide(_ stage: Int) -> Int { max(1, (imageSize / 4) >> stage) }

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
