import ArgumentParser
import FlattenData
import FlattenFiles
import FlattenImage
import FlattenVision

struct DatasetsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "datasets",
    abstract: "List the known data sets, show one, check or convert one on disk.",
    discussion: """
      Examples:
        flatten-seg datasets
        flatten-seg datasets ade20k
        flatten-seg datasets check ade20k ADEChallengeData2016
        flatten-seg datasets check instances_val2017.json --images val2017
        flatten-seg datasets convert instances.json --output mended.json

      A data set of your own is a YAML file; 'flatten-seg datasets ade20k' shows
      what one holds.
      """,
    subcommands: [
      DatasetsShowCommand.self, DatasetsCheckCommand.self, DatasetsConvertCommand.self,
    ],
    defaultSubcommand: DatasetsShowCommand.self)
}

struct DatasetsShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "List the known data sets, or show one.")

  @Argument(
    help: ArgumentHelp("A data set's name or description.", valueName: "name|file.yaml"),
    completion: .yaml)
  var name: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    if let name {
      let description = try DatasetDescription.load(nameOrPath: name)
      return json ? Output.line(document(description).text()) : show(description)
    }
    let all = try DatasetDescription.builtInNames.map {
      try DatasetDescription.load(nameOrPath: $0)
    }
    if json { return Output.line(OrderedJSON.array(all.map(document)).text()) }
    let width = all.map(\.name.count).max() ?? 0
    for description in all {
      let space = String(repeating: " ", count: width - description.name.count)
      Output.line("\(description.name)\(space)  \(description.title)")
    }
  }

  private func show(_ description: DatasetDescription) {
    Output.line("\(description.name): \(description.title)")
    if !description.source.isEmpty { Output.line("source: \(description.source)") }
    Output.line("pictures: \(text(description.images))")
    if let labels = description.labels { Output.line("labels: \(text(labels))") }
    if let file = description.annotations { Output.line("annotations: \(file)") }
    if let list = description.list { Output.line("list: \(list)") }
    if !description.splits.isEmpty {
      let names = description.splits.map { ([$0.name] + $0.aliases).joined(separator: " or ") }
      let standard = description.defaultSplit.map { " (default \($0))" } ?? ""
      Output.line("splits: \(names.joined(separator: ", "))\(standard)")
    }
    if case .colours = description.encoding {
      Output.line("label pictures: the colours of the classes")
    }
    if description.labels != nil {
      let rule = description.labelRule
      Output.line(
        "label rule: ignore \(rule.ignoreIndex)"
          + (rule.reducesZeroLabel ? ", 0 is not scored and the others move down by one" : ""))
    }
    Output.line("classes: \(classes(description).count)")
    for entry in classes(description) {
      let colour = entry.colour.map { "(\($0.red), \($0.green), \($0.blue))" }
      Output.line("  \(entry.id)  \(entry.name)  \(colour ?? "")")
    }
  }

  /// The classes with the ids that label pictures, or the annotation file, have for them.
  private func classes(
    _ description: DatasetDescription
  ) -> [(id: Int, name: String, colour: RGBColor?)] {
    description.classes.enumerated().map { place, name in
      (
        description.annotations == nil ? place : description.categoryIDs[place], name,
        description.palette.colour(of: UInt16(place))
      )
    }
  }

  private func text(_ location: DatasetDescription.Location) -> String {
    "\(location.folder)/*[\(location.suffixes.joined(separator: " "))]"
  }

  private func document(_ description: DatasetDescription) -> OrderedJSON {
    .object([
      ("name", .string(description.name)),
      ("title", .string(description.title)),
      ("source", .string(description.source)),
      ("images", .string(description.images.folder)),
      ("labels", description.labels.map { .string($0.folder) } ?? .null),
      ("annotations", description.annotations.map { .string($0) } ?? .null),
      ("splits", .array(description.splits.map { .string($0.name) })),
      ("default_split", description.defaultSplit.map { .string($0) } ?? .null),
      ("ignore_index", .integer(Int(description.labelRule.ignoreIndex))),
      ("reduce_zero_label", .bool(description.labelRule.reducesZeroLabel)),
      (
        "classes",
        .array(
          classes(description).map { entry in
            let parts = entry.colour.map { [$0.red, $0.green, $0.blue] } ?? []
            return .object([
              ("id", .integer(entry.id)), ("name", .string(entry.name)),
              ("color", .array(parts.map { .integer(Int($0)) })),
            ])
          })
      ),
    ])
  }
}

