import FlattenNN

extension StandardAttention {
  /// DynaST's attention.
  static let dynamicSparse = StandardAttention(
    letter: "Y", name: "dynast", title: "DynaST", paper: "arXiv 2207.06124", cost: .linear,
    isGlobal: true, own: "all of it inside a stage: the pyramid, its padding, one head",
    hasMatrix: false,
    equation: [
      "q = f(u), k = g(u), q' = f_prune(u), k' = g_prune(u), u = x / (|x| + 1e-10), v = h(x)",
      "coarsest map: all keys, softmax(q k^T / sqrt C); then twice as fine each time:",
      "children of the parent's keys, then own and neighbours' keys, softmax(q k^T / T), top 4",
      "y = sum m P v + (1 - sum m P) v_i,  m = [q'.k' > 0], then proj",
    ],
    parameters: [
      "f.weight [C, C, 1, 1]", "f.bias [C]", "g.weight [C, C, 1, 1]", "g.bias [C]",
      "f_prune.weight [P, C, 1, 1]", "f_prune.bias [P]", "g_prune.weight [P, C, 1, 1]",
      "g_prune.bias [P]", "h.weight [C, C, 1, 1]", "h.bias [C]", "proj.weight [C, C]",
      "proj.bias [C]",
    ],
    options: [
      Option("prune_dim", "8", "P, channels of the gates"),
      Option("top_k", "4", "keys that a query keeps"),
      Option("temperature", "0.01", "T, of the softmax on all but the coarsest map"),
      Option("coarse_side", "16", "longest side of the coarsest map, in cells"),
    ]
  ) { site, scope in
    let options = site.options
    return try DynamicSparseAttention(
      DynamicSparseAttention.Configuration(
        channels: site.channels, gateChannels: options.int("prune_dim", in: 1...4096, default: 8),
        top: options.int("top_k", in: 1...64, default: 4),
        temperature: Float(options.double("temperature", in: 1e-4...100, default: 0.01)),
        coarseSide: options.int("coarse_side", in: 1...64, default: 16)),
      from: scope)
  }
}
