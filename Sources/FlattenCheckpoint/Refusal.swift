import FlattenFiles

/// The reason for refusing a file's contents; ``Checkpoint`` adds the file's name.
struct Refusal: Error {
  let reason: String
  /// The class of an object that is refused because it is unknown.
  var unknownClass: String?
  /// The containers that the file has, where no weights are found in the one that is wanted.
  var containers: [String]?

  init(_ reason: String) { self.reason = reason }

  /// A tensor of a type that is not read.
  init(notReading entry: TensorEntry) {
    reason =
      "'\(shortened(entry.name))' is a \(entry.typeName) tensor, which is not supported. Save it as "
      + "float32"
  }

  init(_ reason: String, containers: [String]) {
    self.reason = reason
    self.containers = containers
  }

  init(unknownClass name: String) {
    reason = UnknownObjectError.reason(name)
    unknownClass = name
  }
}

/// A file of weights that holds an object of a class which is not known here.
///
/// Reading may leave such objects out; that is for files whose origin is trusted.
public struct UnknownObjectError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file.
  public let path: String
  /// The class, with its module.
  public let className: String

  /// What is wrong, without what to do.
  package var fact: String { Self.reason(className) }

  fileprivate static func reason(_ name: String) -> String {
    "the pickle holds an object of the unknown class '\(shortened(name))'"
  }

  /// One sentence, and what to do.
  public var description: String {
    "\(printable(path, limit: 200)): \(fact). If you trust the file's origin, let unknown objects be "
      + "skipped: the weights are read and such objects left out"
  }
}

/// A file that has no weights where they are looked for, but elsewhere.
public struct ContainerError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file.
  public let path: String
  let fact: String
  /// The containers of weights that the file has: keys of dictionaries, `a.b` for one inside another.
  public let containers: [String]

  /// What is wrong and what there is, without what to do: "has no weights under 'net'. It has some under
  /// 'a' and 'b'".
  package var facts: String { "\(fact). It has some under \(listed(containers))" }

  /// One sentence, and what to do.
  public var description: String {
    FileError(path: path, kind: .refused, reason: "\(facts): choose that container").description
  }
}

/// Names for a sentence: "'a', 'b' and 3 more".
func listed(_ names: [String], atMost limit: Int = 4) -> String {
  var words = names.prefix(limit).map { "'\(printable($0, limit: 40))'" }
  if names.count > limit { words.append("\(names.count - limit) more") }
  guard words.count > 1, let last = words.popLast() else { return words.joined() }
  return words.joined(separator: ", ") + " and " + last
}

/// `left + right`, refusing where 64 bits do not hold it.
func checkedSum(_ left: Int, _ right: Int, _ what: @autoclosure () -> String) throws -> Int {
  let (sum, overflow) = left.addingReportingOverflow(right)
  guard !overflow else { throw Refusal("\(what()) is beyond 64 bits") }
  return sum
}

/// `left * right`, refusing where 64 bits do not hold it.
func checkedProduct(_ left: Int, _ right: Int, _ what: @autoclosure () -> String) throws -> Int {
  let (product, overflow) = left.multipliedReportingOverflow(by: right)
  guard !overflow else { throw Refusal("\(what()) is beyond 64 bits") }
  return product
}

/// A piece of a file's content for a message: escaped, at most 80 characters.
func shortened(_ text: String) -> String { printable(text, limit: 80) }
