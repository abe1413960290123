import FlattenNN

extension StandardAttention {
  /// Vicinity attention.
  static let vicinity = StandardAttention(
    letter: "V", name: "vicinity", title: "Vicinity attention", paper: "arXiv 2206.10552",
    cost: .linear, isGlobal: true, weights: "VVT",
    equation: [
      "q, k = relu of C/r channels;  f(t) = [t cos a, t sin a, t cos b, t sin b]",
      "a = (pi / 2) row / H,  b = (pi / 2) column / W",
      "y = c(c(f(q) c(sum f(k) v^T)) c(1 / (f(q) . sum f(k) + 1e-4))), then o = c(out_proj)",
      "o + o * sigmoid(W2 relu(W1 mean(x))), clamped; c: magnitudes of 1e-4 to 1e4, 0 stays",
    ],
    parameters: [
      "q_proj.weight [C/r, C]", "q_proj.bias [C/r]", "k_proj.weight [C/r, C]", "k_proj.bias [C/r]",
      "v_proj.weight [C/r, C]", "v_proj.bias [C/r]", "out_proj.weight [C, C/r]",
      "out_proj.bias [C]", "se_fc.0.weight [C, C]", "se_fc.2.weight [C, C]",
    ],
    options: [
      Option("reduction", "2", "r, the block's channels over the attention's")
    ]
  ) { site, scope in
    let reduction = try site.options.int("reduction", in: 1...64, default: 2)
    guard site.channels.isMultiple(of: reduction * site.heads) else {
      throw site.options.error(
        "reduction",
        found: "leaves \(site.channels) / \(reduction) channels to \(site.heads) heads",
        expected: "a number that leaves each head the same number of channels")
    }
    return try VicinityAttention(
      channels: site.channels, heads: site.heads, reduction: reduction, bias: site.qkvBias,
      from: scope)
  }
}
