import FlattenImage
import FlattenRegions
import FlattenTensor

extension PictureBatch where Report == Detections {
  /// Looks for the objects of pictures.
  public init(_ detector: Detector, options: Detector.Options, outputs: DetectionOutputs) {
    self.init(detector, options: options, outputs: outputs, results: nil)
  }

  /// The same, with a file of results that all pictures go to.
  package init(
    _ detector: Detector, options: Detector.Options, outputs: DetectionOutputs,
    results: COCOResultsFile?
  ) {
    self.init(
      DetectionWork(detector: detector, options: options, outputs: outputs, results: results))
  }
}

/// Looking for the objects of the pictures of a batch.
private struct DetectionWork: PictureWork {
  let detector: Detector
  let options: Detector.Options
  let outputs: DetectionOutputs
  let results: COCOResultsFile?

  var memory: BufferPool { detector.loaded.memory }
  var layout: ResultLayout { outputs.layout }

  /// A picture is done where its results are in the file that all go to; its own files were there before that.
  func plan(for source: PictureSource) throws -> PicturePlan {
    guard let results, outputs.existing == .skip else { return try layout.plan(for: source) }
    if results.holds(source), case .keep = try layout.plan(for: source) { return .keep(nil) }
    if results.holds(source), outputs.kinds.isEmpty { return .keep(nil) }
    return .make(layout.files(of: source))
  }

  func memoryNeed(of size: PixelSize) throws -> PictureNeed {
    try detector.memoryNeed(for: size, options: options)
  }

  func outputNeed(of size: PixelSize) -> Int { outputs.memoryNeed(of: size) }

  func make(of picture: Image, _ files: ResultFiles?) throws -> Detections {
    try detector.detect(picture, options: options)
  }

  func finish(
    _ found: Detections, of picture: Image, _ source: PictureSource, _ files: ResultFiles?,
    _ said: SaidOnce
  ) throws -> FinishedPicture<Detections> {
    var finished = FinishedPicture(report: found)
    let configuration = detector.configuration
    let seen = try configuration.sizes(of: picture.size).resized
    finished.warnings += said.first(
      configuration.sizeWarning(seen: seen).map { [$0] } ?? [], on: "sizes", of: source.path)
    if let files {
      finished.staged = try outputs.stage(
        found, of: picture, source, files, palette: configuration.dataset.palette
      ) { note in
        finished.warnings += said.first([note.text], on: note.rawValue, of: source.path)
      }
    }
    return finished
  }

  func record(_ found: Detections, of source: PictureSource) throws {
    try results?.add(found, of: source)
  }
}
