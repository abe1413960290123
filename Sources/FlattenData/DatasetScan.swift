import FlattenFiles

/// The search for a data set's files, and all problems it finds.
struct DatasetScan {
  private(set) var dataset: Dataset
  private(set) var problems: [DatasetProblem] = []

  private let description: DatasetDescription
  private let imageFolder: String
  private let labelFolder: String
  private let requiresLabels: Bool
  private var items: [DatasetItem] = []
  /// The picture of each stem, by bytes: `String` would take two Unicode spellings for one.
  private var stems: [[UInt8]: String] = [:]
  private var hiddenFiles = 0
  private var otherFiles = 0

  /// Limit of a list file's size in bytes.
  private static let listLimit = 1 << 26

  /// - Throws: ``DatasetError`` where the request makes no sense; problems on disk are in
  ///   ``problems``.
  init(
    _ plain: DatasetDescription, root: String, split wanted: String?, options: DatasetOptions,
    requiresLabels: Bool
  ) throws {
    let description = try plain.applying(options)
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
    labelFolder = resolve(description.labels.folder)
    dataset = Dataset(
      description: description, split: split, items: [], hiddenFiles: 0, otherFiles: 0,
      orphanLabels: [])

    if let list = description.list {
      readList(resolve(list))
    } else {
      walkPictures()
    }
    let orphans = requiresLabels ? checkLabels(findOrphans: description.list == nil) : []
    dataset = Dataset(
      description: description, split: split, items: items, hiddenFiles: hiddenFiles,
      otherFiles: otherFiles, orphanLabels: orphans)
  }

  private mutating func walkPictures() {
    let walk = FolderWalk(imageFolder)
    problems += walk.problems.map(DatasetProblem.init)
    hiddenFiles = walk.hidden
    for file in walk.files {
      if let stem = stem(of: file, suffixes: description.images.suffixes) {
        add(stem: stem, picture: file)
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
    let text: String
    do {
      let bytes = try FileReader(path: path).readAll(limit: Self.listLimit)
      guard let valid = String(validating: bytes, as: UTF8.self) else {
        throw FileError(path: path, kind: .refused, reason: "is not UTF-8. Save it as UTF-8.")
      }
      text = valid
    } catch {
      let reason = (error as? FileError)?.reason ?? "\(error)"
      problems.append(DatasetProblem(.folder, path: path, reason))
      return
    }
    for line in text.split(whereSeparator: \.isNewline) {
      let stem = String(line).trimmingSpaces()
      if stem.isEmpty { continue }
      guard isInside(stem), !stem.utf8.contains(0) else {
        problems.append(
          DatasetProblem(
            .name, path: path,
            "lists '\(printable(stem))', which is no name below the picture folder. Correct it."))
        continue
      }
      let names = description.images.suffixes.map { stem + $0 }
      if let name = names.first(where: { PathKind("\(imageFolder)/\($0)") == .file }) {
        add(stem: stem, picture: name)
      } else {
        problems.append(
          DatasetProblem(
            .missingPicture, path: "\(imageFolder)/\(names.first ?? stem)",
            "is listed in \(printable(path)) and is not there. Add it, or remove the line."))
      }
    }
    if items.isEmpty, problems.isEmpty {
      problems.append(
        DatasetProblem(.empty, path: path, "lists no pictures. Check the root and the split."))
    }
  }

  private mutating func add(stem: String, picture: String) {
    if let twin = stems.updateValue(picture, forKey: Array(stem.utf8)) {
      problems.append(
        DatasetProblem(
          .duplicateStem, path: "\(imageFolder)/\(picture)",
          "has the same stem as '\(printable(twin))', so one label would serve both. Rename one."))
      return
    }
    let label = stem + (description.labels.suffixes.first ?? ".png")
    items.append(
      DatasetItem(
        name: stem, image: "\(imageFolder)/\(picture)", label: "\(labelFolder)/\(label)"))
  }

  /// Checks that every picture has a label, and returns the labels that have no picture.
  private mutating func checkLabels(findOrphans: Bool) -> [String] {
    guard PathKind(labelFolder) == .folder else {
      problems += FolderWalk(labelFolder).problems.map(DatasetProblem.init)
      return []
    }
    for item in items {
      switch PathKind(item.label) {
      case .file: break
      case .folder:
        problems.append(
          DatasetProblem(.badLabel, path: item.label, "is a folder, a label picture is wanted."))
      case .absent:
        problems.append(
          DatasetProblem(
            .missingLabel, path: item.image,
            "has no label: \(printable(item.label, limit: 160)) is not there. Add it, or remove "
              + "the picture."))
      }
    }
    guard findOrphans, !items.isEmpty else { return [] }
    let walk = FolderWalk(labelFolder)
    return walk.files.compactMap { file in
      guard let stem = stem(of: file, suffixes: description.labels.suffixes),
        stems[Array(stem.utf8)] == nil
      else { return nil }
      return "\(labelFolder)/\(file)"
    }
  }

  /// `name` without the longest of the suffixes it ends in, whatever their case.
  private func stem(of name: String, suffixes: [String]) -> String? {
    let bytes = Array(name.utf8)
    let lower = bytes.map(lowercased)
    let fitting = suffixes.map { $0.utf8.map(lowercased) }.filter {
      lower.count > $0.count && lower.suffix($0.count).elementsEqual($0)
        && lower[lower.count - $0.count - 1] != UInt8(ascii: "/")
    }
    guard let longest = fitting.map(\.count).max() else { return nil }
    return String(validating: bytes.dropLast(longest), as: UTF8.self)
  }
}

private func lowercased(_ byte: UInt8) -> UInt8 {
  (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
}

extension String {
  /// Without spaces and tabs at both ends.
  fileprivate func trimmingSpaces() -> String {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
  }
}
