import ArgumentParser
import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenVision
import FlattenTensor
import Foundation

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Score a model, or masks or detections made elsewhere, on a data set.",
    discussion: """
      Examples:
        flatten-seg eval --config model.yaml --weights model.pth --data ADE20K
        flatten-seg eval --dataset camvid --data CamVid --predictions masks/
        flatten-seg eval --config imagenet/flatten_swin_t \\
          --weights flatten_swin_t.pth --data ILSVRC2012/val
        flatten-seg eval --annotations instances_val2017.json --results found.json

      Scores follow mmsegmentation's IoUMetric: a class that is neither in the
      labels nor predicted stays out of the means. A classifier has top-1 and top-5,
      on one folder of pictures a class, named by the class's id or index. Detections
      have pycocotools' average precision.
      """,
    subcommands: [EvalMergeCommand.self])

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Inference") var inference: InferenceOptions

  @Option(
    help: ArgumentHelp("The data set's folder.", valueName: "folder"), completion: .directory)
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Score the masks in this folder instead of running a model.", valueName: "folder"),
    completion: .directory)
  var predictions: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Add this to the ids of --predictions: -1 for ADE20K's official form, 1 to 150.",
      valueName: "number"))
  var predictionOffset = 0

  @Option(
    help: ArgumentHelp(
      "Name of a data set (see 'flatten-seg datasets') or a description; default: the config's.",
      valueName: "name|file.yaml"), completion: .yaml)
  var dataset: String?

  @OptionGroup(title: "Detections") var detections: DetectionArguments

  @OptionGroup(title: "Data set") var datasetOptions: DatasetArguments
  @OptionGroup(title: "Data set") var decoding: DecodingArguments

  @Option(help: "Score the first pictures only.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      "Write the confusion matrix as CSV: rows are the truth, columns the prediction.",
      valueName: "file.csv"), completion: .file(extensions: ["csv"]))
  var confusion: String?

  @Option(
    help: ArgumentHelp("Draw the confusion matrix.", valueName: "file.png"),
    completion: .file(extensions: ["png"]))
  var confusionPicture: String?

  @OptionGroup(title: "Report") var reporting: ReportArguments

  @Flag(name: .shortAndLong, help: "Print the scores and errors only.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print the model, the instruction set and the threads first.")
  var verbose = false

  func validate() throws {
    if detections.annotations == nil { try model.requireConfig() }
    if let limit, limit < 1 { throw ValidationError("--limit is \(limit), at least 1 is wanted.") }
    if predictions == nil && predictionOffset != 0 {
      throw ValidationError("--prediction-offset belongs to --predictions.")
    }
    if !(-65535...65535).contains(predictionOffset) {
      throw ValidationError(
        "--prediction-offset is \(predictionOffset), a number from -65535 to 65535 is wanted.")
    }
    if predictions != nil {
      if model.weights != nil {
        throw ValidationError("--predictions scores existing masks; leave --weights out.")
      }
      if dataset == nil {
        throw ValidationError("--predictions needs --dataset: the data set's name or description.")
      }
    }
  }

  func run() throws {
    let start = ContinuousClock.now
    try checkOutputs()
    Interrupt.watch()
    let scored: Scored
    if !detections.results.isEmpty {
      scored = try scoreResults()
    } else if let predictions {
      scored = try score(predictions: predictions)
    } else if detections.annotations != nil && model.config == nil {
      scored = try score(model.loadDetector())
    } else {
      let configuration = try model.configuration()
      guard let task = configuration as? any EvaluatedTask else {
        throw RequestError("Models like '\(printable(configuration.name))' cannot be scored.")
      }
      scored = try task.evaluated(by: self)
    }
    let report = scored.report
    try finish(pictures: report.pictures)
    try reporting.write(report)
    showRate(pictures: report.pictures, since: start)
    // A picture that could not be drawn is no reason to pass a gate over.
    let others = Result { try scored.writeOthers() }
    if case .success = others { try reporting.checkGates(report) }
    if case .failure(ExitStatus.partial) = others { try reporting.checkGates(report) }
    try others.get()
  }

  /// Ends the progress; an interrupted evaluation has no scores.
  private func finish(pictures: Int) throws {
    Progress.shared.clear()
    guard Interrupt.wasSignalled else { return }
    Output.error(
      "interrupted after \(counted(pictures, "picture")): no scores, they would not be the set's")
    throw ExitStatus.interrupted
  }

  private func showRate(pictures: Int, since start: ContinuousClock.Instant) {
    if quiet { return }
    let seconds = (ContinuousClock.now - start).seconds
    Output.error(
      String(
        format: "%@ in %.1f s, %.2f a second", counted(pictures, "picture"), seconds,
        Double(pictures) / seconds))
  }

  /// Refuses outputs that cannot be written, before hours are spent.
  private func checkOutputs() throws {
    try reporting.checkOutputs(
      besides: [
        (confusion, .csv), (confusionPicture, .png), (detections.curves.curves, .png),
        (detections.part, .json),
      ], inputs: detections.results + [detections.annotations].compactMap { $0 })
    try detections.worst.checkFolder(overwrite: reporting.overwrite)
  }

  /// The data set's folder.
  func requireData() throws -> String {
    guard let data else {
      throw RequestError(
        "No data set is named. Give --data FOLDER, or --annotations and --results.")
    }
    return data
  }

  /// An option by its name, and whether it was given.
  typealias GivenOption = (name: String, isGiven: Bool)

  /// Those that only scoring label maps has.
  var optionsOfSegmentation: [GivenOption] {
    [
      ("--mode", inference.mode != nil), ("--scales", !inference.scales.isEmpty),
      ("--flip", !inference.flip.isEmpty), ("--classes", datasetOptions.classes != nil),
      ("--labels", datasetOptions.labels != nil),
      ("--ignore-index", datasetOptions.ignoreIndex != nil),
      ("--reduce-zero-label", datasetOptions.reduceZeroLabel != nil),
      ("--confusion", confusion != nil), ("--confusion-picture", confusionPicture != nil),
    ]
  }

  /// Those that only scoring objects has.
  var optionsOfDetection: [GivenOption] {
    [
      ("--annotations", detections.annotations != nil), ("--iou-type", detections.iouType != nil),
      ("--convention", detections.convention != .coco), ("--box-areas", detections.boxAreas),
      ("--curves", detections.curves.curves != nil), ("--shard", detections.shard != nil),
      ("--part", detections.part != nil), ("--worst", detections.worst.worst != nil),
    ]
  }

  /// Refuses options that would be ignored.
  ///
  /// - Parameter subject: what is scored: `a classifier`.
  func refuse(_ options: [GivenOption], for subject: String) throws {
    if let (name, _) = options.first(where: \.isGiven) {
      throw RequestError("\(name) has no meaning where \(subject) is scored. Leave it out.")
    }
  }

}

