import FlattenConfig
import FlattenTensor

/// The attention that a config asks for in a stage: a name, and options of its own.
package struct AttentionChoice: Sendable, Hashable {
  package let name: String
  let options: AttentionOptions

  package init(_ name: String, options: AttentionOptions = AttentionOptions()) {
    self.name = name
    self.options = options
  }

  /// The paper's focused linear attention.
  package static let focused = AttentionChoice("focused")
  /// The family's own softmax attention.
  package static let softmax = AttentionChoice("softmax")
  /// The attentions that every family has.
  static let builtIn = [focused, softmax]
  /// What letters of upstream's `attn_type` stand for.
  static let letters = ["L": focused, "S": softmax]

  /// By name: what a stage's other numbers depend on.
  package static func == (a: AttentionChoice, b: AttentionChoice) -> Bool { a.name == b.name }

  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// An attention's own options in a config, such as `agents` in `attention: {type: mine, agents: 12}`.
///
/// Each is read by its key; when the attention has been made, keys that were not read are an error.
public struct AttentionOptions: Sendable {
  private let map: ConfigMap?
  /// Where the config names the attention, for errors.
  private let node: ConfigNode?
  private let asked = Locked<Set<String>>(["type"])

  /// No options.
  public init() {
    map = nil
    node = nil
  }

  /// - Parameter node: an attention's name, or a map with its `type` and its options.
  init(_ node: ConfigNode) {
    map = try? node.map()
    self.node = node
  }

  /// A whole number.
  ///
  /// - Parameters:
  ///   - key: the option's name.
  ///   - range: the values that make sense.
  ///   - standard: taken where the config does not name the option; `nil` makes it obligatory.
  /// - Throws: `ConfigError` naming the key.
  public func int(
    _ key: String, in range: ClosedRange<Int> = .min ... .max, default standard: Int? = nil
  ) throws -> Int {
    try value(key, standard) { try $0.int(in: range) }
  }

  /// A number. Otherwise as ``int(_:in:default:)``.
  public func double(
    _ key: String, in range: ClosedRange<Double>, default standard: Double? = nil
  ) throws -> Double {
    try value(key, standard) { try $0.double(in: range) }
  }

  /// True or false. Otherwise as ``int(_:in:default:)``.
  public func bool(_ key: String, default standard: Bool? = nil) throws -> Bool {
    try value(key, standard) { try $0.bool() }
  }

  /// A text. Otherwise as ``int(_:in:default:)``.
  public func string(_ key: String, default standard: String? = nil) throws -> String {
    try value(key, standard) { try $0.string() }
  }

  /// A list of whole numbers. Otherwise as ``int(_:in:default:)``.
  public func ints(
    _ key: String, count: Int? = nil, in range: ClosedRange<Int> = .min ... .max,
    default standard: [Int]? = nil
  ) throws -> [Int] {
    try value(key, standard) { try $0.ints(count: count, in: range) }
  }

  /// Rows and columns: one number for both, or a list of the two. Otherwise as ``int(_:in:default:)``.
  package func sides(
    _ key: String, in range: ClosedRange<Int>, default standard: (rows: Int, columns: Int)? = nil
  ) throws -> (rows: Int, columns: Int) {
    try value(key, standard) { node in
      if node.kind != .list {
        let side = try node.int(in: range)
        return (side, side)
      }
      let sides = try node.ints(count: 2, in: range)
      return (sides[0], sides[1])
    }
  }

  /// What a config may be told of an option, or of the attention itself where `key` is `nil`.
  package func error(_ key: String? = nil, found: String? = nil, expected: String) -> ConfigError {
    let node = key.flatMap { map?.optional($0) } ?? self.node
    return node?.error(found: found, expected: expected)
      ?? ConfigError(
        file: "attention options", line: nil, key: key ?? "type", found: found ?? "does not fit",
        remedy: "Give \(expected).")
  }

  private func value<Value>(
    _ key: String, _ standard: Value?, _ read: (ConfigNode) throws -> Value
  ) throws -> Value {
    asked.withLock { _ = $0.insert(key) }
    if let node = map?.optional(key) { return try read(node) }
    if let standard { return standard }
    guard let map else {
      throw node?.error(
        found: "is an attention without its option '\(key)'",
        expected: "a map such as {type: ..., \(key): ...}")
        ?? ConfigError(
          file: "attention options", line: nil, key: key, found: "is missing",
          remedy: "Give the site its options.")
    }
    return try read(map.required(key))
  }

  /// Refuses options that nothing has asked for.
  func finish() throws {
    try map?.finish(known: asked.withLock { $0.sorted() })
  }
}
