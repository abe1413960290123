import FlattenCheckpoint
import FlattenConfig
import FlattenData
import FlattenFiles
import FlattenMetrics

/// What went wrong, for whoever must choose an exit status or a response.
public enum FailureKind: Sendable {
  /// A picture, label, config or data set is missing, unreadable or refused.
  case input
  /// The weights are damaged, hostile, or belong to another model.
  case weights
  /// What was asked for makes no sense.
  case request
  /// A result could not be written.
  case output
  /// Anything else that these libraries report.
  case other

  /// The kind of an error that these libraries throw; `nil` for anyone else's.
  public init?(of error: any Error) {
    switch error {
    case let error as FileError: self = error.kind == .unwritable ? .output : .input
    case is WeightsError, is ParameterError: self = .weights
    case is ConfigError, is DatasetProblem: self = .input
    case is DatasetError, is AttentionQueryError: self = .request
    case is MetricsError, is SegmentationError: self = .other
    default: return nil
    }
  }
}

/// A weights file that was refused: damaged, hostile, or of no known kind.
public struct WeightsError: Error, CustomStringConvertible, Sendable {
  /// The file and the reason.
  public let cause: FileError

  /// `path: reason`.
  public var description: String { cause.description }

  /// Opens a checkpoint, telling a file that is refused from one that is not there.
  package static func opening(
    _ path: String, options: Checkpoint.Options = Checkpoint.Options()
  ) throws -> Checkpoint {
    try telling { try Checkpoint.open(path: path, options: options) }
  }

  /// Runs a reader of weights; its refusals become weights errors.
  package static func telling<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as FileError where error.kind == .refused {
      throw WeightsError(cause: error)
    }
  }
}
