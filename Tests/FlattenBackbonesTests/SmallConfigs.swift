import TestSupport

/// A small model of each family, as the text of a config.
enum SmallConfigs {
  /// The `backbone` sections.
  static let families: [String: String] = [
    "pvt": pyramid, "pvt_v2": pyramid,
    "flatten_pvt": pyramid + ", attn_type: LLSS", "flatten_pvt_v2": pyramid + ", attn_type: LSLS",
    "swin": swin, "flatten_swin": swin + ", attn_type: LLSS",
    "cswin": cswin, "flatten_cswin": cswin + ", attn_type: LLSS",
    "deit": "embed_dim: 24, num_heads: 3, depth: 2",
    "flatten_deit": "embed_dim: 24, num_heads: 3, depth: 2",
    "agent_pvt": pyramid, "inline_pvt": pyramid, "vvt": pyramid,
    "ravlt":
      "embed_dims: [8, 16, 24, 32], num_heads: [1, 2, 3, 4], depths: [1, 2, 1, 1], projection: 16",
    "mlla": "embed_dim: 8, depths: [1, 2, 1, 1], num_heads: [1, 2, 2, 4]",
    "efficientvit": efficient + ", dim: 8", "efficientvit_large": efficient + ", qkv_dim: 8",
  ]

  static let names = families.keys.sorted()

  private static let pyramid =
    "embed_dims: [8, 16, 24, 32], num_heads: [1, 2, 3, 4], mlp_ratios: [2, 2, 2, 2], depths: [1, 2, 1, 1]"
  private static let efficient = "width_list: [8, 8, 16, 24, 32], depth_list: [1, 1, 2, 2, 2]"
  private static let swin = "embed_dim: 8, depths: [2, 2, 1, 1], num_heads: [1, 2, 2, 4]"
  private static let cswin =
    "embed_dim: 8, depth: [1, 2, 1, 1], num_heads: [2, 2, 4, 4], split_size: [1, 2, 7, 7]"

  /// A config's text.
  ///
  /// - Parameter head: what stands beside the backbone.
  static func text(
    _ family: String, numbers: String? = nil, head: String = "decode_head: {type: any}"
  ) -> String {
    let numbers = numbers ?? families[family] ?? "unknown: family"
    return """
      name: small \(family)
      dataset: whatever
      model: {backbone: {type: \(family), \(numbers)}, \(head)}
      input: {mean: [10, 20, 30], std: [2, 4, 8], scale: [2048, 512]}
      """
  }

  /// The path of a config file in a folder.
  static func file(
    _ family: String, numbers: String? = nil, head: String = "decode_head: {type: any}",
    in folder: TemporaryFolder
  ) throws -> String {
    try folder.file(
      "\(family).yaml", Array(text(family, numbers: numbers, head: head).utf8))
  }
}
