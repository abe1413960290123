import FlattenNN

extension StandardAttention {
  /// Agent attention.
  static let agent = StandardAttention(
    letter: "A", name: "agent", title: "Agent attention", paper: "arXiv 2312.08874",
    cost: .linear, isGlobal: true, weights: "Agent-PVT",
    equation: [
      "A = pool(q), n agents",
      "y = softmax(q A^T / sqrt d + B2) softmax(A k^T / sqrt d + B1) v + dw3x3(v), then proj",
      "B: coarse map + rows + columns, resized bilinearly to the tokens, then to the agents",
    ],
    parameters: [
      "q.weight [C, C]", "q.bias [C]", "kv.weight [2C, C]", "kv.bias [2C]",
      "an_bias [h, m, 7, 7]", "ah_bias [1, h, m, H, 1]", "aw_bias [1, h, m, 1, W]",
      "na_bias [h, m, 7, 7]", "ha_bias [1, h, H, 1, m]", "wa_bias [1, h, 1, W, m]",
      "dwc.weight [C, 1, 3, 3]", "dwc.bias [C]", "proj.weight [C, C]", "proj.bias [C]",
    ],
    options: [
      Option(
        "agents", "12, 16, 28, 28 by stage",
        "side of the square of agents, or its rows and columns"),
      Option(
        "bias_agents", "9, 16, 49, 49 by stage",
        "m, agents that the biases were made for, a square number"),
      Option("window", "7", "side of the biases' coarse map"),
    ]
  ) { site, scope in
    let stage = min(site.stage, 3)
    let side = [12, 16, 28, 28][stage]
    let agents = try site.options.sides("agents", in: 1...64, default: (side, side))
    let stored = try site.options.int("bias_agents", in: 1...4096, default: [9, 16, 49, 49][stage])
    guard Grid(squareOf: stored) != nil else {
      throw site.options.error("bias_agents", expected: "a square number, such as 49")
    }
    return try AgentAttention(
      AgentAttention.Configuration(
        channels: site.channels, heads: site.heads, agents: Grid(agents.rows, agents.columns),
        storedAgents: stored, window: site.options.int("window", in: 1...64, default: 7),
        nativeGrid: site.nativeGrid, qkvBias: site.qkvBias),
      from: scope)
  }
}