/// What came of an evaluation.
struct Scored {
  let report: any ScoreReport
  /// Writes what was asked for beside the report, when that is safe.
  var writeOthers: () throws -> Void = {}
}

/// A task whose models `eval` can score.
protocol EvaluatedTask: TaskConfiguration {
  /// Refuses options that would be ignored.
  static func requireOwnOptions(_ command: EvalCommand) throws

  /// Scores a model on the data set that the command names.
  static func score(_ model: Loaded, for command: EvalCommand) throws -> Scored
}

extension EvaluatedTask {
  fileprivate func evaluated(by command: EvalCommand) throws -> Scored {
    try Self.requireOwnOptions(command)
    try command.reporting.requireGates(among: Self.figureNames)
    return try Self.score(try command.model.load(self), for: command)
  }
}

extension EvalCommand {
  /// Says what will be scored, and begins.
  func begin(_ model: some VisionModel) {
    if verbose { Output.error(model.summary) }
    Progress.shared.begin(quiet: quiet)
  }

  var onWarning: @Sendable (String) -> Void {
    let isQuiet = quiet
    return { if !isQuiet { Output.warning($0) } }
  }

  static let show: @Sendable (Evaluation.Progress) -> Void = {
    Progress.shared.show(done: $0.done, of: $0.total)
  }
}
