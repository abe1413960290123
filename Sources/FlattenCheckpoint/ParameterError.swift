import FlattenFiles

/// Weights that do not fit the model: every key that is missing, left over, of another shape or of
/// another type, reported together.
public struct ParameterError: Error, CustomStringConvertible, Sendable {
  /// One key and what is wrong with it.
  public enum Problem: Sendable, Equatable {
    /// The model wants this tensor, the file does not have it.
    case missing(name: String, expected: [Int])
    /// The file has this tensor under another shape.
    case shape(name: String, found: [Int], expected: [Int])
    /// The file has this tensor, but its elements are integers or truth values.
    case type(name: String)
    /// The file has this tensor, the model has no place for it.
    case leftOver(name: String, shape: [Int])
  }

  /// The file the weights come from.
  public let path: String
  /// All problems: wrong shapes, wrong types and missing keys in the order the model asks for them,
  /// then leftover keys in file order.
  public let problems: [Problem]
  /// The model that the file looks like, such as "FLatten-PVT tiny (LLLL)"; `nil` where unknown.
  public let looksLike: String?
  /// Where the file's keys are no model's: below which of their parts there may be one.
  package internal(set) var places: KeyPlaces?

  /// How many keys of each sort the text names.
  private static let namedKeys = 10

  /// One line a sort of problem, each naming the first ten keys, and at the end what to do.
  public var description: String { description(advising: nil) }

  /// The same with other advice; `nil` gives its own.
  package func description(advising advice: String?) -> String {
    var lines: [String] = []
    lines += sort { problem in
      guard case .shape(let name, let found, let expected) = problem else { return nil }
      return "\(quoted(name)) is \(found), the config wants \(expected)"
    }
    lines += sort { problem in
      guard case .type(let name) = problem else { return nil }
      return "\(quoted(name)) holds integers, the config wants floating-point numbers"
    }
    lines += list("the file lacks") { problem in
      guard case .missing(let name, let expected) = problem else { return nil }
      return "\(quoted(name)) \(expected)"
    }
    lines += list("the config has no place for") { problem in
      guard case .leftOver(let name, let shape) = problem else { return nil }
      return "\(quoted(name)) \(shape)"
    }
    return "\(printable(path, limit: 200)): \(lines.joined(separator: ";\n  "))."
      + "\(likeness(limit: 200)) \(advice ?? remedy)"
  }

  /// The same in one line of at most 490 characters: the first key of each sort, and how many more.
  ///
  /// - Parameter advice: what to do; `nil` gives its own.
  package func summary(advising advice: String? = nil) -> String {
    var head = "\(printable(path, limit: 120)): "
    var middle: [String] = []
    if case .shape(let name, let found, let expected) = problems.first {
      let more = problems.count { if case .shape = $0 { true } else { false } } - 1
      head += "\(quoted(name)) is \(found), the config wants \(expected)"
      if more > 0 { head += ", and \(more) more have another shape" }
    } else {
      head += "does not fit the config"
    }
    let missing = problems.compactMap { if case .missing(let name, _) = $0 { name } else { nil } }
    let integers = problems.compactMap { if case .type(let name) = $0 { name } else { nil } }
    let left = problems.compactMap { if case .leftOver(let name, _) = $0 { name } else { nil } }
    for (names, what) in [
      (integers, "hold integers"), (missing, "are missing"), (left, "are too many"),
    ] {
      if let first = names.first { middle.append("\(names.count) \(what): \(quoted(first))") }
    }
    let tail = ".\(likeness(limit: 140)) \(advice ?? remedy)"
    let details = middle.map { "; " + $0 }.joined()
    let room = max(0, 490 - head.count - tail.count)
    return printable(head + printable(details, limit: room) + tail, limit: 493)
  }

  /// A sort of problem told in whole clauses.
  private func sort(_ clause: (Problem) -> String?) -> [String] {
    let clauses = problems.compactMap(clause)
    let more = clauses.count - Self.namedKeys
    return clauses.prefix(Self.namedKeys) + (more > 0 ? ["and \(more) more of this sort"] : [])
  }

  /// A sort of problem told as one list.
  private func list(_ verb: String, _ item: (Problem) -> String?) -> [String] {
    let items = problems.compactMap(item)
    guard !items.isEmpty else { return [] }
    let more = items.count - Self.namedKeys
    return [
      "\(verb) \(items.prefix(Self.namedKeys).joined(separator: ", "))"
        + (more > 0 ? " and \(more) more" : "")
    ]
  }

  /// What the file seems to hold.
  private func likeness(limit: Int) -> String {
    if let places { return " " + places.fact }
    return looksLike.map { " The file looks like \(printable($0, limit: limit))." } ?? ""
  }

  private var remedy: String {
    if let places {
      return places.holdModels
        ? "Choose the container that is wanted."
        : "If a wrapper is called so, choose it as the container."
    }
    // A classifier of another width is by far the commonest misfit, and the only one whose cure is
    // one number.
    for case .shape(let name, let found, let expected) in problems {
      guard let classes = found.first, found.count == expected.count,
        found.dropFirst() == expected.dropFirst(),
        name.utf8.split(separator: UInt8(ascii: ".")).contains(where: { part in
          part.elementsEqual("conv_seg".utf8) || part.elementsEqual("head".utf8)
        })
      else { continue }
      return "Use the config these weights were trained with, or set classes: \(classes)."
    }
    return "Use the config these weights were trained with."
  }

  /// Whether a key that the model wants is missing.
  package func lacks(_ key: String) -> Bool {
    problems.contains { if case .missing(key, _) = $0 { true } else { false } }
  }

  /// Whether the model has no place for a key of the file.
  package func hasLeft(_ key: String) -> Bool {
    problems.contains { if case .leftOver(key, _) = $0 { true } else { false } }
  }

  private func quoted(_ name: String) -> String { "'\(printable(name))'" }
}
