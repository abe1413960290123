import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import Synchronization

/// Classifies many pictures; reading and computing overlap, and one bad picture stops none of the others.
public struct BatchClassification: Sendable {
  /// What came of one picture.
  public struct Outcome: Sendable {
    /// The picture.
    public let source: PictureSource
    /// The result, or the reason, as one line that names the file.
    public let result: Result<Summary, FileError>
    /// What the decoder let pass.
    public let warnings: [String]
  }

  /// What is told of a picture.
  public struct Summary: Sendable {
    /// The picture's size.
    public let size: PixelSize
    /// Wall-clock time from the decoded picture to its classes.
    public let seconds: Double
    /// Its classes.
    public let classification: Classification
  }

  /// The model.
  public let classifier: Classifier
  /// Larger pictures are refused.
  public var limits = DecodingLimits()
  /// The picture that was begun before the model was there.
  public var ahead: PictureAhead?

  /// Makes a batch.
  public init(_ classifier: Classifier) { self.classifier = classifier }

  /// Runs the batch.
  ///
  /// - Parameters:
  ///   - sources: the pictures.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onOutcome: called once for each picture that was begun, in their order.
  public func run(
    _ sources: [PictureSource], shouldStop: @escaping @Sendable () -> Bool = { false },
    onOutcome: @escaping @Sendable (Outcome) -> Void
  ) {
    let (limits, ahead) = (limits, ahead)
    OverlappedPipeline.run(
      sources, shouldStop: shouldStop,
      read: { try ahead?.take($0) ?? $0.decode(limits: limits) },
      compute: { _, decoded in
        let picture = decoded.value
        let start = ContinuousClock.now
        let classification = try classifier.classify(picture)
        return (
          Summary(
            size: PixelSize(height: picture.height, width: picture.width),
            seconds: (ContinuousClock.now - start).seconds, classification: classification),
          decoded.warnings
        )
      },
      write: { source, result in
        let outcome: Outcome
        switch result {
        case .success(let (summary, warnings)):
          outcome = Outcome(source: source, result: .success(summary), warnings: warnings)
        case .failure(let error):
          let named =
            error as? FileError
            ?? FileError(path: source.path, kind: .refused, reason: "\(error)")
          outcome = Outcome(source: source, result: .failure(named), warnings: [])
        }
        onOutcome(outcome)
      })
  }
}

extension Evaluation {
  /// Classifies every picture of class folders and counts what was right; reading and computing overlap.
  ///
  /// - Parameters:
  ///   - classifier: what is scored.
  ///   - folders: pictures, a folder a class.
  ///   - limit: how many pictures, in the data set's order; `nil` for all.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onWarning: what the decoders let pass.
  ///   - onProgress: called after every picture.
  /// - Throws: the first error; an evaluation of some pictures would not be one.
  public static func run(
    _ classifier: Classifier, on folders: ClassFolders, limit: Int? = nil,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    onWarning: @escaping @Sendable (String) -> Void = { _ in },
    onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) throws -> ClassificationReport {
    let items = Array(folders.items.prefix(limit ?? .max))
    let state = Mutex(
      (
        report: ClassificationReport(
          classes: folders.list.classes.map { ($0.identifier, $0.name) }),
        failure: (any Error)?.none
      ))
    OverlappedPipeline.run(
      items, shouldStop: { shouldStop() || state.withLock { $0.failure != nil } },
      read: { item in
        let decoded = try Image.decode(path: item.path)
        decoded.warnings.forEach(onWarning)
        return decoded.value
      },
      compute: { item, picture in try classifier.classify(picture).rank(of: item.classIndex) },
      write: { item, result in
        let done: Int? = state.withLock { state in
          switch result {
          case .success(let rank): state.report.add(truth: item.classIndex, rank: rank)
          case .failure(let error): state.failure = state.failure ?? error
          }
          return state.failure == nil ? state.report.pictures : nil
        }
        if let done { onProgress(Progress(done: done, total: items.count)) }
      })
    return try state.withLock { state in
      if let failure = state.failure { throw failure }
      return state.report
    }
  }
}
