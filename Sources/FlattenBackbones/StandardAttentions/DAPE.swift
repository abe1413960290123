import FlattenNN

extension StandardAttention {
  /// DAPE V2 over few keys.
  static let dape = StandardAttention(
    letter: "K", name: "dape", title: "DAPE V2", paper: "arXiv 2410.04798", cost: .fewKeys,
    isGlobal: true, own: "all of the dense form: keys, 3x3 windows, distances on the map",
    equation: [
      "s = q k^T / sqrt d,  b = -p log(1 + a r),  r: distance of token and key, in tokens",
      "y = softmax(s + b + conv3x3(leaky(conv3x3([s; b])))) v, over the grid of keys, then proj",
      "keys: of a strided convolution, or pooled to 7x7; 1024 at most",
    ],
    parameters: [
      "q.weight [C, C]", "q.bias [C]", "kv.weight [2C, C]", "kv.bias [2C]",
      "sr.weight [C, C, r, r]",
      "sr.bias [C]", "norm.weight [C]", "norm.bias [C]", "mlp2.0.weight [32, 2h, 3, 3]",
      "mlp2.0.bias [32]", "mlp2.2.weight [h, 32, 3, 3]", "mlp2.2.bias [h]", "bias_p [h, 1, 1]",
      "bias_a [h, 1, 1]", "proj.weight [C, C]", "proj.bias [C]",
    ],
    options: [
      Option(
        "reduction", "8, 4, 2, 1 by stage",
        "tokens a key in both directions; 0 pools them to 7x7 keys")
    ]
  ) { site, scope in
    let ratio = try site.options.int(
      "reduction", in: 0...64, default: [8, 4, 2, 1][min(site.stage, 3)])
    return try DAPEAttention(
      channels: site.channels, heads: site.heads,
      reduction: ratio == 0 ? .pooled(size: 7) : ratio == 1 ? .none : .strided(ratio: ratio),
      qkvBias: site.qkvBias, normEpsilon: site.normEpsilon, from: scope)
  }
}
