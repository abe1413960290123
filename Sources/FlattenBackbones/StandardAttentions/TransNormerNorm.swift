import FlattenNN
import FlattenTensor

extension StandardAttention {
  /// TransNormer's linear attention.
  static let transNormerNorm = StandardAttention(
    letter: "N", name: "transnormer_norm", title: "NormAttention (TransNormer)",
    paper: "arXiv 2210.10340", cost: .linear, isGlobal: true,
    own:
      "angles by row for the first half of the pairs and by column for the others; published code "
      + "has one sequence",
    equation: [
      "q, k = R H psi(x W^T + b), psi = ELU or ELU + 1, H t = t - 2 (t . n) n",
      "R turns pair j of a head by theta_j times the row or the column",
      "y_i = q_i S, S = mean k_t v_t^T, out = out_proj(y / (|y| / sqrt C + 1e-8 / N))",
    ],
    parameters: [
      "q_proj.weight [C, C]", "q_proj.bias [C]", "k_proj.weight [C, C]", "k_proj.bias [C]",
      "v_proj.weight [C, C]", "v_proj.bias [C]", "urpe.theta [1, 1, d / 2]", "urpe.v [d]",
      "out_proj.weight [C, C]", "out_proj.bias [C]",
    ],
    options: [
      Option("activation", "elu", "psi: elu, or 1+elu"),
      Option("positions", "true", "whether heads are mirrored and turned; without, no urpe"),
    ]
  ) { site, scope in
    let name = try site.options.string("activation", default: "elu")
    guard let activation = ["elu": Activation.elu, "1+elu": .eluPlusOne][name] else {
      throw site.options.error("activation", expected: "elu or 1+elu")
    }
    try site.requireWidth(multipleOf: 2, for: "transnormer_norm")
    return try TransNormerNormAttention(
      channels: site.channels, heads: site.heads, activation: activation,
      hasPositions: site.options.bool("positions", default: true), from: scope)
  }
}
