import FlattenFiles

/// A data set that cannot be used as asked; one sentence that ends in what to do.
public struct DatasetError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The sentence, control characters escaped, at most 500 characters.
  public let description: String

  /// Makes an error.
  package init(_ sentence: String) { description = printable(sentence, limit: 500) }
}

/// Something wrong with one file of a data set.
public struct DatasetProblem: Error, CustomStringConvertible, Sendable, Equatable {
  /// What kind of thing is wrong.
  public enum Kind: String, Sendable, CaseIterable {
    /// A folder or list is missing or cannot be read.
    case folder = "unreadable folder or list"
    /// There are no pictures.
    case empty = "no pictures"
    /// A name that is not UTF-8 or leaves the data set.
    case name = "unusable name"
    /// Two pictures share one label.
    case duplicateStem = "duplicate stem"
    /// The list names a picture that is not there.
    case missingPicture = "missing picture"
    /// A picture without a label.
    case missingLabel = "missing label"
    /// A picture that cannot be decoded.
    case badPicture = "undecodable picture"
    /// A label that cannot be decoded, or is of the wrong kind.
    case badLabel = "undecodable label"
    /// A label, or prediction, of another size than its picture.
    case size = "size mismatch"
    /// Numbers that stand for no class.
    case idOutOfRange = "id out of range"
    /// A picture without a prediction.
    case missingPrediction = "missing prediction"
    /// A prediction that cannot be decoded, or is of the wrong kind.
    case badPrediction = "undecodable prediction"
  }

  /// What kind of thing is wrong.
  public let kind: Kind
  /// The file or folder.
  public let path: String
  /// What is wrong with it and what to do.
  public let reason: String

  /// Makes a problem.
  init(_ kind: Kind, path: String, _ reason: String) {
    self.kind = kind
    self.path = path
    self.reason = reason
  }

  /// `path: reason`, control characters escaped, at most 500 characters.
  public var description: String {
    printable("\(printable(path, limit: 200)): \(printable(reason, limit: 290))", limit: 500)
  }
}
