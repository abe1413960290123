import FlattenFiles

/// An error of using a data set: one sentence that ends in what to do.
public struct DatasetError: Error, CustomStringConvertible, Sendable, Equatable {
  /// What is wrong with the request.
  public enum Reason: Sendable, Equatable {
    /// A split of a data set that has none.
    case hasNoSplits(dataset: String, wanted: String)
    /// No split of a data set of which one must be named.
    case needsSplit(dataset: String, splits: [String])
    /// A data set of objects, without label pictures, where these are wanted.
    case hasNoLabels(dataset: String)
    /// A data set of another number of classes than the model's.
    case classes(dataset: String, count: Int, model: Int)
    /// Anything else.
    case other
  }

  /// What is wrong.
  public let reason: Reason
  /// The sentence, control characters escaped, at most 500 characters.
  public let description: String

  /// Makes an error that nobody tells in other words.
  package init(_ sentence: String) { self.init(.other, sentence) }

  /// Makes an error from its facts.
  package init(_ reason: Reason) {
    switch reason {
    case .hasNoSplits: self.init(reason, "\(reason.fact). Ask for none.")
    case .needsSplit(_, let splits):
      self.init(reason, "\(reason.fact): \(splits.joined(separator: ", ")).")
    case .hasNoLabels: self.init(reason, "\(reason.fact). Choose one with label pictures.")
    case .classes:
      self.init(reason, "\(reason.fact). Choose the data set the model was trained on.")
    case .other: self.init(reason, reason.fact)
    }
  }

  private init(_ reason: Reason, _ sentence: String) {
    self.reason = reason
    description = printable(sentence, limit: 500)
  }
}

extension DatasetError.Reason {
  /// What is wrong, without what to do.
  package var fact: String {
    switch self {
    case .hasNoSplits(let dataset, let wanted):
      "the data set '\(dataset)' has no splits, '\(wanted)' was asked for"
    case .needsSplit(let dataset, _): "the data set '\(dataset)' needs a split"
    case .hasNoLabels(let dataset):
      "the data set '\(dataset)' has objects in an annotation file and no label pictures"
    case .classes(let dataset, let count, let model):
      "the data set '\(dataset)' has \(count) classes, the model \(model)"
    case .other: "the data set cannot be used so"
    }
  }
}

/// A problem of one file of a data set.
public struct DatasetProblem: Error, CustomStringConvertible, Sendable, Equatable {
  /// The kinds of problems.
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

  /// What whoever asked can do about a problem by asking otherwise.
  public enum Remedy: Sendable, Equatable {
    /// Read pictures as they are stored, without their EXIF orientation.
    case ignoreOrientation
    /// Apply EXIF orientations.
    case applyOrientation
    /// Shift the ids of predictions.
    case shiftPredictions(by: Int)
    /// Raise the limit of pixels.
    case raiseLimit
  }

  /// The kind of problem.
  public let kind: Kind
  /// The file or folder.
  public let path: String
  /// The problem and the remedy.
  public let reason: String
  /// What asking otherwise would do about it, where something would.
  public let remedy: Remedy?
  /// What is wrong, without what differs from file to file: equal for problems that are told together.
  package let cause: String

  /// Makes a problem.
  ///
  /// - Parameter cause: `nil` where the reason names no file and no place in it.
  init(
    _ kind: Kind, path: String, _ reason: String, remedy: Remedy? = nil, cause: String? = nil
  ) {
    self.kind = kind
    self.path = path
    self.reason = reason
    self.remedy = remedy
    self.cause = cause ?? reason
  }

  /// A file that could not be decoded.
  init(_ kind: Kind, path: String, _ error: FileError) {
    self.init(
      kind, path: path, error.reason, remedy: error.kind == .tooLarge ? .raiseLimit : nil)
  }

  /// A folder or a name below a data set's root that could not be used.
  init(_ problem: FolderWalk.Problem) {
    switch problem.kind {
    case .missing, .isFile:
      self.init(
        .folder, path: problem.path, problem.reason + " Check the data set's root and layout.")
    case .unreadable: self.init(.folder, path: problem.path, problem.reason)
    case .name: self.init(.name, path: problem.path, problem.reason)
    }
  }

  /// `path: reason`, control characters escaped, at most 500 characters.
  public var description: String {
    printable("\(printable(path, limit: 200)): \(printable(reason, limit: 290))", limit: 500)
  }
}
