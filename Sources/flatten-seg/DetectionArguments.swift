import ArgumentParser
import FlattenFiles
import FlattenImage
import FlattenMetrics

/// How detections are scored.
struct DetectionArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("The objects that are there, COCO JSON.", valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var annotations: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Score these detections, COCO results, instead of running a model.", valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var results: [String] = []

  @Option(
    help: ArgumentHelp(
      "Compare boxes, masks or both; default: what the results have.", valueName: "bbox,segm"))
  var iouType: KindList?

  @Option(help: "Whose average precision: how many detections of a picture count.")
  var convention = COCOSettings.Convention.coco

  @Flag(help: "Tell small masks from large ones by their boxes, as pycocotools does.")
  var boxAreas = false

  @OptionGroup var curves: CurveArguments
  @OptionGroup var worst: WorstArguments

  @Option(
    help: ArgumentHelp("Score one of several parts of the pictures.", valueName: "k/n"))
  var shard: ShardArgument?

  @Option(
    help: ArgumentHelp(
      "Write what 'eval merge' makes a report of, with those of other parts.",
      valueName: "file.json"), completion: .file(extensions: ["json"]))
  var part: String?

  func validate() throws {
    if !results.isEmpty && annotations == nil {
      throw ValidationError(
        "--results needs --annotations: the file of the objects that are there.")
    }
    if (shard == nil) != (part == nil) {
      throw ValidationError("--shard and --part belong together.")
    }
  }
}

extension DetectionArguments {
  /// The rules of each kind that is compared.
  func settings(for kinds: Set<COCOSettings.Kind>) -> [COCOSettings] {
    COCOSettings.Kind.allCases.filter(kinds.contains).map { kind in
      var settings = COCOSettings(kind, convention: convention)
      settings.usesMaskAreas = !boxAreas
      return settings
    }
  }

  /// The part of the pictures that is scored.
  var scoredShard: COCOEvaluation.Shard { shard?.shard ?? .init(index: 0, count: 1) }

  /// Writes what was asked for beside the report.
  func write(_ report: DetectionReport) throws {
    if let part { try AtomicFile.write(COCOEvaluation.part(report.evaluations), to: part) }
    try curves.write(report)
  }
}

extension COCOSettings.Convention: ExpressibleByArgument {}

/// `--iou-type bbox,segm`.
struct KindList: ExpressibleByArgument {
  let kinds: Set<COCOSettings.Kind>

  init?(argument: String) {
    let kinds = argument.split(separator: ",", omittingEmptySubsequences: false).map {
      COCOSettings.Kind(rawValue: String($0))
    }
    let known = Set(kinds.compactMap(\.self))
    guard !kinds.contains(nil), known.count == kinds.count else { return nil }
    self.kinds = known
  }
}

extension ShardArgument {
  /// The pictures of the part, by the order of their ids.
  var shard: COCOEvaluation.Shard { .init(index: number - 1, count: count) }
}

/// Curves of precision over recall.
struct CurveArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("Draw precision over recall.", valueName: "file.png"),
    completion: .file(extensions: ["png"]))
  var curves: String?

  @Option(
    help: ArgumentHelp("Draw the curves of these classes.", valueName: "name,name"))
  var curvesOf: String?

  func validate() throws {
    if curvesOf != nil && curves == nil {
      throw ValidationError("--curves-of belongs to --curves.")
    }
  }

  /// Draws what was asked for.
  func write(_ report: DetectionReport) throws {
    guard let curves else { return }
    try CurvePicture.draw(
      try panels(report), across: "recall", upwards: "precision"
    ).writePNG(to: curves)
  }

  private func panels(_ report: DetectionReport) throws -> [CurvePicture.Panel] {
    try report.parts.flatMap { part in
      let scores = part.scores
      let things = scores.settings.kind == .bbox ? "boxes" : "masks"
      guard let curvesOf else {
        return [panel("\(things), all classes", scores, category: nil)]
      }
      return try curvesOf.split(separator: ",").map { name in
        guard let category = scores.categories.firstIndex(where: { $0.name == name }) else {
          let names = scores.categories.prefix(6).map(\.name).joined(separator: ", ")
          throw RequestError(
            "--curves-of names '\(printable(String(name)))'; the classes are \(printable(names, limit: 200))"
              + (scores.categories.count > 6 ? ", ..." : "") + ".")
        }
        return panel("\(things), \(name)", scores, category: category)
      }
    }
  }

  private func panel(
    _ title: String, _ scores: AveragePrecision, category: Int?
  ) -> CurvePicture.Panel {
    let curves = [("IoU .5", 0), ("IoU .75", 5), ("IoU .5:.95", nil)] as [(String, Int?)]
    return .init(
      title: title,
      curves: curves.map { name, threshold in
        .init(name: name, values: scores.curve(threshold: threshold, category: category))
      })
  }
}
