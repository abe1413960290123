import FlattenFiles

/// Why a file's contents are refused; ``Checkpoint`` adds which file it is.
struct Refusal: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
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
