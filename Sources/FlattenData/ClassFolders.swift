import FlattenFiles

/// A classification data set on disk: one folder of pictures for each class, the layout of
/// ImageNet's training set and of most copies of its validation set.
///
///     let list = try ClassList.load(nameOrPath: "imagenet")
///     let folders = try ClassFolders.open(list, root: "ILSVRC2012", split: "val")
///     print(folders.items.count)  // 50000
public struct ClassFolders: Sendable {
  /// One picture.
  public struct Item: Sendable, Hashable {
    /// The picture's path.
    public let path: String
    /// Its class's index in the list.
    public let classIndex: Int
  }

  /// The classes.
  public let list: ClassList
  /// Pictures in the order of their paths' bytes.
  public let items: [Item]
  /// Number of files skipped because of their suffix.
  public let otherFiles: Int

  /// Finds the pictures.
  ///
  /// A class's folder is named by its id, or by its index in the list. Folders of some classes only are
  /// fine; any other folder with pictures is an error.
  ///
  /// - Parameters:
  ///   - root: the data set's folder; without a split also the folder of the class folders.
  ///   - split: `nil` for the default one.
  /// - Throws: ``DatasetError`` where the request makes no sense, ``DatasetProblem`` for the first thing
  ///   that is wrong on disk.
  public static func open(
    _ list: ClassList, root: String, split: String? = nil
  ) throws -> ClassFolders {
    if let split, !list.splits.contains(split) {
      let names = list.splits.isEmpty ? "none" : list.splits.joined(separator: ", ")
      throw DatasetError("'\(split)' is no split of '\(list.name)', which has \(names).")
    }
    var folder = root
    if let name = split ?? list.defaultSplit {
      let below = "\(root)/\(list.images.folder.replacing("{split}", with: name))"
      if split != nil || PathKind(below) == .folder { folder = below }
    }
    return try ClassFolders(list, folder: folder)
  }

  private init(_ list: ClassList, folder: String) throws {
    let walk = FolderWalk(folder)
    if let first = walk.problems.first { throw DatasetProblem(first) }
    let indices = Dictionary(
      uniqueKeysWithValues: list.classes.enumerated().map { ($1.identifier, $0) })
    var items: [Item] = []
    for file in walk.files
    where FileSuffix.stem(of: file, without: list.images.suffixes) != nil {
      let path = "\(folder)/\(file)"
      guard let slash = file.firstIndex(of: "/") else {
        throw DatasetProblem(
          .folder, path: path,
          "lies in no class's folder. One folder a class is wanted, named by its id, such as "
            + "'\(list.classes[0].identifier)'.")
      }
      let name = String(file[..<slash])
      let number = Int(name).flatMap { list.classes.indices.contains($0) ? $0 : nil }
      guard let index = indices[name] ?? number else {
        throw DatasetProblem(
          .name, path: "\(folder)/\(name)",
          "is the folder of no class of '\(list.name)'. Name it by the class's id, such as "
            + "'\(list.classes[0].identifier)', or by its index.")
      }
      items.append(Item(path: path, classIndex: index))
    }
    guard !items.isEmpty else {
      throw DatasetProblem(
        .empty, path: folder,
        "there are no pictures (\(list.images.suffixes.joined(separator: ", "))) in folders of "
          + "classes. Check the data set's root and layout.")
    }
    self.list = list
    self.items = items
    otherFiles = walk.files.count - items.count
  }
}
