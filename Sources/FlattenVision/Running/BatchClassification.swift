import FlattenRegions
import FlattenImage
import FlattenRegions
import FlattenTensor

/// Classifies many pictures; reading and computing overlap, and one bad picture stops none of the others.
public struct BatchClassification: Sendable {
  /// What came of one picture.
  public struct Outcome: Sendable {
    /// The picture.
    public let source: PictureSource
    /// The result, or the reason.
    public let result: Result<Summary, PictureFailure>
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
  /// What is done with EXIF orientations.
  public var exif = ExifOrientation.apply
  /// The picture that was begun before the model was there.
  package var ahead: PictureAhead?

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
    let (limits, exif, ahead) = (limits, exif, ahead)
    let gate = MemoryGate(over: classifier.loaded.memory)
    OverlappedPipeline.run(
      sources, shouldStop: shouldStop,
      read: { source in
        try source.read(
          limits: limits, exif: exif, ahead: ahead, through: gate,
          need: { try classifier.memoryNeed(for: $0) })
      },
      compute: { _, admitted in
        let decoded = admitted.decoded
        let picture = decoded.value
        let start = ContinuousClock.now
        let classification = try classifier.classify(picture)
        return (
          Summary(
            size: picture.size,
            seconds: (ContinuousClock.now - start).seconds, classification: classification),
          decoded.warnings
        )
      },
      write: { source, result in
        let outcome =
          switch result {
          case .success(let (summary, warnings)):
            Outcome(source: source, result: .success(summary), warnings: warnings)
          case .failure(let error):
            Outcome(
              source: source,
              result: .failure(PictureFailure(path: source.path, cause: error)), warnings: [])
          }
        onOutcome(outcome)
      })
  }
}
