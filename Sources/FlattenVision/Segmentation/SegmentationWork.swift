import FlattenImage
import FlattenRegions
import FlattenTensor

/// What is told of a picture that was segmented.
public struct SegmentationSummary: Sendable {
  /// The size of the network's input, without padding.
  public let networkSize: PixelSize
  /// The classes present, largest first.
  public let shares: [Segmentation.Share]
}

extension PictureBatch where Report == SegmentationSummary {
  /// Segments pictures. Of the scores is kept what the options and the outputs want together.
  public init(
    _ segmenter: Segmenter, options: Segmenter.Options, outputs: PredictionOutputs
  ) {
    self.init(SegmentationWork(segmenter, options: options, outputs: outputs))
  }
}

/// Segmenting the pictures of a batch.
struct SegmentationWork: PictureWork {
  private let segmenter: Segmenter
  let options: Segmenter.Options
  private let outputs: PredictionOutputs

  init(_ segmenter: Segmenter, options: Segmenter.Options, outputs: PredictionOutputs) {
    self.segmenter = segmenter
    self.outputs = outputs
    var options = options
    options.keepsConfidence = options.keepsConfidence || outputs.hasConfidence
    self.options = options
  }

  /// A segmentation, and the files that received its scores.
  struct Made: Sendable {
    let segmentation: Segmentation
    let scores: [ScoreFile]
  }

  var memory: BufferPool { segmenter.loaded.memory }
  var layout: ResultLayout { outputs.layout }

  func memoryNeed(of size: PixelSize) throws -> PictureNeed {
    try segmenter.memoryNeed(for: size, options: options, hasSinks: outputs.hasScoreFiles)
  }

  func outputNeed(of size: PixelSize) -> Int { outputs.memoryNeed(of: size) }

  func windowsHelp(_ need: PictureNeed) -> Bool { segmenter.windowsHelp(need, options) }

  func make(of picture: Image, _ files: ResultFiles?) throws -> Made {
    let scores = try files.map {
      try outputs.scoreFiles(
        $0, scores: segmenter.configuration.model.classes, size: picture.size)
    }
    return Made(
      segmentation: try segmenter.segment(
        picture, options: options, sinks: scores?.map(\.sink) ?? []),
      scores: scores ?? [])
  }

  func finish(
    _ made: Made, of picture: Image, _ source: PictureSource, _ files: ResultFiles?,
    _ said: SaidOnce
  ) throws -> FinishedPicture<SegmentationSummary> {
    let segmentation = made.segmentation
    var finished = FinishedPicture(
      report: SegmentationSummary(
        networkSize: segmentation.networkSize, shares: segmentation.shares))
    if let files {
      finished.staged =
        made.scores.map(\.file)
        + (try outputs.stage(segmentation, of: picture, files) { note in
          finished.warnings += said.first([note.text], on: note.rawValue, of: source.path)
        })
    } else {
      try writeStandardOutput(segmentation.labels.encoded(as: segmentation.maskFormat))
    }
    finished.warnings += said.first(segmentation.warnings, on: "sizes", of: source.path)
    return finished
  }
}
