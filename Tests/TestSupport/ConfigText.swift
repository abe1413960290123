/// Writes JSON values as YAML, of which JSON is a part, so that a case's hyper-parameters are read by
/// the same reader as a config.
extension JSONValue {
  package var configText: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let value): Int(exactly: value).map(String.init) ?? "\(value)"
    case .string(let value): "\"\(value)\""
    case .array(let items): "[\(items.map(\.configText).joined(separator: ", "))]"
    case .object(let fields):
      "{"
        + fields.sorted { $0.key < $1.key }.map { "\"\($0)\": \($1.configText)" }
        .joined(separator: ", ") + "}"
    }
  }

  /// The same object with some fields replaced, or removed where the new value is `nil`.
  package func replacing(_ changes: [String: JSONValue?]) -> JSONValue {
    var fields = fields
    for (key, value) in changes { fields[key] = value }
    return .object(fields)
  }
}
