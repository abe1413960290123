import FlattenNN

extension StandardAttention {
  /// cosFormer.
  static let cosFormer = StandardAttention(
    letter: "C", name: "cosformer", title: "cosFormer", paper: "arXiv 2202.08791", cost: .linear,
    isGlobal: true,
    equation: [
      "q, k = ReLU(x W^T + b), a_t = (pi / 2) t / N, t = 1 ... N along the raster",
      "phi(q_t) = [q_t sin a_t, q_t cos a_t] a head, likewise k",
      "y_i = phi(q_i) S / max(phi(q_i) . mean phi(k_t), 1e-6 / N), S = mean phi(k_t) v_t^T",
      "out = out_proj(y)",
    ],
    parameters: [
      "q_proj.weight [C, C]", "q_proj.bias [C]", "k_proj.weight [C, C]", "k_proj.bias [C]",
      "v_proj.weight [C, C]", "v_proj.bias [C]", "out_proj.weight [C, C]", "out_proj.bias [C]",
    ]
  ) { site, scope in
    try CosFormerAttention(channels: site.channels, heads: site.heads, from: scope)
  }
}
