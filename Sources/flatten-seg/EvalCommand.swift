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
    abstract: "Score a model, or masks made elsewhere, on a data set.",
    discussion: """
      Examples:
        flatten-seg eval --config model.yaml --weights model.pth --data ADE20K
        flatten-seg eval --dataset camvid --data CamVid --predictions masks/
        flatten-seg eval --config imagenet/flatten_swin_t \\
          --weights flatten_swin_t.pth --data ILSVRC2012/val

      Scores follow mmsegmentation's IoUMetric: a class that is neither in the
      labels nor predicted stays out of the means. A classifier has top-1 and top-5,
      on one folder of pictures a class, named by the class's id or index.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case table, json, csv, markdown

    fileprivate var kind: ResultKind {
      switch self {
      case .table: .table
      case .json: .json
      case .csv: .csv
      case .markdown: .markdown
      }
    }
  }

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Inference") var inference: InferenceOptions

  @Option(
    help: ArgumentHelp("The data set's folder.", valueName: "folder"), completion: .directory)
  var data: String

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

  @OptionGroup(title: "Data set") var datasetOptions: DatasetArguments
  @OptionGroup(title: "Data set") var decoding: DecodingArguments

  @Option(help: "Score the first pictures only.")
  var limit: Int?

  @Option(help: "How the scores are printed.")
  var format = Format.table

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Write the scores to this file instead of standard output.", valueName: "file"),
    completion: .file())
  var output: String?

  @Option(
    help: ArgumentHelp(
      "Write the confusion matrix as CSV: rows are the truth, columns the prediction.",
      valueName: "file.csv"), completion: .file(extensions: ["csv"]))
  var confusion: String?

  @Option(
    help: ArgumentHelp("Draw the confusion matrix.", valueName: "file.png"),
    completion: .file(extensions: ["png"]))
  var confusionPicture: String?

  @Flag(help: "Replace results that exist.")
  var overwrite = false

  @Option(
    help: ArgumentHelp(
      "End with status 6 where a figure, in percent, is lower, e.g. mIoU=36.",
      valueName: "name=value"))
  var failUnder: [GateArgument] = []

  @Flag(name: .shortAndLong, help: "Print the scores and errors only.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print the model, the instruction set and the threads first.")
  var verbose = false

  func validate() throws {
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
    let report: any ScoreReport
    if let predictions {
      report = try score(predictions: predictions)
    } else {
      let configuration = try model.configuration()
      guard let task = configuration as? any EvaluatedTask else {
        throw RequestError("Models like '\(printable(configuration.name))' cannot be scored.")
      }
      report = try task.evaluated(by: self)
    }
    try finish(pictures: report.pictures)
    if let report = report as? EvaluationReport { try writeConfusion(report) }
    try write(text(of: report))
    showRate(pictures: report.pictures, since: start)
    try checkGates(report)
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
    var seen: Set<String> = []
    let results = [(output, format.kind), (confusion, .csv), (confusionPicture, .png)]
    for case (let path?, let kind) in results {
      guard seen.insert(path).inserted else {
        throw RequestError("Two results would be written to '\(printable(path, limit: 200))'.")
      }
      try ResultPath.check(path, holds: kind, overwrite: overwrite)
    }
  }

  private func text(of report: any ScoreReport) -> String {
    switch format {
    case .table: report.text()
    case .json: report.json()
    case .csv: report.csv()
    case .markdown: report.markdown()
    }
  }

  private func writeConfusion(_ report: EvaluationReport) throws {
    if let confusion { try AtomicFile.write(report.confusionCSV(), to: confusion) }
    if let confusionPicture {
      try ConfusionPicture.draw(names: report.classNames, counts: report.matrix.rows)
        .writePNG(to: confusionPicture)
    }
  }

  /// Writes scores where the user wants them.
  private func write(_ text: String) throws {
    let whole = text.hasSuffix("\n") ? text : text + "\n"
    if let output {
      try AtomicFile.write(whole, to: output)
    } else {
      Output.text(whole)
    }
  }

  /// Refuses gates on figures that there will not be, before hours are spent.
  func requireGates(among names: [String]) throws {
    if let gate = failUnder.first(where: { !names.contains($0.name) }) {
      throw RequestError(
        "--fail-under names \(gate.name); this model has \(names.joined(separator: ", ")).")
    }
  }

  private func checkGates(_ report: any ScoreReport) throws {
    var isMissed = false
    for gate in failUnder {
      let figure = (report.figure(gate.name) ?? .nan) * 100
      if !(figure >= gate.least) {
        Output.error(
          "error: \(gate.name) is \(String(format: "%.4f", figure)), at least \(gate.least) is demanded"
        )
        isMissed = true
      }
    }
    if isMissed { throw ExitStatus.gate }
  }
}

/// A task whose models `eval` can score.
protocol EvaluatedTask: TaskConfiguration {
  /// Refuses options that would be ignored.
  static func requireOwnOptions(_ command: EvalCommand) throws

  /// Scores a model on the data set that the command names.
  static func score(_ model: Loaded, for command: EvalCommand) throws -> Report
}

extension EvaluatedTask {
  fileprivate func evaluated(by command: EvalCommand) throws -> any ScoreReport {
    try Self.requireOwnOptions(command)
    try command.requireGates(among: Self.figureNames)
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

/// A figure and the least value it must reach: `mIoU=36`.
struct GateArgument: ExpressibleByArgument {
  let name: String
  let least: Double

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, let least = Double(parts[1]), least.isFinite,
      VisionTasks.figureNames.contains(parts[0])
    else { return nil }
    name = parts[0]
    self.least = least
  }
}
