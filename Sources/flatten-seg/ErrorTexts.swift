import FlattenCheckpoint
import FlattenConfig
import FlattenData
import FlattenFiles
import FlattenVision

/// What the program says of the libraries' errors: their facts, and what to do in terms of its options.
enum ErrorTexts {
  /// One sentence, in one line.
  static func text(of error: any Error) -> String {
    switch error {
    case let error as ParameterError: error.summary(advising: advice(on: error))
    case let error as ContainerError:
      FileError(
        path: error.path, kind: .refused,
        reason:
          "\(error.facts). Choose with \(containerOption(error.containers.first ?? ""))"
      ).description
    case let error as TaskMismatch: text(of: error)
    case let error as InferenceError: text(of: error)
    case let error as UnknownObjectError:
      FileError(
        path: error.path, kind: .refused,
        reason: "\(error.fact). If you trust the file's origin, --skip-unknown-objects reads the "
          + "weights and leaves such objects out"
      ).description
    case let error as ExistingResultError:
      "\(error); give --overwrite to replace it"
        + (error.canBeKept ? " or --skip-existing to keep it" : "")
    case let error as ResultsJournalError: text(of: error)
    case let error as UnknownConfigError:
      "\(error) 'flatten-seg configs' lists them."
    case let error as DatasetError: text(of: error)
    case let error as DatasetProblem: text(of: error)
    case let error as FileError where error.kind == .tooLarge:
      FileError(
        path: error.path, kind: error.kind, reason: "\(error.reason). \(remedy(.raiseLimit))"
      ).description
    case let error as AttentionQueryError: "--\(error)"
    case let error as PictureFailure:
      PictureFailure.line(error.path, error.cause, text: text(of: error.cause))
    default: "\(error)"
    }
  }

  /// What to do with weights that do not fit, where an option helps; `nil` where none does.
  private static func advice(on error: ParameterError) -> String? {
    error.places.map { places in
      (places.holdModels ? "" : "If a wrapper is called so: ")
        + "\(containerOption(places.names.first ?? "")) reads what is below it."
    }
  }

  /// The option that chooses a container, to be copied: the whole name, in quotes where a shell would divide it.
  private static func containerOption(_ name: String) -> String {
    let isPlain =
      !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || "._-".contains($0) }
    let text = printable(name, limit: 400)
    return "--container \(isPlain ? text : "'\(text)'")"
  }

  private static func text(of error: InferenceError) -> String {
    switch error {
    case .noMemory: "\(error.fact). Give fewer --threads or raise the limit."
    case .pictureTooLarge(_, _, let windowsHelp):
      "\(error.fact). Use \(windowsHelp ? "--mode slide --crop 1024x1024, or " : "")a smaller picture."
    case .strideTooLarge: "\(error.fact). Give a --stride that is not larger than --crop."
    case .scoresNotFinite, .proportions, .pictureRefused: error.description
    }
  }

  private static func text(of error: ResultsJournalError) -> String {
    switch error {
    case .unfinished: "\(error); give --skip-existing to go on with it or --overwrite to begin anew"
    case .differs:
      "\(error). Go on with the same files and options, or begin anew with --overwrite."
    case .busy: "\(error). Wait for it, or choose another name."
    }
  }

  private static func text(of error: DatasetError) -> String {
    let fact = error.reason.fact
    let sentence =
      switch error.reason {
      case .hasNoSplits: "\(fact). Leave --split out."
      case .needsSplit(let dataset, let splits):
        "the data set '\(dataset)' needs --split: \(splits.joined(separator: ", "))."
      case .classes: "\(fact). Choose the data set the model was trained on with --dataset."
      case .hasNoLabels, .other: error.description
      }
    return printable(sentence, limit: 500)
  }

  private static func text(of error: DatasetProblem) -> String {
    guard let wanted = error.remedy else { return "\(error)" }
    let path = printable(error.path, limit: 160)
    return "\(path): \(printable(error.reason, limit: 260)) \(remedy(wanted))"
  }

  private static func remedy(_ remedy: DatasetProblem.Remedy) -> String {
    switch remedy {
    case .ignoreOrientation: "--exif ignore reads both as they are stored."
    case .applyOrientation: "Leave --exif ignore out."
    case .shiftPredictions(let offset): "--prediction-offset \(offset) shifts them."
    case .raiseLimit: "--max-pixels raises the limit."
    }
  }

  private static func text(of error: TaskMismatch) -> String {
    switch error {
    case .config(let config, _, let found):
      ConfigError(
        file: config.file, line: config.line, key: config.key, found: config.found,
        expected: config.expected,
        remedy: commands[found].map { "Use 'flatten-seg \($0.verb)' for it." } ?? config.remedy
      ).description
    case .weights(let weights, let wanted, let found):
      weights.summary(
        advising: found.map { commands[$0]?.having } ?? commands[wanted]?.lacking)
    }
  }

  /// What a task's command is called, what is said of a backbone alone that was given to it, and what of its
  /// weights that were given to another task.
  private static let commands: [String: (verb: String, lacking: String, having: String)] = [
    SegmentationConfiguration.taskName: (
      "predict",
      "These weights are a backbone's and have no segmentation head: take weights trained for "
        + "segmentation.",
      "These are a segmentor's weights: take its config, with 'flatten-seg predict'."
    ),
    DetectionConfiguration.taskName: (
      "detect",
      "These weights are a backbone's and have no detection head: take weights trained for detection.",
      "These are a detector's weights: take its config, with 'flatten-seg detect'."
    ),
    ClassificationConfiguration.taskName: (
      "classify",
      "These weights are a backbone's and have no classifier: take weights trained to classify.",
      "These are a classifier's weights and have no segmentation head: take weights trained for "
        + "segmentation, or a classifier's config with 'flatten-seg classify'."
    ),
  ]
}
