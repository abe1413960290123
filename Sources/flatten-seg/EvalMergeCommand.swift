import ArgumentParser
import FlattenFiles
import FlattenMetrics

struct EvalMergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Make one report of parts that 'eval --part' wrote.",
    discussion: """
      Examples:
        flatten-seg eval --annotations gt.json --results a.json --shard 1/2 --part 1.json
        flatten-seg eval --annotations gt.json --results a.json --shard 2/2 --part 2.json
        flatten-seg eval merge 1.json 2.json

      The report is that of one run over all pictures. A picture in two parts is an
      error.
      """)

  @Argument(
    help: ArgumentHelp("The parts.", valueName: "part.json"),
    completion: .file(extensions: ["json"]))
  var parts: [String]

  @OptionGroup(title: "Report") var reporting: ReportArguments
  @OptionGroup(title: "Report") var curves: CurveArguments

  func run() throws {
    try reporting.checkOutputs(besides: [(curves.curves, .png)], inputs: parts)
    try reporting.requireGates(among: DetectionReport.figureNames)
    var merged: [COCOEvaluation] = []
    for path in parts {
      let evaluations = try COCOEvaluation.read(part: path)
      if merged.isEmpty {
        merged = evaluations
        continue
      }
      guard merged.count == evaluations.count else {
        throw FileError(path: path, kind: .refused, reason: "\(DetectionError.otherSettings)")
      }
      for index in merged.indices {
        do {
          try merged[index].merge(evaluations[index])
        } catch let error as DetectionError {
          throw FileError(path: path, kind: .refused, reason: "\(error)")
        }
      }
    }
    let report = DetectionReport(merged)
    try reporting.write(report)
    try curves.write(report)
    try reporting.checkGates(report)
  }
}
