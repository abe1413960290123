import FlattenFiles

/// Why a picture has no result.
public struct PictureFailure: Error, CustomStringConvertible, Sendable {
  /// The picture.
  public let path: String
  /// What was wrong.
  public let cause: any Error

  /// Whether a result could not be written; otherwise the picture, or the model, is to blame.
  public var isUnwritable: Bool {
    (cause as? FileError)?.kind == .unwritable || cause is ExistingResultError
      || cause is ReaderLeftError
  }

  /// One line that names the file.
  public var description: String { Self.line(path, cause) }

  /// A cause in one line that names the file: the one that the cause names, else the picture.
  ///
  /// - Parameter text: the cause in other words than its own.
  package static func line(_ path: String, _ cause: any Error, text: String? = nil) -> String {
    if cause is FileError || cause is ExistingResultError { return text ?? "\(cause)" }
    return FileError(path: path, kind: .refused, reason: text ?? "\(cause)").description
  }
}

/// A result that exists already, where results must not be replaced.
public struct ExistingResultError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file.
  public let path: String
  /// Whether whoever asked could as well keep results that exist and go on with the other pictures.
  public let canBeKept: Bool

  package init(path: String, canBeKept: Bool) {
    self.path = path
    self.canBeKept = canBeKept
  }

  /// One sentence that names the file.
  public var description: String { "\(printable(path, limit: 200)): exists already" }
}

/// Whoever was reading standard output left before all of a result was written.
public struct ReaderLeftError: Error, CustomStringConvertible, Sendable {
  /// One sentence.
  public var description: String { "standard output was closed before all was written" }
}
