import FlattenNN

extension StandardAttention {
  /// The attention of Mamba-like linear attention.
  static let mambaLike = StandardAttention(
    letter: "M", name: "mlla", title: "Mamba-like linear attention (MLLA)",
    paper: "arXiv 2405.16605", cost: .linear, isGlobal: true, weights: "MLLA",
    equation: [
      "q, k = ELU(qk(x)) + 1, v = x, R turns pairs of all C channels by row and column",
      "y_i = R q_i S / (q_i . mean k_t + 1e-6) + dw3x3(v), S = mean R k_t v_t^T",
    ],
    parameters: [
      "qk.weight [2C, C]", "qk.bias [2C]", "lepe.weight [C, 1, 3, 3]", "lepe.bias [C]",
    ]
  ) { site, scope in
    guard site.channels.isMultiple(of: 4) else {
      throw site.options.error(
        found: "is 'mlla' with \(site.channels) channels", expected: "a multiple of 4 channels")
    }
    return try MambaLikeAttention(
      channels: site.channels, heads: site.heads, qkvBias: site.qkvBias, from: scope)
  }
}
