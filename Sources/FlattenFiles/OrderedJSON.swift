/// A JSON document whose keys keep their order, because reports are compared as text.
package enum OrderedJSON: Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  /// NaN and infinities become `null`: JSON has no spelling for them.
  case number(Double)
  case string(String)
  case array([OrderedJSON])
  case object([(String, OrderedJSON)])

  /// The document, indented by two spaces; an object of plain values stays on one line below the top.
  package func text(indent: Int = 0) -> String {
    let inner = String(repeating: "  ", count: indent + 1)
    let outer = String(repeating: "  ", count: indent)
    switch self {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .integer(let value): return "\(value)"
    case .number(let value): return value.isFinite ? "\(value)" : "null"
    case .string(let value): return Self.quoted(value)
    case .array(let items):
      if items.isEmpty { return "[]" }
      let lines = items.map { inner + $0.text(indent: indent + 1) }
      return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
    case .object(let fields):
      let pieces = fields.map { "\(Self.quoted($0.0)): " + $0.1.text(indent: indent + 1) }
      if indent > 0, fields.allSatisfy({ $0.1.isPlain }) {
        return "{" + pieces.joined(separator: ", ") + "}"
      }
      return "{\n" + pieces.map { inner + $0 }.joined(separator: ",\n") + "\n\(outer)}"
    }
  }

  /// The document on one line.
  package var line: String {
    switch self {
    case .array(let items): "[" + items.map(\.line).joined(separator: ", ") + "]"
    case .object(let fields):
      "{" + fields.map { "\(Self.quoted($0.0)): \($0.1.line)" }.joined(separator: ", ") + "}"
    default: text()
    }
  }

  /// A finite number with all its digits, whole ones without a point.
  package static func shortNumber(_ value: Double) -> String {
    abs(value) < 0x1p53 && value == value.rounded() ? "\(Int(value))" : "\(value)"
  }

  private var isPlain: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
