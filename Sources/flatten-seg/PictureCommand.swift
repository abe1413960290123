import ArgumentParser
import FlattenFiles
import FlattenTensor
import FlattenVision

/// A command that makes something of every picture that is named.
protocol PictureCommand: ParsableCommand, Sendable {
  var input: PictureOptions { get }
  var decoding: DecodingArguments { get }
  var reporting: ReportingOptions { get }
  /// Whether a line of results is a JSON object.
  var json: Bool { get }
}

extension PictureCommand {
  /// Loads a model, runs a batch over the pictures, and tells what comes of each.
  ///
  /// - Parameters:
  ///   - pictures: all that are named; of them the part that `--shard` asks for is taken.
  ///   - tell: prints what came of a picture that is done.
  func run<Model: VisionModel, Report>(
    _ pictures: PictureList, loading: () throws -> Model,
    batch: (Model) throws -> PictureBatch<Report>,
    tell: @escaping @Sendable (PictureSource, PictureOutcome<Report>.Done) -> Void
  ) throws -> BatchTally {
    var pictures = pictures
    if let shard = input.shard { pictures.keepShard(shard.number - 1, of: shard.count) }
    let ahead = pictures.sources.first.flatMap {
      PictureAhead($0, limits: decoding.limits, exif: decoding.exif)
    }
    let model = try loading()
    var batch = try batch(model)
    batch.limits = decoding.limits
    batch.exif = decoding.exif
    batch.ahead = ahead
    if reporting.verbose { Output.error(model.summary) }

    let tally = Locked(BatchTally(pictures))
    let total = pictures.sources.count
    Interrupt.watch()
    Progress.shared.begin(quiet: reporting.quiet || total < 2)
    batch.run(pictures.sources, shouldStop: { Interrupt.isRequested }) { outcome in
      if !reporting.quiet { outcome.warnings.forEach(Output.warning) }
      if case .done(let done) = outcome.result { tell(outcome.source, done) }
      report(outcome)
      let done = tally.withLock { tally in
        tally.add(outcome.source, failure: outcome.failure, isKept: outcome.isKept)
        return tally.done
      }
      Progress.shared.show(done: done, of: total)
    }
    Progress.shared.clear()
    return tally.withLock { $0 }
  }

  /// Says what was kept and what failed.
  private func report<Report>(_ outcome: PictureOutcome<Report>) {
    switch outcome.result {
    case .done: break
    case .kept(let path):
      if let path, !reporting.quiet && !json {
        Output.error("kept: \(printable(path, limit: 400))")
      }
    case .failed(let error) where error.cause is ReaderLeftError: Output.noteReaderLeft()
    case .failed(let error):
      Output.error("error: \(ErrorTexts.text(of: error))")
      if json { Output.line(FailureDocument.line(error.path, error)) }
    }
  }
}

extension PictureOutcome {
  /// Why there is no result, `nil` where there is one.
  fileprivate var failure: PictureFailure? {
    if case .failed(let error) = result { error } else { nil }
  }

  /// Whether it had a result already.
  fileprivate var isKept: Bool { if case .kept = result { true } else { false } }
}

extension PictureOutcome.Done {
  /// The picture's size, as fields of a JSON object.
  var sizeFields: [(String, OrderedJSON)] {
    [("width", .integer(size.width)), ("height", .integer(size.height))]
  }

  /// The time, as fields of a JSON object.
  var timeFields: [(String, OrderedJSON)] {
    [("seconds", .number((seconds * 1e6).rounded() / 1e6))]
  }
}

/// What becomes of results that exist; shared by the commands that write some for each picture.
struct ExistingOptions: ParsableArguments {
  @Flag(help: "Replace results that exist.")
  private var overwrite = false

  @Flag(help: "Leave pictures alone whose results exist.")
  private var skipExisting = false

  func validate() throws {
    if overwrite && skipExisting {
      throw ValidationError("--overwrite and --skip-existing exclude each other.")
    }
  }

  /// What is done with a picture that has results.
  var existing: ExistingResults { overwrite ? .replace : skipExisting ? .skip : .refuse }
}

extension PictureCommand {
  /// Says what is not as one would expect of the names of pictures and results.
  ///
  /// - Parameters:
  ///   - folder: where the results go.
  ///   - suffix: what results end with.
  func tellNames(
    of pictures: PictureList, in folder: String, suffix: String, _ existing: ExistingResults
  ) {
    if reporting.quiet { return }
    if pictures.hasLeftOutResults && existing == .refuse {
      Output.error(
        "note: nothing in '\(printable(folder))', where the results go, is taken for a picture")
    }
    if let first = pictures.renamed.first {
      Output.error(
        "note: \(counted(pictures.renamed.count, "picture")) differ from others in the suffix alone, "
          + "so results keep it: '\(printable(first.name))\(suffix)'")
    }
  }
}

extension PictureList {
  /// Refuses pictures whose results would have one name.
  ///
  /// - Parameter suffix: what results end with.
  func requireOwnNames(suffix: String) throws {
    guard let (first, second) = collision else { return }
    guard first.path != second.path else {
      throw RequestError("'\(printable(first.path, limit: 400))' is named twice.")
    }
    throw RequestError(
      "'\(printable(first.path))' and '\(printable(second.path))' would both become "
        + "'\(printable(first.name))\(suffix)'. Write them into different folders.")
  }
}
