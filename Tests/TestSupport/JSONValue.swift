/// A JSON document as a tree; asking for what is not there gives `.null`.
package enum JSONValue: Sendable, Equatable, Decodable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  package subscript(key: String) -> JSONValue {
    if case .object(let fields) = self { return fields[key] ?? .null }
    return .null
  }

  package subscript(index: Int) -> JSONValue {
    if case .array(let items) = self, items.indices.contains(index) { return items[index] }
    return .null
  }

  package var isNull: Bool { self == .null }
  package var text: String? { if case .string(let value) = self { value } else { nil } }
  package var number: Double? { if case .number(let value) = self { value } else { nil } }
  package var int: Int? { number.flatMap { Int(exactly: $0) } }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var list: [JSONValue] { if case .array(let items) = self { items } else { [] } }
  package var ints: [Int] { list.compactMap(\.int) }
  package var fields: [String: JSONValue] {
    if case .object(let fields) = self { fields } else { [:] }
  }
}
