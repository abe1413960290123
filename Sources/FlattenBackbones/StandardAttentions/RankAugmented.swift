import FlattenNN

extension StandardAttention {
  /// Rank-augmented linear attention.
  static let rala = StandardAttention(
    letter: "R", name: "rala", title: "Rank-augmented linear attention (RALA)",
    paper: "arXiv 2411.07635", cost: .linear, isGlobal: true, weights: "RAVLT",
    equation: [
      "q, k, v, o = qkvo(x), psi = ELU + 1, R turns pairs of channels by row and column",
      "a_t = N softmax_t(psi(k_t) . mean psi(q) / sqrt d)",
      "S = mean a_t R psi(k_t) v_t^T, z = mean a_t psi(k_t)",
      "y_i = R psi(q_i) S / (psi(q_i) . z + 1e-6), out = proj((y + dw5x5(v)) o)",
      "softmax: y = softmax(R q (R k)^T / sqrt d) v",
    ],
    parameters: [
      "qkvo.weight [4C, C, 1, 1]", "qkvo.bias [4C]", "lepe.weight [C, 1, 5, 5]", "lepe.bias [C]",
      "proj.weight [C, C, 1, 1]", "proj.bias [C]",
    ],
    options: [
      Option(
        "softmax", "false",
        "the softmax form of RAVLT's stages 3 and 4: same parameters, quadratic cost")
    ]
  ) { site, scope in
    try site.requireWidth(multipleOf: 4, for: "rala")
    return try RankAugmentedAttention(
      channels: site.channels, heads: site.heads,
      isSoftmax: site.options.bool("softmax", default: false), from: scope)
  }
}

extension AttentionSite {
  /// - Throws: `ConfigError` where the heads are not so wide.
  func requireWidth(multipleOf step: Int, for name: String) throws {
    guard (channels / heads).isMultiple(of: step) else {
      throw options.error(
        found: "is '\(name)' with \(channels / heads) channels a head",
        expected: "heads whose width is a multiple of \(step)")
    }
  }
}
