import ArgumentParser
import FlattenFiles
import FlattenTensor
import FlattenVision

struct ClassifyCommand: ParsableCommand {
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
    let pictures = try input.pictures(json: json, quiet: reporting.quiet)
    let ahead = pictures.sources.first.flatMap {
      PictureAhead($0, limits: decoding.limits, exif: decoding.exif)
    }
    let classifier = try model.load()
    var batch = BatchClassification(classifier)
    batch.limits = decoding.limits
    batch.exif = decoding.exif
    batch.ahead = ahead
    if reporting.verbose { Output.error(classifier.summary) }

    let tally = Locked(BatchTally())
    Interrupt.watch()
    Progress.shared.begin(quiet: reporting.quiet || pictures.sources.count < 2)
    batch.run(pictures.sources, shouldStop: { Interrupt.isRequested }) { outcome in
      if !reporting.quiet { outcome.warnings.forEach(Output.warning) }
      var failure: PictureFailure?
      switch outcome.result {
      case .failure(let error):
        Output.error("error: \(ErrorTexts.text(of: error))")
        if json { Output.line(FailureDocument.line(error.path, error)) }
        failure = error
      case .success(let summary): report(outcome.source, summary)
      }
      let done = tally.withLock { tally in
        tally.add(outcome.source, failure: failure)
        return tally.done
      }
      Progress.shared.show(done: done, of: pictures.sources.count)
    }
    Progress.shared.clear()
    try tally.withLock { $0 }.finish(pictures, quiet: reporting.quiet)
  }

  private func report(_ source: PictureSource, _ summary: BatchClassification.Summary) {
    let guesses = summary.classification.top(top)
    if json { return Output.line(document(source, summary, guesses).line) }
    let path = printable(source.path, limit: .max)
    for guess in guesses {
      let tenThousandths = Int((guess.probability * 10000).rounded())
      let digits = String(tenThousandths % 10000)
      let zeros = String(repeating: "0", count: 4 - digits.count)
      Output.line(
        "\(path)\t\(tenThousandths / 10000).\(zeros)\(digits)\t\(guess.identifier)\t\(guess.name)")
    }
  }

  private func document(
    _ source: PictureSource, _ summary: BatchClassification.Summary,
    _ guesses: [Classification.Guess]
  ) -> OrderedJSON {
    .object([
      ("input", .string(source.path)),
      ("width", .integer(summary.size.width)),
      ("height", .integer(summary.size.height)),
      ("seconds", .number((summary.seconds * 1e6).rounded() / 1e6)),
      (
        "classes",
        .array(
          guesses.map { guess in
            .object([
              ("index", .integer(guess.index)),
              ("id", .string(guess.identifier)),
              ("name", .string(guess.name)),
              ("probability", .number(guess.probability)),
            ])
          })
      ),
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
