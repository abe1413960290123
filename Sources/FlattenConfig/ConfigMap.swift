/// A map of a configuration, read by key.
package struct ConfigMap: Sendable {
  /// The map as a value, for errors about the map itself.
  package let node: ConfigNode
  let entries: [Tree.Entry]

  /// The keys in the order they are written.
  package var keys: [String] { entries.map(\.key) }

  /// The value of a key that must be there and must not be null.
  package func required(_ key: String) throws -> ConfigNode {
    guard let value = entry(key) else {
      let near = nearestSpelling(to: key, among: keys)
      throw ConfigError(
        file: node.file, line: node.line, key: path(key), found: "is missing",
        remedy: near.map { "'\($0)' is there: did you mean '\(key)'?" } ?? "Add '\(key): ...'.")
    }
    guard !value.isNull else {
      throw value.error(expected: "one", remedy: "Write a value on line \(value.line).")
    }
    return value
  }

  /// The value of a key, or `nil` where it is absent or null.
  package func optional(_ key: String) -> ConfigNode? {
    entry(key).flatMap { $0.isNull ? nil : $0 }
  }

  /// The value of a key, null or not, or `nil` where it is absent.
  package func entry(_ key: String) -> ConfigNode? {
    guard let entry = entries.first(where: { $0.key.utf8.elementsEqual(key.utf8) }) else {
      return nil
    }
    return ConfigNode(file: node.file, path: path(key), tree: entry.value)
  }

  /// All values in the order they are written, for maps whose keys are data.
  package var values: [(key: String, value: ConfigNode)] {
    entries.map {
      ($0.key, ConfigNode(file: node.file, path: path($0.key), tree: $0.value))
    }
  }

  /// Refuses keys that are not among the known ones, offering the nearest.
  package func finish(known: [String]) throws {
    for entry in entries where !known.contains(where: { $0.utf8.elementsEqual(entry.key.utf8) }) {
      let remedy =
        nearestSpelling(to: entry.key, among: known).map { "Did you mean '\($0)'?" }
        ?? "Known keys here: \(known.sorted().joined(separator: ", "))."
      throw ConfigError(
        file: node.file, line: entry.line, key: path(entry.key), found: "is not a known key",
        remedy: remedy)
    }
  }

  private func path(_ key: String) -> String {
    node.path.isEmpty ? key : "\(node.path).\(key)"
  }
}
