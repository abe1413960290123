import FlattenData
import FlattenImage
import FlattenMetrics
import FlattenTensor
import Synchronization

/// Scores a model, or masks made elsewhere, on a data set.
public enum Evaluation {
  /// How far an evaluation is.
  public struct Progress: Sendable {
    /// Pictures scored.
    public let done: Int
    /// Pictures in all.
    public let total: Int
  }

  /// Segments every picture and scores the result; reading, computing and counting overlap.
  ///
  /// - Parameters:
  ///   - segmenter: what is scored.
  ///   - dataset: pictures and their labels.
  ///   - options: as for one picture.
  ///   - limit: how many pictures, in the data set's order; `nil` for all.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onWarning: what the decoders let pass.
  ///   - onProgress: called after every picture.
  /// - Throws: the first error; an evaluation of some pictures would not be one.
  public static func run(
    _ segmenter: Segmenter, on dataset: Dataset, options: Segmenter.Options = .init(),
    limit: Int? = nil, shouldStop: @escaping @Sendable () -> Bool = { false },
    onWarning: @escaping @Sendable (String) -> Void = { _ in },
    onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) throws -> EvaluationReport {
    try requireClasses(dataset.description.classes.count, of: dataset.description, segmenter)
    let items = Array(dataset.items.prefix(limit ?? .max))
    let tally = Tally(dataset.description, total: items.count)
    OverlappedPipeline.run(
      items, shouldStop: { shouldStop() || tally.hasFailed },
      read: { item in
        let pair = try dataset.load(item)
        pair.warnings.forEach(onWarning)
        return pair
      },
      compute: { _, pair in
        (try segmenter.segment(pair.image, options: options).labels, pair.label)
      },
      write: { _, result in tally.add(result, onProgress) })
    return try tally.report(dataset.description.classes)
  }

  /// Refuses a data set of another number of classes than the model's, before its files are looked at.
  package static func requireClasses(
    _ count: Int, of description: DatasetDescription, _ segmenter: Segmenter
  ) throws {
    guard count == segmenter.classes.count else {
      throw DatasetError(
        "the data set '\(description.name)' has \(count) classes, the model "
          + "\(segmenter.classes.count). Choose the data set the model was trained on with --dataset."
      )
    }
  }

  /// Scores masks made elsewhere: PNG files of class ids under the pictures' names.
  ///
  /// - Parameters:
  ///   - folder: laid out like the data set's pictures.
  ///   - dataset: pictures and their labels.
  ///   - limit: how many pictures, in the data set's order; `nil` for all.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onProgress: called after every picture.
  /// - Throws: the first error.
  public static func score(
    predictions folder: String, on dataset: Dataset, limit: Int? = nil,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) throws -> EvaluationReport {
    let items = Array(dataset.items.prefix(limit ?? .max))
    let tally = Tally(dataset.description, total: items.count)
    OverlappedPipeline.run(
      items, shouldStop: { shouldStop() || tally.hasFailed },
      read: { item in
        let label = try dataset.label(of: item)
        return (try dataset.prediction(for: item, in: folder, scoredAgainst: label), label)
      },
      compute: { _, pair in pair },
      write: { _, result in tally.add(result, onProgress) })
    return try tally.report(dataset.description.classes)
  }
}

/// The counts of an evaluation under way.
private final class Tally: Sendable {
  private struct State {
    var matrix: ConfusionMatrix
    var pictures = 0
    var failure: (any Error)?
  }

  private let state: Mutex<State>
  private let ignoreIndex: Int
  private let total: Int

  init(_ description: DatasetDescription, total: Int) {
    state = Mutex(State(matrix: ConfusionMatrix(classes: description.classes.count)))
    ignoreIndex = Int(description.labelRule.ignoreIndex)
    self.total = total
  }

  var hasFailed: Bool { state.withLock { $0.failure != nil } }

  func add(
    _ result: Result<(LabelMap, LabelMap), any Error>, _ onProgress: (Evaluation.Progress) -> Void
  ) {
    let done: Int? = state.withLock { state in
      switch result {
      case .success(let (prediction, truth)):
        state.matrix.add(prediction: prediction, truth: truth, ignoreIndex: ignoreIndex)
        state.pictures += 1
        return state.pictures
      case .failure(let error):
        state.failure = state.failure ?? error
        return nil
      }
    }
    if let done { onProgress(Evaluation.Progress(done: done, total: total)) }
  }

  func report(_ classNames: [String]) throws -> EvaluationReport {
    let state = state.withLock { $0 }
    if let failure = state.failure { throw failure }
    return try EvaluationReport(
      matrix: state.matrix, classNames: classNames, pictures: state.pictures)
  }
}
