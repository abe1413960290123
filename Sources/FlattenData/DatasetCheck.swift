import FlattenRegions

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
  /// Pixels of each class, over the labels without a problem.
  public private(set) var classPixels: [Int]
  /// Pixels that are not scored, over the labels without a problem.
  public private(set) var ignoredPixels = 0

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
    classPixels = Array(repeating: 0, count: scan.dataset.description.classes.count)
  }

  fileprivate mutating func add(_ found: [DatasetProblem]) { problems += found }

  fileprivate mutating func count(_ label: LabelMap, ignoreIndex: UInt16) {
    for id in label.ids {
      if id == ignoreIndex {
        ignoredPixels += 1
      } else if Int(id) < classPixels.count {
        classPixels[Int(id)] += 1
      }
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
      let (problems, label) = dataset.examine(item)
      check.add(problems)
      if let label {
        check.count(label, ignoreIndex: dataset.description.labelRule.ignoreIndex)
      }
      progress(index + 1, dataset.items.count)
    }
    return check
  }
}
