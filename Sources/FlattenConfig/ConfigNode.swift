import FlattenFiles

/// A value of a YAML configuration with its file, line and dotted path, which errors name.
///
///     let swin = try ConfigNode.load(path: "swin.yaml").map().required("SWIN")
///     let map = try swin.map(known: ["EMBED_DIM", "DEPTHS", "DROP"])
///     let width = try map.required("EMBED_DIM").int(in: 1...65536)
///     let depths = try map.required("DEPTHS").ints(count: 4, in: 1...64)
///     let drop = try map.optional("DROP")?.double(in: 0...1) ?? 0
package struct ConfigNode: Sendable {
  /// The kind of a value by YAML 1.2's core schema.
  package enum Kind: String, Sendable {
    case null, bool, int, float, text, list, map
  }

  /// The file's name for messages.
  package let file: String
  /// Dotted path from the top (`MODEL.SWIN.DEPTHS[2]`), empty for the top itself.
  package let path: String
  let tree: Tree

  /// The 1-based line the value begins on.
  package var line: Int { tree.line }

  /// The value's kind.
  package var kind: Kind {
    switch tree.content {
    case .list: .list
    case .map: .map
    case .scalar(let scalar, _):
      switch scalar {
      case .null: .null
      case .bool: .bool
      case .int, .hugeInt: .int
      case .float: .float
      case .text: .text
      }
    }
  }

  /// Whether the value is `null`, `~`, `None` or nothing at all.
  package var isNull: Bool { kind == .null }

  // MARK: Typed access

  /// The value as text; numbers and Booleans are not text unless quoted.
  package func string() throws -> String {
    guard case .scalar(.text, let text) = tree.content else {
      let quote = kind == .list || kind == .map ? "Change line \(line)." : "Put it in quotes."
      throw error(expected: "text", remedy: kind == .null ? nil : quote)
    }
    return text
  }

  /// `true` or `false`.
  package func bool() throws -> Bool {
    guard case .scalar(.bool(let value), _) = tree.content else {
      throw error(expected: "true or false", remedy: "Write true or false on line \(line).")
    }
    return value
  }

  /// A whole number of the range; `96.0` is refused.
  package func int(in range: ClosedRange<Int> = .min ... .max) throws -> Int {
    guard case .scalar(.int(let value), _) = tree.content, range.contains(value) else {
      throw error(expected: "a whole number\(words(range))")
    }
    return value
  }

  /// A finite number of the range, with or without a fraction.
  package func double(
    in range: ClosedRange<Double> = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
  ) throws -> Double {
    let value: Double? =
      switch tree.content {
      case .scalar(.int(let value), _): Double(value)
      case .scalar(.float(let value), _): value
      default: nil
      }
    guard let value, value.isFinite, range.contains(value) else {
      throw error(expected: "a number\(words(range))")
    }
    return value
  }

  /// One of an enumeration's words, spelt exactly.
  package func choice<Choice>(_: Choice.Type = Choice.self) throws -> Choice
  where Choice: CaseIterable & RawRepresentable<String> {
    try choice(of: Array(Choice.allCases), named: \.rawValue)
  }

  /// One of some values, whose names are spelt exactly.
  package func choice<Choice>(of all: [Choice], named name: (Choice) -> String) throws -> Choice {
    let known = all.map(name)
    let expected = "one of \(known.joined(separator: ", "))"
    guard case .scalar(.text, let text) = tree.content else { throw error(expected: expected) }
    if let index = known.firstIndex(of: text) { return all[index] }
    let near = nearestSpelling(to: text, among: known)
    throw error(expected: expected, remedy: near.map { "Did you mean '\($0)'?" })
  }

  /// The values of a list.
  ///
  /// - Parameter count: the length that the list must have; `nil` for any.
  package func list(count: Int? = nil) throws -> [ConfigNode] {
    guard case .list(let items) = tree.content else {
      throw error(expected: count.map { "a list of \($0) values" } ?? "a list")
    }
    if let count, items.count != count {
      throw error(
        found: "has \(items.count) values", expected: "\(count)",
        remedy: "Write \(count) values on line \(line).")
    }
    return items.enumerated().map {
      ConfigNode(file: file, path: "\(path)[\($0.offset)]", tree: $0.element)
    }
  }

  /// A list of whole numbers.
  package func ints(
    count: Int? = nil, in range: ClosedRange<Int> = .min ... .max
  ) throws -> [Int] {
    try list(count: count).map { try $0.int(in: range) }
  }

  /// A list of numbers.
  package func doubles(
    count: Int? = nil,
    in range: ClosedRange<Double> = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
  ) throws -> [Double] {
    try list(count: count).map { try $0.double(in: range) }
  }

  /// A list of texts.
  package func strings(count: Int? = nil) throws -> [String] {
    try list(count: count).map { try $0.string() }
  }

  /// The value as a map, its keys unchecked.
  package func map() throws -> ConfigMap {
    guard case .map(let entries) = tree.content else {
      throw error(expected: "a map", remedy: "Write indented 'key: value' lines under it.")
    }
    return ConfigMap(node: self, entries: entries)
  }

  /// The value as a map; keys other than `known` are refused.
  package func map(known: [String]) throws -> ConfigMap {
    let map = try map()
    try map.finish(known: known)
    return map
  }

  // MARK: Free access

  /// The value at a dotted path of map keys below this one (`MODEL.TYPE`), or `nil`.
  ///
  /// For tools and tests; a reader of a schema goes through ``map(known:)``.
  package func value(at dottedPath: String) -> ConfigNode? {
    var node = self
    for key in dottedPath.split(separator: ".") {
      guard let next = try? node.map().entry(String(key)) else { return nil }
      node = next
    }
    return node
  }

  // MARK: Errors

  /// An error about this value, for checks of the caller.
  ///
  /// - Parameters:
  ///   - found: a phrase that follows the key; by default the value's kind and text.
  ///   - remedy: by default "Change line N."
  package func error(
    found: String? = nil, expected: String, remedy: String? = nil
  ) -> ConfigError {
    ConfigError(
      file: file, line: line, key: path, found: found ?? summary, expected: expected,
      remedy: remedy ?? "Change line \(line).")
  }

  /// The value's kind and text, as a phrase that follows its key.
  private var summary: String {
    switch tree.content {
    case .list(let items): "is a list of \(items.count)"
    case .map: "is a map"
    case .scalar(.null, _): "has no value"
    case .scalar(.bool(let value), _): "is \(value)"
    case .scalar(.int, let text), .scalar(.hugeInt, let text), .scalar(.float, let text):
      "is the number \(printable(text))"
    case .scalar(.text, let text): "is the text '\(printable(text))'"
    }
  }
}

private func words(_ range: ClosedRange<Int>) -> String {
  switch (range.lowerBound, range.upperBound) {
  case (.min, .max): ""
  case (let low, .max): " of at least \(low)"
  case (.min, let high): " of at most \(high)"
  case (let low, let high): " from \(low) to \(high)"
  }
}

private func words(_ range: ClosedRange<Double>) -> String {
  let end = Double.greatestFiniteMagnitude
  return switch (range.lowerBound, range.upperBound) {
  case (-end, end): ""
  case (let low, end): " of at least \(low)"
  case (-end, let high): " of at most \(high)"
  case (let low, let high): " from \(low) to \(high)"
  }
}