struct DatasetsCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Say what is missing, mis-sized or out of range in a data set on disk.",
    discussion: """
      Examples:
        flatten-seg datasets check ade20k ADEChallengeData2016
        flatten-seg datasets check instances_val2017.json --images val2017

      Of a file of COCO annotations every mistake is told with its place and what to do.
      """)

  @Argument(
    help: ArgumentHelp(
      "A data set's name or description, or COCO annotations.",
      valueName: "name|file.yaml|file.json"), completion: .file(extensions: ["yaml", "json"]))
  var name: String

  @Argument(
    help: ArgumentHelp("The data set's folder; not for annotations.", valueName: "folder"),
    completion: .directory)
  var folder: String?

  @OptionGroup(title: "Data set") var arguments: DatasetArguments
  @OptionGroup(title: "Data set") var decoding: DecodingArguments

  @Flag(help: "Print every problem; otherwise those of one cause are told together.")
  var all = false

  @Flag(name: .shortAndLong, help: "Print problems only.")
  var quiet = false

  func run() throws {
    if name.lowercased().hasSuffix(".json") {
      guard folder == nil else {
        throw ValidationError("Annotations have no folder; --images says where the pictures are.")
      }
      return try check(annotations: name, images: arguments.images)
    }
    guard let folder else { throw ValidationError("Missing expected argument '<folder>'") }
    let description = try DatasetDescription.load(nameOrPath: name)
    if let file = try description.annotationFile(split: arguments.split) {
      return try check(
        annotations: "\(folder)/\(file.annotations)",
        images: "\(folder)/\(arguments.images ?? file.images)")
    }
    Progress.shared.begin(quiet: quiet)
    let check = try Dataset.check(
      description, root: folder, split: arguments.split, options: arguments.options(decoding),
      progress: { Progress.shared.show(done: $0, of: $1) })
    Progress.shared.clear()
    for group in check.groups { report(group) }
    if !quiet { summarise(check) }
    if !check.isClean {
      Output.error(
        "error: \(printable(folder, limit: 400)): \(counted(check.problems.count, "problem"))")
      throw ExitStatus.input
    }
  }

  /// Problems of one cause: the first as it is, of the others the files alone.
  private func report(_ problems: [DatasetProblem]) {
    let told = all ? problems.count : 1
    for problem in problems.prefix(told) { Output.line(ErrorTexts.text(of: problem)) }
    let others = problems.dropFirst(told)
    guard !others.isEmpty else { return }
    let listed = others.prefix(3).map { printable($0.path, limit: 120) }.joined(separator: ", ")
    Output.line(
      "  the same of \(counted(others.count, "other")): \(listed)\(others.count > 3 ? ", ..." : "")"
    )
  }

  private func summarise(_ check: DatasetCheck) {
    Output.line(
      "\(counted(check.pictures, "picture")), \(counted(check.problems.count, "problem")); "
        + "skipped \(check.hiddenFiles) hidden and \(check.otherFiles) other files, \(check.orphanLabels.count) labels have no "
        + "picture")
    let total = Double(check.census.pixels)
    if total > 0 {
      for (name, pixels) in zip(check.classNames, check.census.classPixels) {
        Output.line("  \(name): \(percent(Double(pixels) / total))")
      }
      Output.line("  not scored: \(percent(Double(check.census.ignoredPixels) / total))")
    }
    check.warnings.forEach(Output.warning)
  }

  private func percent(_ share: Double) -> String {
    "\((share * 10000).rounded() / 100) %"
  }
}
