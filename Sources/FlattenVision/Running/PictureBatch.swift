import FlattenImage
import FlattenRegions
import FlattenTensor

/// Makes something of many pictures: reading, computing and writing overlap, and one bad picture stops none of the
/// others.
///
/// `Report` is what is told of each: ``SegmentationSummary``, ``Classification``, or `Detections`.
public struct PictureBatch<Report: Sendable>: Sendable {
  private let work: any PictureWork<Report>
  /// Larger pictures are refused.
  public var limits = DecodingLimits()
  /// What is done with EXIF orientations.
  public var exif = ExifOrientation.apply
  /// The picture that was begun before the model was there.
  package var ahead: PictureAhead?

  init(_ work: any PictureWork<Report>) { self.work = work }

  /// Runs the batch.
  ///
  /// - Parameters:
  ///   - sources: the pictures.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onOutcome: called once for each picture that was begun, in their order.
  public func run(
    _ sources: [PictureSource], shouldStop: @escaping @Sendable () -> Bool = { false },
    onOutcome: @escaping @Sendable (PictureOutcome<Report>) -> Void
  ) {
    run(work, sources, shouldStop, onOutcome)
  }

  private func run<Work: PictureWork<Report>>(
    _ work: Work, _ sources: [PictureSource], _ shouldStop: @escaping @Sendable () -> Bool,
    _ onOutcome: @escaping @Sendable (PictureOutcome<Report>) -> Void
  ) {
    let (limits, exif, ahead) = (limits, exif, ahead)
    let gate = MemoryGate(over: work.memory)
    let said = SaidOnce()
    OverlappedPipeline.run(
      sources, shouldStop: shouldStop,
      read: { source in
        switch try work.plan(for: source) {
        case .keep(let path): LoadedPicture.kept(path)
        case .make(let files):
          .picture(
            try source.read(
              limits: limits, exif: exif, ahead: ahead, through: gate,
              need: work.memoryNeed(of:), outputs: work.outputNeed(of:),
              windowsHelp: work.windowsHelp),
            files)
        }
      },
      compute: { _, loaded in try Self.compute(work, loaded) },
      write: { source, made in onOutcome(Self.finish(work, source, made, said)) })
  }

  private static func compute<Work: PictureWork<Report>>(
    _ work: Work, _ loaded: LoadedPicture
  ) throws -> MadePicture<Work.Made> {
    switch loaded {
    case .kept(let path): return .kept(path)
    case .picture(let admitted, var files):
      let picture = admitted.decoded.value
      if var prepared = files {
        try work.layout.prepare(&prepared, longestSide: max(picture.height, picture.width))
        files = prepared
      }
      let start = ContinuousClock.now
      let made = try work.make(of: picture, files)
      let seconds = (ContinuousClock.now - start).seconds
      return .picture(admitted.decoded, made, seconds: seconds, files, admitted.pass)
    }
  }

  private static func finish<Work: PictureWork<Report>>(
    _ work: Work, _ source: PictureSource, _ made: Result<MadePicture<Work.Made>, any Error>,
    _ said: SaidOnce
  ) -> PictureOutcome<Report> {
    do {
      switch try made.get() {
      case .kept(let path):
        return PictureOutcome(source: source, result: .kept(path), warnings: [])
      case .picture(let decoded, let made, let seconds, let files, _):
        let finished = try work.finish(made, of: decoded.value, source, files, said)
        let paths = try files?.commit(finished.staged) ?? []
        try work.record(finished.report, of: source)
        let done = PictureOutcome.Done(
          files: paths, size: decoded.value.size, seconds: seconds, report: finished.report)
        return PictureOutcome(
          source: source, result: .done(done), warnings: decoded.warnings + finished.warnings)
      }
    } catch {
      let failure = PictureFailure(path: source.path, cause: error)
      return PictureOutcome(source: source, result: .failed(failure), warnings: [])
    }
  }
}

/// What came of one picture of a batch.
public struct PictureOutcome<Report: Sendable>: Sendable {
  /// What happened.
  public enum Result: Sendable {
    /// It is done.
    case done(Done)
    /// It has a result already, at this path where that is its own.
    case kept(String?)
    /// The reason.
    case failed(PictureFailure)
  }

  /// What is told of a picture that is done.
  public struct Done: Sendable {
    /// What was written, the main file first; nothing where the results went elsewhere.
    public let files: [String]
    /// The picture's size.
    public let size: PixelSize
    /// Wall-clock time from the decoded picture to its result.
    public let seconds: Double
    /// What the task tells of it.
    public let report: Report
  }

  /// The picture.
  public let source: PictureSource
  /// What happened.
  public let result: Result
  /// What the decoder let pass and, once in a batch, what is unusual about sizes and drawings.
  public let warnings: [String]
}

/// What a task does with each picture of a batch.
protocol PictureWork<Report>: Sendable {
  /// What the model makes of a picture.
  associatedtype Made: Sendable
  /// What is told of a picture.
  associatedtype Report: Sendable

  /// Keeps what lies ready for the next picture.
  var memory: BufferPool { get }
  /// What is written.
  var layout: ResultLayout { get }

  /// What is to be done for a picture, before it is read.
  func plan(for source: PictureSource) throws -> PicturePlan
  /// What a picture takes beside itself.
  func memoryNeed(of size: PixelSize) throws -> PictureNeed
  /// The bytes that making the files of a picture takes, one after the other.
  func outputNeed(of size: PixelSize) -> Int
  /// Whether sliding windows would need less.
  func windowsHelp(_ need: PictureNeed) -> Bool

  /// Runs the model.
  ///
  /// - Parameter files: where results go; their folder is there.
  func make(of picture: Image, _ files: ResultFiles?) throws -> Made

  /// Writes what was made, beside its final names or to standard output.
  func finish(
    _ made: Made, of picture: Image, _ source: PictureSource, _ files: ResultFiles?,
    _ said: SaidOnce
  ) throws -> FinishedPicture<Report>

  /// Called in the pictures' order when a picture's files are there.
  func record(_ report: Report, of source: PictureSource) throws
}

extension PictureWork {
  var layout: ResultLayout {
    ResultLayout(target: .standardOutput, existing: .refuse, names: [])
  }
  func plan(for source: PictureSource) throws -> PicturePlan { try layout.plan(for: source) }
  func outputNeed(of size: PixelSize) -> Int { 0 }
  func windowsHelp(_ need: PictureNeed) -> Bool { false }
  func record(_ report: Report, of source: PictureSource) throws {}
}

/// A picture's results before they have their names.
struct FinishedPicture<Report: Sendable> {
  /// The files, the main one last.
  var staged: [any StagedResult] = []
  let report: Report
  var warnings: [String] = []
}

/// A picture that was read, with the files of its results.
private enum LoadedPicture: Sendable {
  case kept(String?)
  case picture(AdmittedPicture, ResultFiles?)
}

/// A picture of which something was made. Its pass comes last: what it stands for is freed before it.
private enum MadePicture<Made: Sendable>: Sendable {
  case kept(String?)
  case picture(Decoded<Image>, Made, seconds: Double, ResultFiles?, MemoryGate.Pass)
}
