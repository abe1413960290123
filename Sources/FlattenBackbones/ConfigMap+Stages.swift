import FlattenConfig

/// Reading of lists that have an entry a stage, as several families' configurations do.
extension ConfigMap {
  /// A list with a number for each stage, or what a variant gives.
  func stageInts(
    _ key: String, in range: ClosedRange<Int>, _ given: [Int]?, count: Int? = nil
  ) throws -> [Int] {
    if let node = optional(key) {
      let values = try node.ints(count: count, in: range)
      guard (1...8).contains(values.count) else { throw node.error(expected: "1 to 8 stages") }
      return values
    }
    guard let given else { return try required(key).ints(count: count, in: range) }
    if let count, given.count != count {
      throw node.error(
        found: "has \(count) stages", expected: "\(key) for as many",
        remedy: "Add '\(key): [...]'.")
    }
    return given
  }

  /// The attention of each stage: `attention`, a list of names or maps with options; or `attn_type`, a
  /// letter a stage; or what is given.
  func attentions(
    _ given: [AttentionChoice], count: Int, _ registry: AttentionRegistry
  ) throws -> [AttentionChoice] {
    if let node = optional("attention") {
      if let letters = optional("attn_type") {
        throw letters.error(found: "stands beside 'attention'", expected: "one of the two")
      }
      let items = count == 1 && node.kind != .list ? [node] : try node.list(count: count)
      return try items.map { try choice($0, registry) }
    }
    guard let node = optional("attn_type") else {
      if given.count == count { return given }
      throw self.node.error(
        found: "has \(count) stages", expected: "attn_type for as many",
        remedy: "Add 'attn_type: ...'.")
    }
    let text = try node.string()
    let expected =
      "\(count) letters of \(registry.knownLetters), one a stage, for example "
      + String(repeating: "L", count: count)
    guard text.count == count else { throw node.error(expected: expected) }
    return try text.map { letter in
      let name = String(letter)
      if let choice = AttentionChoice.letters[name] { return choice }
      if registry.contains(name) { return AttentionChoice(name, options: AttentionOptions(node)) }
      throw node.error(
        found: "has the letter '\(letter)', for which no attention is registered",
        expected: expected)
    }
  }

  private func choice(
    _ node: ConfigNode, _ registry: AttentionRegistry
  ) throws -> AttentionChoice {
    let type = node.kind == .map ? try node.map().required("type") : node
    let name = try type.string()
    guard registry.contains(name) else {
      throw type.error(expected: "an attention: one of \(registry.known)")
    }
    return AttentionChoice(name, options: AttentionOptions(node))
  }

  /// `kernel_size`, which must be odd.
  func oddKernel() throws -> Int? {
    guard let node = optional("kernel_size") else { return nil }
    let kernel = try node.int(in: 1...31)
    if kernel % 2 == 0 { throw node.error(expected: "an odd number") }
    return kernel
  }

  /// Refuses a switch in the position that is not built.
  func refuse(_ key: String, otherThan value: Bool) throws {
    if let node = optional(key), try node.bool() != value {
      throw node.error(expected: "\(value): the other form is not built")
    }
  }

  /// Refuses heads that do not divide their stage's channels.
  func checkHeads(_ heads: [Int], channels: [Int]) throws {
    for (channels, heads) in zip(channels, heads) where channels % heads != 0 {
      throw (optional("num_heads") ?? node).error(
        found: "gives \(heads) heads to \(channels) channels",
        expected: "heads that divide the channels of their stage")
    }
  }
}
