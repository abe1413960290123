import FlattenCheckpoint
import FlattenFiles

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
