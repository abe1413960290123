import FlattenConfig
import FlattenNN

/// The numbers of Swin and FLatten-Swin, under the upstream names.
package struct SwinConfiguration: Sendable {
  /// What becomes of softmax windows on a map that is not larger than they are.
  package enum SmallMaps: String, CaseIterable, Sendable {
    /// Windows end where the map does, and are not shifted: the official models.
    case cut
    /// The map is padded to a window, and every second block shifts all the same: mmsegmentation and
    /// mmdetection, whose checkpoints were trained so.
    case padded
  }

  /// The picture size that the model was built for, in pixels; it tells which windows were the whole
  /// map, and the size of position tables.
  package var imageSize = 224
  /// Side of a patch, in pixels.
  package var patchSize = 4
  /// Input channels.
  package var inputChannels = 3
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
  package var attention: [AttentionKind]
  /// Hidden width of the MLPs, in units of the stage's channels.
  package var mlpRatio = 4.0
  /// Whether q, k and v have a bias.
  package var qkvBias = true
  /// Of all norms.
  package var normEpsilon: Float = 1e-5
  /// The paper's p.
  package var focusingFactor = 3
  /// Window of the attention's depthwise convolution.
  package var kernel = 5
  /// Whether each map goes through a norm of its own (`norm0` ...), as mmsegmentation has it; `nil`
  /// where the file decides.
  package var hasOutputNorms: Bool?
  /// The rule of small maps in dense prediction; classification always cuts.
  package var smallMaps = SmallMaps.cut

  package init(embedDim: Int, depths: [Int], heads: [Int], attention: [AttentionKind]) {
    self.embedDim = embedDim
    self.depths = depths
    self.heads = heads
    self.attention = attention
  }

  /// The keys a config may set, beside `type` and `variant`.
  package static let keys = [
    "img_size", "patch_size", "in_chans", "embed_dim", "depths", "num_heads", "window_size",
    "mlp_ratio", "qkv_bias", "norm_eps", "ape", "patch_norm", "attn_type", "focusing_factor",
    "kernel_size", "out_norms", "small_maps",
  ]

  /// Reads a config's keys over the numbers of a variant.
  ///
  /// - Parameter isFlatten: whether stages may be linear. Upstream: models/flatten_swin.py:469,
  ///   `window_size` is then that of linear blocks, and softmax blocks have windows of 7, or of 12 where
  ///   `window_size` exceeds 56.
  /// - Throws: `ConfigError` naming the key.
  package init(
    _ map: ConfigMap, variant: SwinConfiguration?, isFlatten: Bool,
    attentions: AttentionRegistry
  ) throws {
    let depths = try map.stageInts("depths", in: 1...64, variant?.depths)
    let heads = try map.stageInts("num_heads", in: 1...128, variant?.heads, count: depths.count)
    let embedDim =
      try map.optional("embed_dim")?.int(in: 1...4096) ?? variant?.embedDim
      ?? map.required("embed_dim").int(in: 1...4096)
    let given = variant?.attention ?? depths.map { _ in isFlatten ? .linear : .softmax }
    let attention = try map.attentionKinds(given, count: depths.count, attentions)
    self.init(embedDim: embedDim, depths: depths, heads: heads, attention: attention)
    if let variant {
      imageSize = variant.imageSize
      softmaxWindow = variant.softmaxWindow
      linearWindow = variant.linearWindow
    }
    if let window = try map.optional("window_size")?.int(in: 1...1024) {
      linearWindow = window
      softmaxWindow = !isFlatten ? window : window <= 56 ? 7 : 12
    }
    imageSize = try map.optional("img_size")?.int(in: 8...8192) ?? imageSize
    patchSize = try map.optional("patch_size")?.int(in: 1...32) ?? patchSize
    inputChannels = try map.optional("in_chans")?.int(in: 1...16) ?? inputChannels
    mlpRatio = try map.optional("mlp_ratio")?.double(in: 0.25...16) ?? mlpRatio
    qkvBias = try map.optional("qkv_bias")?.bool() ?? qkvBias
    normEpsilon = Float(try map.optional("norm_eps")?.double(in: 0...1) ?? Double(normEpsilon))
    focusingFactor = try map.optional("focusing_factor")?.int(in: 1...32) ?? focusingFactor
    kernel = try map.oddKernel() ?? kernel
    hasOutputNorms = try map.optional("out_norms")?.bool()
    smallMaps = try map.optional("small_maps")?.choice() ?? (isFlatten ? .cut : .padded)
    // No published model has the first, all have the second.
    try map.refuse("ape", otherThan: false)
    try map.refuse("patch_norm", otherThan: true)
    try map.checkHeads(heads, channels: depths.indices.map(channels))
  }

  /// Channels of a stage.
  package func channels(_ stage: Int) -> Int { embedDim << stage }

  /// Side of a stage's map at the picture size the model was built for.
  package func nativeSide(_ stage: Int) -> Int { max(1, (imageSize / patchSize) >> stage) }

  /// The pyramid: each stage halves the map.
  package var featureInfo: [FeatureInfo] {
    depths.indices.map { FeatureInfo(channels: channels($0), stride: patchSize << $0) }
  }
}
