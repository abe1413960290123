import FlattenImage
import FlattenRegions
import FlattenTensor

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
      /// The reason.
      case failed(PictureFailure)
    }

    /// The picture.
    public let source: PictureSource
    /// What happened.
    public let result: Result
    /// What the decoder let pass, and, once in a batch, what is unusual about an overlay.
    public let warnings: [String]
  }

  /// What is told of a picture.
  public struct Summary: Sendable {
    /// The picture's size.
    public let size: PixelSize
    /// The size of the network's input, without padding.
    public let networkSize: PixelSize
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
  /// What is done with EXIF orientations.
  public var exif = ExifOrientation.apply
  /// The picture that was begun before the model was there.
  package var ahead: PictureAhead?

  /// Makes a batch. Of the scores is kept what the options and the outputs want together.
  public init(
    _ segmenter: Segmenter, options: Segmenter.Options, outputs: PredictionOutputs
  ) {
    self.segmenter = segmenter
    self.options = options
    self.outputs = outputs
  }

  /// A picture that was read, with what writes its results.
  private enum Loaded: Sendable {
    case kept(mask: String)
    case picture(AdmittedPicture, ResultWriter)
  }

  /// A picture that was segmented. Its pass comes last: what it stands for is freed before it.
  private enum Made: Sendable {
    case kept(mask: String)
    case picture(Decoded<Image>, Segmentation, seconds: Double, ResultWriter, MemoryGate.Pass)
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
    let (outputs, limits, exif, ahead, options) = (outputs, limits, exif, ahead, options)
    let segmenter = segmenter
    let gate = MemoryGate(over: segmenter.loaded.memory)
    let sizes = SizeWarnings()
    let noted = Locked<Set<OverlayNote>>([])
    OverlappedPipeline.run(
      sources, shouldStop: shouldStop,
      read: { source in
        switch try outputs.plan(for: source) {
        case .keep(let mask): .kept(mask: mask)
        case .make(let writer):
          .picture(
            try source.read(
              limits: limits, exif: exif, ahead: ahead, through: gate,
              need: {
                try segmenter.memoryNeed(
                  for: $0, options: writer.options(options), hasSinks: outputs.hasScoreFiles)
              },
              outputs: { outputs.memoryNeed(of: $0) },
              windowsHelp: { segmenter.windowsHelp($0, options) }),
            writer)
        }
      },
      compute: { _, loaded in try compute(loaded) },
      write: { source, result in onOutcome(Self.finish(source, result, noted, sizes)) })
  }

  private func compute(_ loaded: Loaded) throws -> Made {
    switch loaded {
    case .kept(let mask): return .kept(mask: mask)
    case .picture(let admitted, var writer):
      let picture = admitted.decoded.value
      try writer.open(scores: segmenter.configuration.model.classes, size: picture.size)
      let start = ContinuousClock.now
      let segmentation = try segmenter.segment(
        picture, options: writer.options(options), sinks: writer.sinks)
      let seconds = (ContinuousClock.now - start).seconds
      return .picture(admitted.decoded, segmentation, seconds: seconds, writer, admitted.pass)
    }
  }

  /// - Parameters:
  ///   - noted: what was said of overlays.
  ///   - sizes: what was said of sizes.
  private static func finish(
    _ source: PictureSource, _ result: Result<Made, any Error>,
    _ noted: Locked<Set<OverlayNote>>, _ sizes: SizeWarnings
  ) -> Outcome {
    do {
      switch try result.get() {
      case .kept(let mask): return Outcome(source: source, result: .skipped(mask), warnings: [])
      case .picture(let decoded, let segmentation, let seconds, let writer, _):
        var warnings = decoded.warnings
        let written = try writer.finish(segmentation, of: decoded.value) { note in
          if noted.withLock({ $0.insert(note).inserted }) { warnings.append(note.text(of: source)) }
        }
        let summary = Summary(
          size: decoded.value.size, networkSize: segmentation.networkSize, seconds: seconds,
          shares: segmentation.shares)
        warnings += sizes.first(of: segmentation, path: source.path)
        return Outcome(
          source: source, result: .written(written, summary), warnings: warnings)
      }
    } catch {
      let failure = PictureFailure(path: source.path, cause: error)
      return Outcome(source: source, result: .failed(failure), warnings: [])
    }
  }
}
