import FlattenNN

extension StandardAttention {
  /// Performer.
  static let performer = StandardAttention(
    letter: "P", name: "performer", title: "Performer (FAVOR+)", paper: "arXiv 2009.14794",
    cost: .linear, isGlobal: true,
    equation: [
      "phi(x) = exp(x . w_m / d^(1/4) - |x|^2 / (2 sqrt d) - top) + epsilon, m directions a head",
      "top: the largest product of a query; of keys that of a head over all tokens",
      "y_i = phi(q_i) S / (phi(q_i) . mean phi(k_t)), S = mean phi(k_t) v_t^T, out = proj(y)",
    ],
    parameters: [
      "q.weight [C, C]", "q.bias [C]", "kv.weight [2C, C]", "kv.bias [2C]",
      "projection_matrix [m, d]", "proj.weight [C, C]", "proj.bias [C]",
    ],
    options: [
      Option("features", "d ln d, rounded down", "m, at most 4096 of all heads"),
      Option("epsilon", "0.0001", "added to each feature; the official code has 0.000001"),
    ]
  ) { site, scope in
    // The features of some tokens lie ready for each thread, within what is counted for one.
    try PerformerAttention(
      channels: site.channels, heads: site.heads,
      features: site.options.int(
        "features", in: 1...max(1, 4096 / site.heads),
        default: PerformerAttention.standardFeatures(width: site.channels / site.heads)),
      epsilon: Float(site.options.double("epsilon", in: 0...1, default: 1e-4)),
      qkvBias: site.qkvBias, from: scope)
  }
}
