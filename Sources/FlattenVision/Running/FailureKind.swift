import FlattenCheckpoint
import FlattenConfig
import FlattenData
import FlattenFiles
import FlattenInspection
import FlattenMetrics

/// What went wrong, for whoever must choose an exit status or a response.
package enum FailureKind: Sendable {
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
  package init?(of error: any Error) {
    switch error {
    case let error as FileError: self = error.kind == .unwritable ? .output : .input
    case is WeightsError, is UnknownObjectError, is ContainerError, is ParameterError:
      self = .weights
    case TaskMismatch.weights, is UnknownArchitectureError: self = .weights
    case is UnknownConfigError: self = .input
    case is ConfigError, is DatasetProblem, is COCOProblem, TaskMismatch.config: self = .input
    case is DetectionError: self = .input
    case is DatasetError, is AttentionQueryError: self = .request
    case is ExistingResultError, is ReaderLeftError: self = .output
    case ResultsJournalError.differs: self = .request
    case is ResultsJournalError: self = .output
    case InferenceError.pictureTooLarge, InferenceError.pictureRefused: self = .input
    case InferenceError.strideTooLarge: self = .request
    case let failure as PictureFailure: self = FailureKind(of: failure.cause) ?? .input
    case is MetricsError, is InferenceError, is BenchmarkError: self = .other
    default: return nil
    }
  }
}
