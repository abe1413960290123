import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenRegions
import FlattenTensor

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
    let gate = MemoryGate(over: segmenter.loaded.memory)
    let said = SaidOnce()
    return try report(
      of: tally(
        dataset.items, limit, into: ConfusionMatrix(classes: dataset.description.classes.count),
        shouldStop: shouldStop, onProgress: onProgress,
        read: { item in
          let admitted = try naming(item.image) {
            try gate.decode(
              dataset.encoded(item),
              need: { try segmenter.memoryNeed(for: $0, options: options) },
              // The label picture's samples, as stored and as class ids.
              outputs: { 6 * $0.area }, windowsHelp: { segmenter.windowsHelp($0, options) })
          }
          let pair = try dataset.load(item, admitted.decoded)
          pair.warnings.forEach(onWarning)
          return (pair, admitted.pass)
        },
        compute: { item, loaded in
          let (pair, pass) = loaded
          let result = try naming(item.image) {
            try segmenter.segment(pair.image, options: options)
          }
          said.first(result.warnings, on: "sizes", of: item.image).forEach(onWarning)
          return Scored(labels: result.labels, truth: pair.label, pass: pass)
        },
        add: { matrix, item, scored in
          adding(dataset.description)(&matrix, item, (scored.labels, scored.truth))
        }),
      dataset.description)
  }

  /// Runs what is done with one picture; an error that does not name it gets its name.
  static func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as InferenceError {
      throw PictureFailure(path: path, cause: error)
    }
  }

  /// What is counted of a picture, with its place in the pipeline.
  private struct Scored: Sendable {
    let labels: LabelMap
    let truth: LabelMap
    let pass: MemoryGate.Pass
  }

  /// Refuses a data set of another number of classes than the model's, before its files are looked at.
  package static func requireClasses(
    _ count: Int, of description: DatasetDescription, _ segmenter: Segmenter
  ) throws {
    guard count == segmenter.classes.count else {
      throw DatasetError(
        .classes(dataset: description.name, count: count, model: segmenter.classes.count))
    }
  }

  /// Scores masks made elsewhere: PNG files of class ids under the pictures' names.
  ///
  /// - Parameters:
  ///   - folder: laid out like the data set's pictures.
  ///   - offset: what is added to the masks' ids, see ``Dataset/prediction(for:in:scoredAgainst:offset:)``.
  ///   - dataset: pictures and their labels.
  ///   - limit: how many pictures, in the data set's order; `nil` for all.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onProgress: called after every picture.
  /// - Throws: the first error.
  public static func score(
    predictions folder: String, offset: Int = 0, on dataset: Dataset, limit: Int? = nil,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) throws -> EvaluationReport {
    try report(
      of: tally(
        dataset.items, limit, into: ConfusionMatrix(classes: dataset.description.classes.count),
        shouldStop: shouldStop, onProgress: onProgress,
        read: { item in
          let label = try dataset.label(of: item)
          let prediction = try dataset.prediction(
            for: item, in: folder, scoredAgainst: label, offset: offset)
          return (prediction, label)
        },
        compute: { _, pair in pair },
        add: adding(dataset.description)),
      dataset.description)
  }
}

extension EvaluationReport {
  /// What looks wrong about the labels that were scored; see ``LabelCensus/warnings(for:)``.
  public func labelWarnings(for description: DatasetDescription) -> [String] {
    LabelCensus(classPixels: matrix.truthArea, ignoredPixels: matrix.pixelsIgnored)
      .warnings(for: description)
  }
}

extension Evaluation {
  /// Counts a prediction and its truth.
  private static func adding(
    _ description: DatasetDescription
  ) -> @Sendable (inout ConfusionMatrix, DatasetItem, (LabelMap, LabelMap)) -> Void {
    let ignoreIndex = Int(description.labelRule.ignoreIndex)
    return { matrix, _, pair in
      matrix.add(prediction: pair.0, truth: pair.1, ignoreIndex: ignoreIndex)
    }
  }

  private static func report(
    of counted: (total: ConfusionMatrix, pictures: Int), _ description: DatasetDescription
  ) throws -> EvaluationReport {
    try EvaluationReport(
      matrix: counted.total, classNames: description.classes, pictures: counted.pictures)
  }

  /// Adds up what comes of many pictures, in their order; reading, computing and counting overlap.
  ///
  /// - Parameters:
  ///   - limit: how many pictures; `nil` for all.
  ///   - total: the counts of no picture.
  ///   - add: called for every picture, on one thread.
  /// - Throws: the first error of `read` or `compute`.
  static func tally<Item: Sendable, Loaded: Sendable, Made: Sendable, Total: Sendable>(
    _ items: [Item], _ limit: Int?, into total: Total, shouldStop: @escaping @Sendable () -> Bool,
    onProgress: @escaping @Sendable (Progress) -> Void,
    read: @escaping @Sendable (Item) throws -> Loaded, compute: (Item, Loaded) throws -> Made,
    add: @escaping @Sendable (inout Total, Item, Made) -> Void
  ) throws -> (total: Total, pictures: Int) {
    let items = Array(items.prefix(limit ?? .max))
    let state = Locked((total: total, pictures: 0, failure: (any Error)?.none))
    OverlappedPipeline.run(
      items, shouldStop: { shouldStop() || state.withLock { $0.failure != nil } },
      read: read, compute: compute,
      write: { item, result in
        let done: Int? = state.withLock { state in
          switch result {
          case .success(let made):
            add(&state.total, item, made)
            state.pictures += 1
            return state.pictures
          case .failure(let error):
            state.failure = state.failure ?? error
            return nil
          }
        }
        if let done { onProgress(Progress(done: done, total: items.count)) }
      })
    return try state.withLock { state in
      if let failure = state.failure { throw failure }
      return (state.total, state.pictures)
    }
  }
}
