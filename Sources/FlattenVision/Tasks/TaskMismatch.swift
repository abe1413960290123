import FlattenCheckpoint
import FlattenConfig

/// A config or weights of another task than the one that was asked for.
public enum TaskMismatch: Error, CustomStringConvertible, Sendable {
  /// A config: the section that tells, the task that was asked for and the config's.
  case config(ConfigError, wanted: String, found: String)
  /// Weights that lack the wanted task's last layer: what does not fit, and the task whose last layer they
  /// have; `nil` for a backbone alone.
  case weights(ParameterError, wanted: String, found: String?)

  /// What does not fit, and what to do.
  public var description: String {
    switch self {
    case .config(let error, _, _): error.description
    case .weights(let error, _, let found): error.description(advising: Self.advice(found))
    }
  }

  private static func advice(_ found: String?) -> String {
    found.map { "These weights are of a model for \($0): take its config." }
      ?? "These weights are a backbone's alone: take those of a whole model."
  }
}
