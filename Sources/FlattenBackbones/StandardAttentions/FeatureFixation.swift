import FlattenNN

extension StandardAttention {
  /// Feature Fixation.
  static let featureFixation = StandardAttention(
    letter: "F", name: "feature_fixation", title: "Feature Fixation", paper: "arXiv 2210.05838",
    cost: .linear, isGlobal: true,
    own:
      "the shift among neighbours inside this attention; published code has one of its own for it",
    equation: [
      "q, k, v = qkv(x), q <- ReLU(q) + 1 / sqrt d, likewise k",
      "u = [q, k, v] a head, q <- sigma(pgate(u)) q, likewise k",
      "y_i = q_i S / (q_i . mean k_t + 1e-6 / N), S = mean k_t v_t^T, out = proj(y)",
      "shift: half of the channels of k and v come from the eight neighbours",
    ],
    parameters: [
      "qkv.weight [3C, C]", "qkv.bias [3C]", "pgate.weight [d, 3d]", "pgate.bias [d]",
      "proj.weight [C, C]", "proj.bias [C]",
      "separate gates: q_gate and k_gate, each as pgate, in its place",
    ],
    options: [
      Option("gates", "shared", "shared, one gate for queries and keys; or separate"),
      Option("shift", "false", "whether keys and values are shifted among neighbours"),
    ]
  ) { site, scope in
    let gates = try site.options.string("gates", default: "shared")
    guard ["shared", "separate"].contains(gates) else {
      throw site.options.error("gates", expected: "shared or separate")
    }
    return try FeatureFixationAttention(
      channels: site.channels, heads: site.heads, qkvBias: site.qkvBias,
      sharesGate: gates == "shared", isShifted: site.options.bool("shift", default: false),
      from: scope)
  }
}
