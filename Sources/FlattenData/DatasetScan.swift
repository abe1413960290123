import FlattenFiles
import FlattenImage

/// The search for a data set's files, and all problems it finds.
struct DatasetScan {
  private(set) var dataset: Dataset
  private(set) var problems: [DatasetProblem] = []

  private let description: DatasetDescription
  private let root: String
  private let imageFolder: String
  private let labelFolder: String
  private let labelSuffixes: [String]
  private let requiresLabels: Bool
  private var items: [DatasetItem] = []
  /// The picture of each stem, by bytes: `String` would take two Unicode spellings for one.
  private var stems: [[UInt8]: String] = [:]
  private var hiddenFiles = 0
  private var otherFiles = 0

  /// - Throws: ``DatasetError`` where the request makes no sense; problems on disk are in
  ///   ``problems``.
  init(
    _ plain: DatasetDescription, root: String, split wanted: String?, options: DatasetOptions,
    requiresLabels: Bool
  ) throws {
    let description = try plain.applying(options)
    guard let labels = description.labels else {
      throw DatasetError(.hasNoLabels(dataset: description.name))
    }
    guard !description.classes.isEmpty || !requiresLabels else {
      throw DatasetError(
        "the data set '\(description.name)' names no classes. Give their number or names, or a "
          + "description that lists them.")
    }
    let split = try description.split(named: wanted)
    func resolve(_ pattern: String) -> String {
      let path = pattern.replacing("{split}", with: split?.folder ?? "")
      return root.hasSuffix("/") ? root + path : "\(root)/\(path)"
    }
    self.description = description
    self.requiresLabels = requiresLabels
    imageFolder = resolve(description.images.folder)
    labelFolder = resolve(labels.folder)
    labelSuffixes = labels.suffixes
    self.root = root.hasSuffix("/") && root.count > 1 ? String(root.dropLast()) : root
    dataset = Dataset(
      description: description, split: split, items: [], hiddenFiles: 0, otherFiles: 0,
      orphanLabels: [], options: options)

    if let list = description.list {
      readList(resolve(list))
    } else {
      walkPictures(leavingOut: options.predictionFolder)
    }
    let orphans = requiresLabels ? checkLabels(findOrphans: description.list == nil) : []
    dataset = Dataset(
      description: description, split: split, items: items, hiddenFiles: hiddenFiles,
      otherFiles: otherFiles, orphanLabels: orphans, options: options)
  }

  private mutating func walkPictures(leavingOut predictions: String?) {
    let walk = FolderWalk(
      imageFolder, leavingOut: predictions.flatMap { FileIdentity(path: $0) })
    problems += walk.problems.map(DatasetProblem.init)
    hiddenFiles = walk.hidden
    for file in walk.files {
      if let stem = FileSuffix.stem(of: file, without: description.images.suffixes) {
        add(stem: stem, picture: file, at: "\(imageFolder)/\(file)")
      } else {
        otherFiles += 1
      }
    }
    if items.isEmpty, problems.isEmpty {
      let suffixes = description.images.suffixes.joined(separator: ", ")
      problems.append(
        DatasetProblem(
          .empty, path: imageFolder,
          "holds no pictures: no name ends in \(suffixes), \(hiddenFiles) hidden and "
            + "\(otherFiles) other files were skipped. Check the root and the split."))
    }
  }

  private mutating func readList(_ path: String) {
    let list: TextLines
    do {
      list = try TextLines(path: FileSuffix.existing(path).first ?? path)
    } catch {
      let reason = (error as? FileError)?.reason ?? "\(error)"
      problems.append(DatasetProblem(.folder, path: path, reason))
      return
    }
    for line in list.lines { add(line: line, of: path) }
    if items.isEmpty, problems.isEmpty {
      problems.append(
        DatasetProblem(.empty, path: path, "lists no pictures. Check the root and the split."))
    }
  }

  /// A line of a list: a picture's name below the picture folder or the root, with its suffix or without; or
  /// such a name and that of its label.
  private mutating func add(line: String, of list: String) {
    if isUsable(line), let picture = located(line, below: imageFolder, description.images.suffixes)
    {
      return add(picture: picture, label: nil)
    }
    if let (first, second) = TextLines.columns(of: line) {
      // `/JPEGImages/a.jpg`: below the root, as in the lists of other tools.
      let names = [first, second].map { String($0.drop { $0 == "/" }) }
      if names.allSatisfy(isUsable),
        let picture = located(names[0], below: imageFolder, description.images.suffixes)
      {
        if let label = located(names[1], below: labelFolder, labelSuffixes) {
          return add(picture: picture, label: label)
        }
        // A name with a blank in it is no pair; a label has the suffix of a picture.
        if FileSuffix.stem(of: names[1], without: Image.fileSuffixes) != nil {
          return add(picture: picture, label: "\(root)/\(names[1])")
        }
      }
    }
    guard isUsable(line) else {
      problems.append(
        DatasetProblem(
          .name, path: list,
          "lists '\(printable(line))', which is no name below the picture folder. Correct it."))
      return
    }
    let suffix = description.images.suffixes.first ?? ""
    let hasSuffix = FileSuffix.stem(of: line, without: Image.fileSuffixes) != nil
    problems.append(
      DatasetProblem(
        .missingPicture, path: "\(imageFolder)/\(line)\(hasSuffix ? "" : suffix)",
        "is listed in \(printable(list)) and is not there. Add it, or remove the line.",
        cause: "is not there"))
  }

