import FlattenFiles

/// The result of checking every file of a data set.
public struct DatasetCheck: Sendable {
  /// Number of pictures checked.
  public let pictures: Int
  /// Number of names skipped because they begin with a dot; a folder counts once.
  public let hiddenFiles: Int
  /// Number of files skipped because of their suffix.
  public let otherFiles: Int
  /// Labels without a picture.
  public let orphanLabels: [String]
  /// All problems, in the order they were found.
  public private(set) var problems: [DatasetProblem]
  /// The classes' names.
  public let classNames: [String]
  /// Pixels of each class, over the labels without a problem.
  public private(set) var census: LabelCensus
  /// What looks wrong about the labels, without being a problem: one sentence each.
  public private(set) var warnings: [String] = []

  /// Pictures that may lie across their labels.
  private var across: [String] = []

  /// Whether the data set can be evaluated as it is.
  public var isClean: Bool { problems.isEmpty }

  /// The number of problems of each kind that occurs, in a fixed order of kinds.
  public var counts: [(kind: DatasetProblem.Kind, count: Int)] {
    DatasetProblem.Kind.allCases.compactMap { kind in
      let count = problems.count { $0.kind == kind }
      return count > 0 ? (kind, count) : nil
    }
  }

  init(_ scan: DatasetScan) {
    pictures = scan.dataset.items.count
    hiddenFiles = scan.dataset.hiddenFiles
    otherFiles = scan.dataset.otherFiles
    orphanLabels = scan.dataset.orphanLabels
    problems = scan.problems
    classNames = scan.dataset.description.classes
    census = LabelCensus(classPixels: Array(repeating: 0, count: classNames.count))
  }

  /// Problems of one kind and one cause, as they are told together; in the order of their first ones.
  public var groups: [[DatasetProblem]] {
    struct Key: Hashable {
      let kind: DatasetProblem.Kind
      let cause: String
    }
    let groups = Dictionary(grouping: problems.indices) {
      Key(kind: problems[$0].kind, cause: problems[$0].cause)
    }
    return groups.values.sorted { $0[0] < $1[0] }.map { $0.map { problems[$0] } }
  }

  fileprivate mutating func add(
    _ found: Dataset.Examination, of item: DatasetItem, ignoreIndex: UInt16
  ) {
    problems += found.problems
    if found.mayLieAcross { across.append(item.image) }
    if let label = found.label { census.add(label.ids, ignoreIndex: ignoreIndex) }
  }

  fileprivate mutating func judge(_ description: DatasetDescription) {
    warnings = census.warnings(for: description)
    if let first = across.first {
      warnings.append(
        "\(across.count) \(across.count == 1 ? "picture is" : "pictures are") turned by EXIF orientation "
          + "while the label carries none, and the sizes agree either way: look whether the label "
          + "of \(printable(first, limit: 160)) is turned too.")
    }
  }
}

extension Dataset {
  /// Decodes every picture and label of a split and reports all problems.
  ///
  /// - Parameter progress: called after each picture with the number done and the number of all.
  /// - Throws: ``DatasetError`` where the request makes no sense; problems on disk are in the
  ///   result.
  public static func check(
    _ description: DatasetDescription, root: String, split: String? = nil,
    options: DatasetOptions = DatasetOptions(), progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> DatasetCheck {
    let scan = try DatasetScan(
      description, root: root, split: split, options: options, requiresLabels: true)
    let dataset = scan.dataset
    var check = DatasetCheck(scan)
    for (index, item) in dataset.items.enumerated() {
      check.add(
        dataset.examine(item), of: item, ignoreIndex: dataset.description.labelRule.ignoreIndex)
      progress(index + 1, dataset.items.count)
    }
    check.judge(dataset.description)
    return check
  }
}
