import FlattenVision

/// How the process ends.
enum ExitStatus: Int32, Error {
  case done = 0
  case failed = 1
  case usage = 2
  /// An input is missing, unreadable or refused.
  case input = 3
  /// The weights are damaged, hostile, or belong to another model.
  case weights = 4
  /// Some pictures failed, the rest is done.
  case partial = 5
  /// A demanded figure was missed.
  case gate = 6
  case interrupted = 130
  /// Standard output was closed before all results were told: 128 and SIGPIPE's number.
  case readerLeft = 141

  /// The status for an error of the libraries; `nil` for those of the argument parser.
  init?(of error: any Error) {
    switch FailureKind(of: error) {
    case .input: self = .input
    case .weights: self = .weights
    case .request: self = .usage
    case .output, .other: self = .failed
    case nil: return nil
    }
  }
}

/// A request that makes no sense once the inputs are known: one sentence that says what to do.
struct RequestError: Error, CustomStringConvertible {
  let description: String

  init(_ sentence: String) { description = sentence }
}
