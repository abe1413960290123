import FlattenNN

extension StandardAttention {
  /// Hydra attention.
  static let hydra = StandardAttention(
    letter: "H", name: "hydra", title: "Hydra attention", paper: "arXiv 2209.07484",
    cost: .linear, isGlobal: true, own: "epsilon 1e-12 below the norms", hasMatrix: false,
    equation: ["y = u(q) * sum_t u(k_t) * v_t, then proj;  u(x) = x / (|x| + 1e-12) over C"],
    parameters: [
      "q.weight [C, C]", "q.bias [C]", "kv.weight [2C, C]", "kv.bias [2C]", "proj.weight [C, C]",
      "proj.bias [C]",
    ]
  ) { site, scope in
    try HydraAttention(channels: site.channels, qkvBias: site.qkvBias, from: scope)
  }
}