  private func isUsable(_ name: String) -> Bool { isInside(name) && !name.utf8.contains(0) }

  private func file(_ paths: [String]) -> String? { paths.first { PathKind($0) == .file } }

  /// The file of a name in a list: below a folder or, where it is not there, below the root.
  private func located(
    _ name: String, below folder: String, _ suffixes: [String]
  ) -> String? {
    for base in [folder, root] {
      for suffix in suffixes {
        if let path = file(FileSuffix.existing("\(base)/\(name)", suffix)) { return path }
      }
      if FileSuffix.stem(of: name, without: suffixes + Image.fileSuffixes) != nil,
        let path = file(FileSuffix.existing("\(base)/\(name)"))
      {
        return path
      }
    }
    return nil
  }

  /// - Parameter label: the label's path; `nil` where it follows from the picture's.
  private mutating func add(picture path: String, label: String?) {
    let base = path.hasPrefix(imageFolder + "/") ? imageFolder : root
    let file = String(path.dropFirst(base.count + 1))
    let stem =
      FileSuffix.stem(of: file, without: description.images.suffixes)
      ?? FileSuffix.stem(of: file, without: Image.fileSuffixes) ?? file
    add(stem: stem, picture: file, at: path, label: label)
  }

  /// - Parameters:
  ///   - picture: its path below its folder.
  ///   - path: its whole path.
  ///   - label: its label's path; `nil` where it follows from the stem.
  private mutating func add(
    stem: String, picture: String, at path: String, label: String? = nil
  ) {
    if let twin = stems.updateValue(picture, forKey: Array(stem.utf8)) {
      problems.append(
        DatasetProblem(
          .duplicateStem, path: path,
          "has the same stem as '\(printable(twin))', so one label would serve both. Rename one.",
          cause: "has the same stem as another"))
      return
    }
    let suffix = labelSuffixes.first ?? ".png"
    let expected = "\(labelFolder)/\(stem)"
    items.append(
      DatasetItem(
        name: stem, file: picture, image: path,
        label: label ?? FileSuffix.existing(expected, suffix).first ?? expected + suffix))
  }

  /// Checks that every picture has a label, and returns the labels that have no picture.
  private mutating func checkLabels(findOrphans: Bool) -> [String] {
    let areAllThere = !items.isEmpty && items.allSatisfy { PathKind($0.label) != .absent }
    // A list may name labels elsewhere.
    guard areAllThere || PathKind(labelFolder) == .folder else {
      problems += FolderWalk(labelFolder).problems.map(DatasetProblem.init)
      return []
    }
    for item in items {
      switch PathKind(item.label) {
      case .file: break
      case .folder:
        problems.append(
          DatasetProblem(.badLabel, path: item.label, "is a folder, a label picture is wanted."))
      case .absent: problems.append(missingLabel(of: item))
      }
    }
    guard findOrphans, !items.isEmpty else { return [] }
    let walk = FolderWalk(labelFolder)
    var orphans: [String] = []
    var labels: [[UInt8]: String] = [:]
    for file in walk.files {
      guard let stem = FileSuffix.stem(of: file, without: labelSuffixes) else {
        continue
      }
      let key = Array(stem.utf8)
      if stems[key] == nil {
        orphans.append("\(labelFolder)/\(file)")
      } else if let twin = labels.updateValue(file, forKey: key) {
        problems.append(
          DatasetProblem(
            .duplicateStem, path: "\(labelFolder)/\(file)",
            "is a second label beside '\(printable(twin))'. Remove one.",
            cause: "is a second label"))
      }
    }
    return orphans
  }

  /// The problem of a picture without a label; what the label is made of is named where it is there.
  private func missingLabel(of item: DatasetItem) -> DatasetProblem {
    let label = printable(item.label, limit: 140)
    if let origin = description.labelOrigin,
      !FileSuffix.existing("\(labelFolder)/\(item.name)", origin.suffix).isEmpty
    {
      let tool = printable(origin.tool)
      return DatasetProblem(
        .missingLabel, path: item.image,
        "has no label: \(label) is not there, but '...\(printable(origin.suffix))' is. \(tool) makes "
          + "the one of the other.",
        cause: "has no label, but what it is made of")
    }
    return DatasetProblem(
      .missingLabel, path: item.image,
      "has no label: \(label) is not there. Add it, or remove the picture.",
      cause: "has no label")
  }
}
