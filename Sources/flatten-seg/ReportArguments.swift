import ArgumentParser
import FlattenFiles
import FlattenMetrics
import FlattenVision
import Foundation

/// How scores are written and what they must reach; shared by the commands that score.
struct ReportArguments: ParsableArguments {
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

  @Option(help: "How the scores are printed.")
  var format = Format.table

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Write the scores to this file instead of standard output.", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Replace results that exist.")
  var overwrite = false

  @Option(
    help: ArgumentHelp(
      "End with status 6 where a figure, in percent, is lower, e.g. mIoU=36 or AP=38,segm.AP50=60.",
      valueName: "name=value"))
  var failUnder: [GateList] = []

  private var gates: [GateList.Gate] { failUnder.flatMap(\.gates) }

  /// Refuses outputs that cannot be written, or of which two are one file.
  ///
  /// - Parameters:
  ///   - others: further files that are asked for, and what they hold.
  ///   - inputs: files that no result must replace.
  func checkOutputs(
    besides others: [(path: String?, kind: ResultKind)], inputs: [String]
  ) throws {
    var seen: Set<String> = []
    for case (let path?, let kind) in [(output, format.kind)] + others {
      guard seen.insert(path).inserted else {
        throw RequestError("Two results would be written to '\(printable(path, limit: 200))'.")
      }
      try ResultPath.check(path, holds: kind, overwrite: overwrite, inputs: inputs)
    }
  }

  /// Writes scores where the user wants them.
  func write(_ report: any ScoreReport) throws {
    let text =
      switch format {
      case .table: report.text()
      case .json: report.json()
      case .csv: report.csv()
      case .markdown: report.markdown()
      }
    let whole = text.hasSuffix("\n") ? text : text + "\n"
    if let output {
      try AtomicFile.write(whole, to: output)
    } else {
      Output.text(whole)
    }
  }

  /// Refuses gates on figures that there will not be, before hours are spent.
  func requireGates(among names: [String]) throws {
    if let gate = gates.first(where: { !names.contains($0.name) }) {
      throw RequestError(
        "--fail-under names \(gate.name); this model has \(names.joined(separator: ", ")).")
    }
  }

  /// Ends with a status of its own where a demanded figure was missed.
  func checkGates(_ report: any ScoreReport) throws {
    var isMissed = false
    for gate in gates {
      let figure = (report.figure(gate.name) ?? .nan) * 100
      // A mean of ones may be one or two bits below 1, as pycocotools' is.
      if !(figure >= gate.least - 1e-9) {
        Output.error(
          "error: \(gate.name) is \(String(format: "%.4f", figure)), at least \(gate.least) is demanded"
        )
        isMissed = true
      }
    }
    if isMissed { throw ExitStatus.gate }
  }
}

/// Figures and the least values they must reach: `mIoU=36`, `AP=38.2,segm.AP50=60`.
struct GateList: ExpressibleByArgument {
  struct Gate {
    let name: String
    let least: Double
  }

  let gates: [Gate]

  init?(argument: String) {
    var gates: [Gate] = []
    for item in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = item.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let least = Double(parts[1]), least.isFinite,
        VisionTasks.figureNames.contains(parts[0])
      else { return nil }
      gates.append(Gate(name: parts[0], least: least))
    }
    self.gates = gates
  }
}
