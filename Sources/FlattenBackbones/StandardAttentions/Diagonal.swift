import FlattenNN
import FlattenTensor

extension StandardAttention {
  /// TransNormer's attention in blocks.
  static let diagonal = StandardAttention(
    letter: "D", name: "transnormer_diag", title: "TransNormer, block attention",
    paper: "arXiv 2210.10340",
    cost: .linear, isGlobal: false,
    own: "windows of the map in the place of runs of tokens, angles by row and column",
    equation: [
      "q, k: mirrored, t - 2 (t.u) u, then pairs of channels turned by theta times row or column",
      "softmax: y = softmax(q k^T / sqrt d) v in windows, then out_proj",
      "relu: y = relu(q k^T / sqrt d) v in windows, over its root mean square, then out_proj",
    ],
    parameters: [
      "q_proj.weight [C, C]", "q_proj.bias [C]", "k_proj.weight [C, C]", "k_proj.bias [C]",
      "v_proj.weight [C, C]", "v_proj.bias [C]", "urpe.theta [1, 1, d/2]", "urpe.v [d]",
      "out_proj.weight [C, C]", "out_proj.bias [C]",
    ],
    options: [
      Option("window", "8", "side of the windows, in tokens, at most 16"),
      Option("form", "softmax", "softmax or relu: how scores become weights"),
    ]
  ) { site, scope in
    guard (site.channels / site.heads).isMultiple(of: 2) else {
      throw site.options.error(
        found: "has heads of \(site.channels / site.heads) channels", expected: "an even number")
    }
    let forms: [String: BlockWeighting] = ["softmax": .softmax, "relu": .relu]
    guard let form = forms[try site.options.string("form", default: "softmax")] else {
      throw site.options.error("form", expected: "softmax or relu")
    }
    return try DiagonalAttention(
      DiagonalAttention.Configuration(
        channels: site.channels, heads: site.heads,
        blocks: .windows(side: site.options.int("window", in: 1...16, default: 8)),
        weighting: form, bias: site.qkvBias),
      from: scope)
  }
}
