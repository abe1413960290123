import FlattenNN

extension StandardAttention {
  /// Efficient attention.
  static let efficient = StandardAttention(
    letter: "E", name: "efficient", title: "Efficient attention", paper: "arXiv 1812.01243",
    cost: .linear, isGlobal: true,
    equation: [
      "y = softmax_channels(q) (softmax_tokens(k)^T v), a head's channels, then reprojection"
    ],
    parameters: [
      "queries.weight [C, C, 1, 1]", "queries.bias [C]", "keys.weight [C, C, 1, 1]",
      "keys.bias [C]", "values.weight [C, C, 1, 1]", "values.bias [C]",
      "reprojection.weight [C, C, 1, 1]", "reprojection.bias [C]",
    ]
  ) { site, scope in
    try EfficientAttention(channels: site.channels, heads: site.heads, from: scope)
  }
}
