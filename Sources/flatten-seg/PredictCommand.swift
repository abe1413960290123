import ArgumentParser
import FlattenFiles
import FlattenImage
import FlattenVision
import Foundation

struct PredictCommand: PictureCommand {
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

  @OptionGroup var results: ExistingOptions

  @OptionGroup var reporting: ReportingOptions

  func validate() throws {
    try model.requireConfig()
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
    let target = ResultTarget(path: output)
    let pictures = try self.pictures(for: target)
    tellNames(of: pictures, in: output, suffix: ".png", results.existing)
    var outputs = PredictionOutputs(target: target)
    outputs.existing = results.existing
    outputs.overlayOpacity = overlay ? opacity : nil
    outputs.overlayColours = palette.colours
    outputs.hasLegend = legend
    outputs.hasConfidence = confidence
    outputs.hasLogits = logits
    outputs.hasProbabilities = probabilities
    try outputs.check(pictures.sources)
    try run(
      pictures, loading: { try model.load(model.segmentation()) },
      batch: {
        PictureBatch($0, options: try inference.options(for: $0), outputs: outputs)
      }, tell: tell
    ).finish(in: output, quiet: reporting.quiet)
  }

  /// The pictures, which fit where the results go.
  private func pictures(for target: ResultTarget) throws -> PictureList {
    guard case .folder(let folder) = target else {
      let pictures = try input.pictures(json: json, quiet: reporting.quiet)
      let named = pictures.sources.count + pictures.failures.count
      guard named == 1 else {
        throw RequestError(
          "--output '\(printable(output))' is one file, but \(named) pictures are named.")
      }
      return pictures
    }
    let pictures = try input.pictures(results: folder, json: json, quiet: reporting.quiet)
    try pictures.requireOwnNames(suffix: ".png")
    return pictures
  }

  @Sendable private func tell(
    _ source: PictureSource, _ done: PictureOutcome<SegmentationSummary>.Done
  ) {
    if !json { return done.files.forEach { Output.line(printable($0, limit: .max)) } }
    let mask = done.files.first.map { OrderedJSON.string($0) } ?? .null
    let network = done.report.networkSize
    let fields: [(String, OrderedJSON)] =
      [
        ("input", .string(source.path)), ("mask", mask),
        ("files", .array(done.files.map { .string($0) })),
      ] + done.sizeFields + [
        (
          "network_size",
          .object([("width", .integer(network.width)), ("height", .integer(network.height))])
        )
      ] + done.timeFields + [("classes", .array(done.report.shares.map(\.document)))]
    Output.line(OrderedJSON.object(fields).line)
  }
}

extension Segmentation.Share {
  fileprivate var document: OrderedJSON {
    .object([
      ("id", .integer(Int(segmentationClass.id))),
      ("name", .string(segmentationClass.name)),
      ("pixels", .integer(pixels)),
      ("share", .number(share)),
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
