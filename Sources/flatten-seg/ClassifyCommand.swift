import ArgumentParser
import FlattenFiles
import FlattenVision
import Foundation

struct ClassifyCommand: PictureCommand {
  static let configuration = CommandConfiguration(
    commandName: "classify",
    abstract: "Say what pictures show: the likeliest classes of each.",
    discussion: """
      Examples:
        flatten-seg classify cat.jpg --config imagenet/flatten_swin_t \\
          --weights flatten_swin_t.pth
        flatten-seg classify photos/ --config model.yaml --weights model.pth --json

      A line a class, likeliest first: picture, probability, class id and name,
      separated by tabs.
      """)

  @OptionGroup(title: "Pictures") var input: PictureOptions
  @OptionGroup(title: "Pictures") var decoding: DecodingArguments
  @OptionGroup(title: "Model") var model: ClassifierOptions

  @Option(help: ArgumentHelp("How many classes are printed.", valueName: "count"))
  var top = 5

  @Flag(
    help: "Print one JSON object a picture: size, time, classes; or the error."
  )
  var json = false

  @OptionGroup var reporting: ReportingOptions

  func validate() throws {
    if top < 1 { throw ValidationError("--top is \(top), at least 1 is wanted.") }
  }

  func run() throws {
    try run(
      input.pictures(json: json, quiet: reporting.quiet), loading: model.load,
      batch: { PictureBatch($0) }, tell: tell
    ).finish(quiet: reporting.quiet)
  }

  @Sendable private func tell(_ source: PictureSource, _ done: PictureOutcome<Classification>.Done)
  {
    let guesses = done.report.top(top)
    if json {
      let fields =
        [("input", OrderedJSON.string(source.path))] + done.sizeFields + done.timeFields
        + [("classes", .array(guesses.map(\.document)))]
      return Output.line(OrderedJSON.object(fields).line)
    }
    let path = printable(source.path, limit: .max)
    for guess in guesses {
      let probability = String(format: "%.4f", guess.probability)
      Output.line("\(path)\t\(probability)\t\(guess.identifier)\t\(guess.name)")
    }
  }
}

extension Classification.Guess {
  fileprivate var document: OrderedJSON {
    .object([
      ("index", .integer(index)),
      ("id", .string(identifier)),
      ("name", .string(name)),
      ("probability", .number(probability)),
    ])
  }
}

/// Which classifier, and how it computes.
struct ClassifierOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Config of the model, or a name of 'flatten-seg configs imagenet'.",
      valueName: "file.yaml"), completion: .yaml)
  var config: String

  @Option(
    help: ArgumentHelp("Weights of the model, .pth or .safetensors.", valueName: "file"),
    completion: .weights)
  var weights: String

  @OptionGroup var compute: ComputeOptions

  @OptionGroup var reading: CheckpointArguments

  /// Loads the model; its warnings go to standard error.
  func load() throws -> Classifier {
    let classifier = try Classifier.load(
      config: config, weights: weights, container: reading.container, threads: compute.threads,
      precision: compute.storage, skipsUnknownObjects: reading.skipUnknownObjects)
    classifier.warnings.forEach(Output.warning)
    return classifier
  }
}
