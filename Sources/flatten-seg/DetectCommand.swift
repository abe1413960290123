import ArgumentParser
import FlattenCheckpoint
import FlattenConfig
import FlattenData
import FlattenFiles
import FlattenRegions
import FlattenTensor
import FlattenVision
import Foundation

struct DetectCommand: PictureCommand {
  static let configuration = CommandConfiguration(
    commandName: "detect",
    abstract: "Find the objects of pictures: boxes and, where the model draws them, masks.",
    discussion: """
      Examples:
        flatten-seg detect street.jpg --overlay
        flatten-seg detect photos/ --recursive --save json,overlay,instances
        flatten-seg detect val2017/ --annotations instances_val2017.json \\
          --coco-results results.json --config model.yaml --weights model.pth

      A line an object, best score first: class, score, x, y, width, height,
      separated by tabs; the picture's path comes first where a folder, a list or
      more than one picture is named. Boxes are in pixels of the picture as it is
      shown, from its left and upper edge.
      """)

  @OptionGroup(title: "Pictures") var input: PictureOptions
  @OptionGroup(title: "Pictures") var decoding: DecodingArguments
  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Objects") var objects: ObjectOptions

  @Flag(help: "Write <name>.overlay.jpg; the same as --save overlay.")
  var overlay = false

  @Option(
    help: ArgumentHelp(
      """
      Write files of each picture, several with commas: json, overlay, instances (16-bit PNG of \
      object numbers), masks (a folder, a 1-bit PNG an object), rle, polygons, labels (PNG of \
      classes), crops (a folder), yolo, labelme, csv.
      """, valueName: "kinds"),
    completion: .list(DetectionOutputs.Kind.allCases.map(\.rawValue)), transform: Self.kinds)
  var save: [[DetectionOutputs.Kind]] = []

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Folder of these files.", valueName: "folder"),
    completion: .directory)
  var output = "output"

  @Option(
    help: ArgumentHelp(
      """
      Write the objects of all pictures as COCO results, down to the config's score; a run that was \
      killed is continued with --skip-existing.
      """, valueName: "file.json"), completion: .file(extensions: ["json"]))
  var cocoResults: String?

  @Option(
    help: ArgumentHelp(
      "Annotations that give --coco-results the ids of pictures and classes.",
      valueName: "file.json"), completion: .file(extensions: ["json"]))
  var annotations: String?

  @Flag(help: "Print the number of objects of each class in all pictures, at the end.")
  var counts = false

  @Flag(help: "Print one JSON object a picture: size, time, objects; or the error.")
  var json = false

  @OptionGroup var results: ExistingOptions

  @OptionGroup var reporting: ReportingOptions

  func validate() throws {
    if annotations != nil && cocoResults == nil {
      throw ValidationError("--annotations belongs to --coco-results.")
    }
    if counts && results.existing == .skip {
      throw ValidationError(
        "--counts counts what is found now, and --skip-existing leaves pictures out.")
    }
    if output.isEmpty { throw ValidationError("--output is empty. Name a folder.") }
    if cocoResults?.isEmpty ?? false {
      throw ValidationError("--coco-results is empty. Name a file.")
    }
  }

  /// `json,overlay`.
  @Sendable private static func kinds(_ text: String) throws -> [DetectionOutputs.Kind] {
    let names = DetectionOutputs.Kind.allCases.map(\.rawValue)
    return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let name = part.trimmingCharacters(in: .whitespaces)
      if let kind = DetectionOutputs.Kind(rawValue: name) { return kind }
      let near = nearestSpelling(to: name, among: names).map { " Did you mean '\($0)'?" }
      throw ValidationError(
        "'\(name)' is none of \(names.joined(separator: ", ")).\(near ?? "")")
    }
  }

  /// Scores from which on objects are shown to people.
  private var shownScore: Float {
    Float(objects.score ?? ObjectOptions.shownScore(model.isBuiltIn))
  }

  func run() throws {
    let outputs = self.outputs
    var pictures = try self.pictures(for: outputs)
    let request = try cocoResults.flatMap {
      try COCORequest($0, annotations: annotations, &pictures, results.existing, reporting)
    }
    if let path = cocoResults, request == nil {
      if !reporting.quiet { Output.error("kept: \(printable(path, limit: 400))") }
      if outputs.kinds.isEmpty { return }
    }
    try outputs.check(pictures.sources, besides: request?.files ?? [])

    let tellsPath = !input.isOnePicture(pictures)
    let tellsObjects = cocoResults == nil
    let tellsFiles = !tellsPath && !reporting.quiet && !json
    let counted = Locked<[Int: Int]>([:])
    let file = Locked<COCOResultsFile?>(nil)
    let classes = Locked<[String]>([])
    let tally = try run(
      pictures, loading: { try model.loadDetector() },
      batch: { detector in
        let options = try objects.options(
          for: detector.classes, score: request == nil ? shownScore : objects.score.map(Float.init))
        try outputs.requireMasks(of: detector, options)
        classes.withLock { $0 = detector.classes }
        let results = try request?.begin(
          detector, facts(of: detector, options), options, results.existing, reporting)
        file.withLock { $0 = results }
        return PictureBatch(detector, options: options, outputs: outputs, results: results)
      },
      tell: { source, done in
        let shown = outputs.shown(done.report)
        if counts {
          counted.withLock { for object in shown.objects { $0[object.label, default: 0] += 1 } }
        }
        if json {
          Output.line(document(source, done, shown).line)
        } else if tellsObjects {
          let path = tellsPath ? printable(source.path, limit: .max) + "\t" : ""
          for object in shown.objects { Output.line(path + object.line) }
        }
        if tellsFiles {
          for path in done.files { Output.error("written: \(printable(path, limit: 400))") }
        }
      })
    if let file = file.withLock({ $0 }) {
      let isWritten = try request?.finish(file, tally) ?? false
      if isWritten && !json { Output.line(printable(file.path, limit: .max)) }
    }
    if counts && !Interrupt.isRequested { tell(counted.withLock { $0 }, classes.withLock { $0 }) }
    try tally.finish(in: outputs.kinds.isEmpty ? nil : output, quiet: reporting.quiet)
  }

  /// What is written of each picture.
  private var outputs: DetectionOutputs {
    var outputs = DetectionOutputs(
      folder: output, kinds: save.joined() + (overlay ? [.overlay] : []))
    outputs.existing = results.existing
    outputs.score = shownScore
    return outputs
  }

  /// The pictures, which fit where the results go.
  private func pictures(for outputs: DetectionOutputs) throws -> PictureList {
    guard let main = outputs.kinds.first else {
      return try input.pictures(json: json, quiet: reporting.quiet)
    }
    try ResultPath.requireFolderName(output)
    let pictures = try input.pictures(
      results: outputs.folder, json: json, quiet: reporting.quiet)
    let suffix = ".\(main)"
    try pictures.requireOwnNames(suffix: suffix)
    tellNames(of: pictures, in: output, suffix: suffix, results.existing)
    return pictures
  }

  /// What decides the results, so that a run that goes on with another's is the same.
  private func facts(
    of detector: Detector, _ options: Detector.Options
  ) -> [ResultsJournal.Fact] {
    let selection = detector.selection(options)
    let tiles = options.tiles.map {
      "\($0.size.height)x\($0.size.width), overlap \($0.overlap)"
    }
    return [
      .init("version", "\(Version.number) (\(Version.instructionSet))"),
      .init("config", model.configFact),
      .init("weights", model.weightsFact),
      .init("precision", detector.precision.rawValue),
      .init("score", "\(selection.score)"),
      .init(
        "choice of classes",
        options.labels.map { $0.sorted().map { detector.classes[$0] }.joined(separator: ",") }
          ?? "all"),
      .init("most objects of a picture", "\(selection.most)"),
      .init("overlap of boxes", "\(selection.overlap)"),
      .init("comparison of classes", options.isClassAgnostic ? "all" : "each"),
      .init("masks", detector.hasMasks && options.makesMasks ? "yes" : "no"),
      .init("tiles", tiles ?? "none"),
      .init("EXIF orientation", decoding.exif.rawValue),
      .init("shard", input.shard.map { "\($0)" } ?? "1/1"),
    ]
  }

  private func document(
    _ source: PictureSource, _ done: PictureOutcome<Detections>.Done, _ shown: Detections
  ) -> OrderedJSON {
    .object(
      [
        ("input", .string(source.path)), ("files", .array(done.files.map { .string($0) })),
      ] + done.sizeFields + done.timeFields
        + [("objects", .array(DetectionDocument(shown, file: source.path).objects()))])
  }

  /// Prints how many objects of each class there are, most first.
  private func tell(_ counts: [Int: Int], _ classes: [String]) {
    let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    if json {
      let fields = sorted.map { (classes[$0.key], OrderedJSON.integer($0.value)) }
      return Output.line(OrderedJSON.object([("counts", .object(fields))]).line)
    }
    for (label, count) in sorted {
      Output.line("\(printable(classes[label], limit: .max))\t\(count)")
    }
  }
}

extension DetectedObject {
  /// Class, score, x, y, width, height, separated by tabs.
  fileprivate var line: String {
    let numbers = [box.left, box.top, box.width, box.height].map {
      String(format: "%.2f", Double($0))
    }
    let score = String(format: "%.4f", Double(score))
    return ([printable(name, limit: .max), score] + numbers).joined(separator: "\t")
  }
}

extension DetectionOutputs {
  /// Refuses results that are made of masks where there are none.
  fileprivate func requireMasks(of detector: Detector, _ options: Detector.Options) throws {
    guard let kind = kinds.first(where: \.needsMasks) else { return }
    if !detector.hasMasks {
      throw RequestError(
        "--save \(kind) needs masks, and '\(printable(detector.configuration.name))' finds boxes alone."
      )
    }
    if !options.makesMasks {
      throw RequestError("--save \(kind) needs masks: leave --no-masks out.")
    }
  }
}

extension PictureOptions {
  /// Whether one picture is named by itself, so that nobody has to be told which it is.
  fileprivate func isOnePicture(_ pictures: PictureList) -> Bool {
    list.isEmpty && inputs.count == 1 && pictures.sources.count == 1
      && pictures.sources[0].path == inputs[0]
  }
}
