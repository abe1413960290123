import FlattenNN

extension StandardAttention {
  /// InLine attention.
  static let inLine = StandardAttention(
    letter: "I", name: "inline", title: "InLine attention", paper: "arXiv 2412.06590",
    cost: .linear, isGlobal: true, weights: "InLine-PVT",
    equation: [
      "y_i = v' + q_i (S - k' v'^T) / sqrt d, S = mean k_t v_t^T, k' = mean k_t, v' = mean v_t",
      "w = W_2 GELU(W_1 mean x), a 3x3 window of each channel; out = proj(y + dw_w(v))",
    ],
    parameters: [
      "q.weight [C, C]", "q.bias [C]", "kv.weight [2C, C]", "kv.bias [2C]",
      "residual.0.weight [C, d, 1]", "residual.0.bias [C]", "residual.2.weight [9C, d, 1]",
      "residual.2.bias [9C]", "proj.weight [C, C]", "proj.bias [C]",
    ]
  ) { site, scope in
    try InLineAttention(
      channels: site.channels, heads: site.heads, qkvBias: site.qkvBias, from: scope)
  }

  /// Taylor attention.
  static let taylor = StandardAttention(
    letter: "T", name: "taylor", title: "Taylor attention (ViTALiTy)", paper: "arXiv 2211.05109",
    cost: .linear, isGlobal: true,
    own: "the equation of the paper: the released code centres keys over channels and keeps a "
      + "sparse softmax term",
    equation: [
      "y_i = v' + q_i (S - k' v'^T) / sqrt d, S = mean k_t v_t^T, k' = mean k_t, v' = mean v_t",
      "out = proj(y)",
    ],
    parameters: [
      "q.weight [C, C]", "q.bias [C]", "kv.weight [2C, C]", "kv.bias [2C]", "proj.weight [C, C]",
      "proj.bias [C]",
    ]
  ) { site, scope in
    try TaylorAttention(
      channels: site.channels, heads: site.heads, qkvBias: site.qkvBias, from: scope)
  }
}
