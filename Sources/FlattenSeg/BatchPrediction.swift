import FlattenFiles
import FlattenImage
import FlattenTensor
import Foundation
import Synchronization

/// Segments many pictures; reading, computing and writing overlap, and one bad picture stops none of
/// the others.
public struct BatchPrediction: Sendable {
  /// What came of one picture.
  public struct Outcome: Sendable {
    /// What happened.
    public enum Result: Sendable {
      /// Files were written, the mask first; none where the mask went to standard output.
      case written([String], Summary)
      /// The mask exists already.
      case skipped(String)
      /// The reason, as one line that names the file.
      case failed(FileError)
    }

    /// The picture.
    public let source: PictureSource
    /// What happened.
    public let result: Result
    /// What the decoder let pass.
    public let warnings: [String]
  }

  /// What is told of a picture.
  public struct Summary: Sendable {
    /// The picture's size.
    public let size: PixelSize
    /// Wall-clock time from the decoded picture to its labels.
    public let seconds: Double
    /// The classes present, largest first.
    public let shares: [Segmentation.Share]
  }

  /// The model.
  public let segmenter: Segmenter
  /// How it is applied.
  public var options: Segmenter.Options
  /// What is written.
  public var outputs: PredictionOutputs
  /// Larger pictures are refused.
  public var limits = DecodingLimits()
  /// The picture that was begun before the model was there.
  public var ahead: PictureAhead?

  /// Makes a batch.
  public init(
    _ segmenter: Segmenter, options: Segmenter.Options, outputs: PredictionOutputs
  ) {
    self.segmenter = segmenter
    self.options = options
    self.outputs = outputs
    self.options.keepsConfidence = outputs.hasConfidence
  }

  private enum Loaded: Sendable {
    case picture(Decoded<Image>)
    case exists(String)
  }

  private enum Made: Sendable {
    case picture(PredictedPicture)
    case exists(String)
  }

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
    let outputs = outputs
    let (limits, ahead) = (limits, ahead)
    OverlappedPipeline.run(
      sources, shouldStop: shouldStop,
      read: { source in try Self.read(source, outputs, limits, ahead) },
      compute: { source, loaded in try compute(source, loaded) },
      write: { source, result in onOutcome(Self.finish(source, result, outputs)) })
  }

  private static func read(
    _ source: PictureSource, _ outputs: PredictionOutputs, _ limits: DecodingLimits,
    _ ahead: PictureAhead?
  ) throws -> Loaded {
    if let files = outputs.files(for: source) {
      if outputs.existing == .skip, FileIdentity(path: files.mask) != nil {
        return .exists(files.mask)
      }
      if outputs.existing == .refuse,
        let existing = outputs.paths(files).first(where: { FileIdentity(path: $0) != nil })
      {
        throw FileError(
          path: existing, kind: .unwritable,
          reason: "exists already; give --overwrite to replace it or --skip-existing to keep it")
      }
    }
    return .picture(try ahead?.take(source) ?? source.decode(limits: limits))
  }

  private func compute(_ source: PictureSource, _ loaded: Loaded) throws -> Made {
    guard case .picture(let decoded) = loaded else {
      if case .exists(let path) = loaded { return .exists(path) }
      return .exists(source.name)
    }
    let image = decoded.value
    let size = PixelSize(height: image.height, width: image.width)
    var scoreFiles: [(PixelScores.Kind, NumpyScoreFile)] = []
    if let files = outputs.files(for: source) {
      try outputs.makeFolder(for: files)
      scoreFiles = try outputs.scoreFiles(files, classes: segmenter.classes.count, size: size)
    }
    let start = ContinuousClock.now
    let segmentation = try segmenter.segment(
      image, options: options,
      sinks: scoreFiles.map { kind, file in
        (kind, { file.write(firstRow: $0, rows: $1, $2) })
      })
    let seconds = (ContinuousClock.now - start).seconds
    return .picture(
      PredictedPicture(
        image: image, segmentation: segmentation, scoreFiles: scoreFiles.map(\.1),
        seconds: seconds,
        warnings: decoded.warnings))
  }

  private static func finish(
    _ source: PictureSource, _ result: Result<Made, any Error>, _ outputs: PredictionOutputs
  ) -> Outcome {
    do {
      switch try result.get() {
      case .exists(let path):
        return Outcome(source: source, result: .skipped(path), warnings: [])
      case .picture(let picture):
        let written = try outputs.write(picture, outputs.files(for: source))
        let summary = Summary(
          size: PixelSize(height: picture.image.height, width: picture.image.width),
          seconds: picture.seconds, shares: picture.segmentation.shares)
        return Outcome(
          source: source, result: .written(written, summary), warnings: picture.warnings)
      }
    } catch let error as FileError {
      return Outcome(source: source, result: .failed(error), warnings: [])
    } catch {
      let wrapped = FileError(path: source.path, kind: .refused, reason: "\(error)")
      return Outcome(source: source, result: .failed(wrapped), warnings: [])
    }
  }
}
