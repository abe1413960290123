import ArgumentParser
import FlattenData
import FlattenFiles
import FlattenVision

extension DatasetsCheckCommand {
  /// Checks a file of COCO annotations, and the pictures it names where their folder is given.
  func check(annotations path: String, images: String?) throws {
    Progress.shared.begin(quiet: quiet)
    let check = try COCOCheck.run(
      path: path, imageFolder: images, limits: decoding.limits, exif: decoding.exif,
      progress: { Progress.shared.show(done: $0, of: $1) })
    Progress.shared.clear()
    for group in check.groups { report(group) }
    if !quiet { summarise(check) }
    guard check.isClean else {
      Output.error(
        "error: \(printable(path, limit: 400)): \(counted(check.problemCount, "problem"))"
          + (check.isUsable ? ", with which it can be scored" : ""))
      throw ExitStatus.input
    }
  }

  /// Problems of one kind: the first as it is, of the others the places alone.
  private func report(_ group: COCOCheck.Group) {
    let told = all ? group.problems.count : 1
    for problem in group.problems.prefix(told) { Output.line("\(problem)") }
    let others = group.count - told
    guard others > 0 else { return }
    let places = group.problems.dropFirst(told).prefix(3).map(\.place).joined(separator: ", ")
    Output.line(
      "  \(group.kind.rawValue): \(counted(others, "other")): \(places)\(others > 3 ? ", ..." : "")"
    )
  }

  private func summarise(_ check: COCOCheck) {
    let annotations = check.annotations
    Output.line(
      "\(counted(annotations.pictures.count, "picture")), "
        + "\(counted(annotations.objectCount, "annotation")), "
        + "\(counted(annotations.categories.count, "category", plural: "categories")), "
        + counted(check.problemCount, "problem"))
    for (category, objects) in zip(annotations.categories, check.objects) {
      Output.line("  \(category.id)  \(printable(category.name)): \(objects)")
    }
  }
}

struct DatasetsConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write COCO annotations: mended ones, or those of another format.",
    discussion: """
      Examples:
        flatten-seg datasets convert instances.json --output mended.json
        flatten-seg datasets convert labelme/ --from labelme --output gt.json
        flatten-seg datasets convert yolo/ --from yolo --output gt.json
        flatten-seg datasets convert objects/ --from instances --labels classes/ \\
          --class-names car,person --output gt.json

      Of annotations what can be mended is mended: absent iscrowd and area, ids that
      are 0 or given twice, boxes that leave their pictures. What cannot is left out;
      'datasets check' tells it.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case coco, instances, labelme, yolo
  }

  @Argument(
    help: ArgumentHelp("Annotations, or a folder.", valueName: "file.json|folder"),
    completion: .file())
  var input: String

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var output: String

  @Option(
    help:
      "What is converted; instances are PNGs of object numbers, labelme and yolo folders as those programs write."
  )
  var from = Format.coco

  @Option(
    help: ArgumentHelp(
      "Folder of the label pictures that say which class an instance is.", valueName: "folder"),
    completion: .directory)
  var labels: String?

  @Option(
    help: ArgumentHelp(
      "Names of the classes in the order of their ids, from 0.", valueName: "name,name"))
  var classNames: String?

  @Flag(help: "Replace the file where it exists.")
  var overwrite = false

  @OptionGroup(title: "Pictures") var decoding: DecodingArguments

  func validate() throws {
    if from != .instances && labels != nil {
      throw ValidationError("--labels belongs to --from instances.")
    }
    if from == .coco && classNames != nil {
      throw ValidationError("--class-names is for other formats; annotations have their own.")
    }
  }

  func run() throws {
    try ResultPath.check(output, holds: .json, overwrite: overwrite, inputs: [input])
    let names = classNames?.split(separator: ",").map(String.init)
    let converted =
      switch from {
      case .coco: COCOConversion(annotations: try COCOCheck.run(path: input))
      case .instances:
        try COCOConversion(
          instances: input, labels: labels, classNames: names, limits: decoding.limits,
          exif: decoding.exif)
      case .labelme: try COCOConversion(labelMe: input, classNames: names)
      case .yolo:
        try COCOConversion(
          yolo: input, classNames: names, limits: decoding.limits, exif: decoding.exif)
      }
    converted.warnings.forEach(Output.warning)
    let mending = try converted.annotations.write(to: output)
    Output.line(
      "\(counted(converted.annotations.pictures.count, "picture")), "
        + "\(counted(mending.written, "annotation")) written, \(mending.leftOut) left out as nothing "
        + "can find them, \(counted(mending.clipped, "box", plural: "boxes")) clipped"
        + (mending.isRenumbered ? ", annotations numbered anew" : ""))
  }
}
