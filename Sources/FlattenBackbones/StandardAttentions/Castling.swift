import FlattenNN

extension StandardAttention {
  /// Castling-ViT's linear-angular attention.
  static let castling = StandardAttention(
    letter: "G", name: "castling", title: "Castling-ViT", paper: "arXiv 2211.10526",
    cost: .linear, isGlobal: true, own: "the convolution is 3x3 on the map, not along the tokens",
    equation: [
      "y = unit(v / 2 + (1 / pi) unit(q) (unit(k)^T v)) + dw3x3(v), one kernel a head, then proj"
    ],
    parameters: [
      "qkv.weight [3C, C]", "qkv.bias [3C]", "dconv.weight [h, 1, 3, 3]", "proj.weight [C, C]",
      "proj.bias [C]",
    ]
  ) { site, scope in
    try CastlingAttention(
      channels: site.channels, heads: site.heads, qkvBias: site.qkvBias, neighbours: .map,
      from: scope)
  }
}
