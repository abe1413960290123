import ArgumentParser
import FlattenFiles
import FlattenImage
import FlattenTensor
import FlattenVision
import Foundation

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Segment pictures: one mask per picture, and what else is asked for.",
    discussion: """
      Examples:
        flatten-seg predict street.jpg
        flatten-seg predict photos/ --recursive --overlay --output masks
        flatten-seg predict photo.jpg --config model.yaml --weights model.pth --json

      A mask is an 8-bit palette PNG: it shows in the classes' colours and reads as
      class ids. Paths of what was written go to standard output, the mask first.
      """)

  @OptionGroup(title: "Pictures") var input: PictureOptions
  @OptionGroup(title: "Pictures") var decoding: DecodingArguments
  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Inference") var inference: InferenceOptions

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Folder of the results; for one picture also a .png file, or - for standard output.",
      valueName: "path"), completion: .file())
  var output = "output"

  @Flag(
    help: """
      Write <name>.overlay.jpg: the picture tinted by class, with a legend; beyond 65500 pixels a \
      side it is a .png.
      """)
  var overlay = false

  @Option(help: "Opacity of the overlay's tint, 0 to 1.")
  var opacity = 0.5

  @Option(help: "Colours of the overlay: the data set's, or ones that are easy to tell apart.")
  var palette = PaletteArgument.dataset

  @Flag(inversion: .prefixedNo, help: "Draw the legend of the classes present below overlays.")
  var legend = true

  @Flag(
    help: "Write the winning class's probability: <name>.confidence.png (0-255) and .npy (0-1).")
  var confidence = false

  @Flag(
    help: "Write the scores of all classes: <name>.logits.npy, float32 [classes, height, width].")
  var logits = false

  @Flag(help: "Write the probabilities of all classes: <name>.probs.npy, as --logits.")
  var probabilities = false

  @Flag(
    help: "Print one JSON object a picture: size, time, classes with their share; or the error.")
  var json = false

  @Flag(help: "Replace results that exist.")
  var overwrite = false

  @Flag(help: "Leave pictures alone whose mask exists.")
  var skipExisting = false

  @OptionGroup var reporting: ReportingOptions

  func validate() throws {
    if overwrite && skipExisting {
      throw ValidationError("--overwrite and --skip-existing exclude each other.")
    }
    if !(0...1).contains(opacity) {
      throw ValidationError("--opacity is \(opacity), a number from 0 to 1 is wanted.")
    }
    if output == "-" && (overlay || confidence || logits || probabilities || json) {
      throw ValidationError("With --output - standard output holds the mask and nothing else.")
    }
    if output.isEmpty { throw ValidationError("--output is empty. Name a folder.") }
  }

  func run() throws {
    try ResultPath.requireFolderName(output, besideFiles: [.png])
    let target = PredictionOutputs.Target(path: output)
    let folder: String? = if case .folder(let path) = target { path } else { nil }
    let pictures = try input.pictures(
      results: folder, json: json, quiet: reporting.quiet)
    try check(pictures, fit: target)
    if !reporting.quiet { tellNames(of: pictures) }
    var outputs = PredictionOutputs(target: target)
    outputs.existing = overwrite ? .replace : skipExisting ? .skip : .refuse
    outputs.overlayOpacity = overlay ? opacity : nil
    outputs.overlayColours = palette.colours
    outputs.hasLegend = legend
    outputs.hasConfidence = confidence
    outputs.hasLogits = logits
    outputs.hasProbabilities = probabilities
    try outputs.check(pictures.sources)

    let ahead = pictures.sources.first.flatMap {
      PictureAhead($0, limits: decoding.limits, exif: decoding.exif)
    }
    let segmenter = try model.load(model.segmentation())
    var batch = BatchPrediction(
      segmenter, options: try inference.options(for: segmenter), outputs: outputs)
    batch.limits = decoding.limits
    batch.exif = decoding.exif
    batch.ahead = ahead
    if reporting.verbose { Output.error(segmenter.summary) }

    let tally = Locked(BatchTally())
    Interrupt.watch()
    Progress.shared.begin(quiet: reporting.quiet || pictures.sources.count < 2)
    batch.run(pictures.sources, shouldStop: { Interrupt.isRequested }) { outcome in
      report(outcome)
      let done = tally.withLock { tally in
        tally.add(outcome.source, failure: outcome.failure, isKept: outcome.isKept)
        return tally.done
      }
      Progress.shared.show(done: done, of: pictures.sources.count)
    }
    Progress.shared.clear()
    try tally.withLock { $0 }.finish(pictures, in: output, quiet: reporting.quiet)
  }

  /// Refuses pictures that do not fit where the results go.
  private func check(_ pictures: PictureList, fit target: PredictionOutputs.Target) throws {
    let named = pictures.sources.count + pictures.failures.count
    let isFolder = if case .folder = target { true } else { false }
    if !isFolder && named > 1 {
      throw RequestError(
        "--output '\(printable(output))' is one file, but \(named) pictures are named.")
    }
    if let (first, second) = pictures.collision {
      guard first.path != second.path else {
        throw RequestError("'\(printable(first.path, limit: 400))' is named twice.")
      }
      throw RequestError(
        "'\(printable(first.path))' and '\(printable(second.path))' would both become "
          + "'\(printable(first.name)).png'. Predict them into different folders.")
    }
  }

  /// Says what is not as one would expect of the pictures' names.
  private func tellNames(of pictures: PictureList) {
    if pictures.hasLeftOutResults && !overwrite && !skipExisting {
      Output.error(
        "note: nothing in '\(printable(output))', where the results go, is taken for a picture")
    }
    if let first = pictures.renamed.first {
      Output.error(
        "note: \(counted(pictures.renamed.count, "picture")) differ from others in the suffix alone, "
          + "so results keep it: '\(printable(first.name)).png'")
    }
  }

  private func report(_ outcome: BatchPrediction.Outcome) {
    if !reporting.quiet { outcome.warnings.forEach(Output.warning) }
    switch outcome.result {
    case .failed(let error) where error.cause is ReaderLeftError: Output.noteReaderLeft()
    case .failed(let error):
      Output.error("error: \(ErrorTexts.text(of: error))")
      if json { Output.line(FailureDocument.line(error.path, error)) }
    case .skipped(let path):
      if !reporting.quiet && !json { Output.error("kept: \(printable(path, limit: 400))") }
    case .written(let paths, let summary):
      if json {
        Output.line(document(outcome.source, paths, summary).line)
      } else {
        paths.forEach { Output.line(printable($0, limit: .max)) }
      }
    }
  }

  private func document(
    _ source: PictureSource, _ paths: [String], _ summary: BatchPrediction.Summary
  ) -> OrderedJSON {
    .object([
      ("input", .string(source.path)),
      ("mask", paths.first.map { .string($0) } ?? .null),
      ("files", .array(paths.map { .string($0) })),
      ("width", .integer(summary.size.width)),
      ("height", .integer(summary.size.height)),
      (
        "network_size",
        .object([
          ("width", .integer(summary.networkSize.width)),
          ("height", .integer(summary.networkSize.height)),
        ])
      ),
      ("seconds", .number((summary.seconds * 1e6).rounded() / 1e6)),
      (
        "classes",
        .array(
          summary.shares.map { share in
            .object([
              ("id", .integer(Int(share.segmentationClass.id))),
              ("name", .string(share.segmentationClass.name)),
              ("pixels", .integer(share.pixels)),
              ("share", .number(share.share)),
            ])
          })
      ),
    ])
  }
}

/// `--palette`.
enum PaletteArgument: String, ExpressibleByArgument, CaseIterable {
  case dataset, distinct

  var colours: PredictionOutputs.OverlayColours {
    switch self {
    case .dataset: .classes
    case .distinct: .distinct
    }
  }
}

extension BatchPrediction.Outcome {
  /// Why there is no result, `nil` where there is one.
  fileprivate var failure: PictureFailure? {
    if case .failed(let error) = result { error } else { nil }
  }

  /// Whether its mask was there.
  fileprivate var isKept: Bool { if case .skipped = result { true } else { false } }
}
