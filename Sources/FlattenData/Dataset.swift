import FlattenFiles
import FlattenImage

/// One picture of a data set and its label.
public struct DatasetItem: Sendable, Hashable {
  /// The picture's path below its folder, without its suffix: `frankfurt/frankfurt_000000_000294`.
  public let name: String
  /// The picture's path below its folder as it is: `frankfurt/frankfurt_000000_000294_leftImg8bit.png`.
  public let file: String
  /// The picture's path.
  public let image: String
  /// The label's path, whether or not it exists.
  public let label: String
}

/// A data set on disk: which pictures and labels it has, in a fixed order.
///
///     let description = try DatasetDescription.load(nameOrPath: "ade20k")
///     let dataset = try Dataset.open(description, root: "ADEChallengeData2016", split: "val")
///     for item in dataset.items { let pair = try dataset.load(item) }
public struct Dataset: Sendable {
  /// The description.
  public let description: DatasetDescription
  /// The split that was opened; `nil` where the data set has none.
  public let split: DatasetDescription.Split?
  /// Pictures in the order of their names' bytes, or of the list.
  public let items: [DatasetItem]
  /// Number of names skipped because they begin with a dot; a folder counts once.
  public let hiddenFiles: Int
  /// Number of files skipped because of their suffix.
  public let otherFiles: Int
  /// Labels without a picture; not read, but worth a warning.
  public let orphanLabels: [String]
  /// Larger pictures and labels are refused.
  let limits: DecodingLimits
  /// What is done with EXIF orientations.
  let exif: ExifOrientation

  /// Finds the pictures of a split and the labels that belong to them.
  ///
  /// - Parameters:
  ///   - root: the data set's folder.
  ///   - split: a name or alias; `nil` for the default one.
  ///   - options: changes to the description.
  ///   - requiresLabels: whether every picture must have a label.
  /// - Throws: ``DatasetError`` where the request makes no sense, ``DatasetProblem`` for the first
  ///   problem on disk.
  public static func open(
    _ description: DatasetDescription, root: String, split: String? = nil,
    options: DatasetOptions = DatasetOptions(), requiresLabels: Bool = true
  ) throws -> Dataset {
    let scan = try DatasetScan(
      description, root: root, split: split, options: options, requiresLabels: requiresLabels)
    if let first = scan.problems.first {
      guard scan.problems.count > 1 else { throw first }
      throw DatasetProblem(
        first.kind, path: first.path, first.reason + " (\(scan.problems.count - 1) more problems)")
    }
    return scan.dataset
  }

  init(
    description: DatasetDescription, split: DatasetDescription.Split?, items: [DatasetItem],
    hiddenFiles: Int, otherFiles: Int, orphanLabels: [String], options: DatasetOptions
  ) {
    self.description = description
    self.split = split
    self.items = items
    self.hiddenFiles = hiddenFiles
    self.otherFiles = otherFiles
    self.orphanLabels = orphanLabels
    limits = options.limits
    exif = options.exif
  }
}
