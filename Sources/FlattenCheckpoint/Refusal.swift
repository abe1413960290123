import FlattenFiles

/// The reason for refusing a file's contents; ``Checkpoint`` adds the file's name.
struct Refusal: Error {
  let reason: String
  /// The class of an object that is refused because it is unknown.
  var unknownClass: String?

  init(_ reason: String) { self.reason = reason }

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
