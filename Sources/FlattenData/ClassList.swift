import FlattenConfig
import FlattenDefaults
import FlattenFiles
import FlattenImage

/// The classes of a classifier, and the layout of a data set with one folder for each class.
///
///     name: fruit
///     title: Fruit (2 classes)                   # optional
///     source: https://example.org/fruit          # optional
///     images:
///       folder: "{split}"                        # optional; below it one folder a class
///       suffix: [.jpg, .png]                     # optional; ends of picture names
///     splits: [train, val]                       # optional
///     default_split: val
///     classes:                                   # in the order of a model's scores
///       - {id: n07739125, name: apple}           # the id names the class's folder
///       - pear                                   # its own id; a map 0: ..., 1: ... is as good
public struct ClassList: Sendable, Hashable {
  /// One class.
  public struct Entry: Sendable, Hashable {
    /// The name of the class's folder; a WordNet id in ImageNet.
    public let identifier: String
    /// The class's name.
    public let name: String
  }

  /// Short name.
  public let name: String
  /// One line for people.
  public let title: String
  /// The data set's origin, such as a URL.
  public let source: String
  /// The classes in the order of a model's scores.
  public let classes: [Entry]
  /// The folder of the class folders, and the suffixes of pictures.
  public let images: DatasetDescription.Location
  /// The splits; empty where there are none.
  public let splits: [String]
  /// The split used where none is named.
  public let defaultSplit: String?

  /// The most classes a list may have.
  static let classLimit = 65536

  /// The names of the built-in lists.
  public static let builtInNames = ["imagenet"]

  /// Reads a list by built-in name (`imagenet`) or from a YAML file (`./fruit.yaml`).
  ///
  /// - Throws: ``DatasetError`` for an unknown name, `FileError` and `ConfigError` for a file that
  ///   cannot be used.
  public static func load(nameOrPath: String) throws -> ClassList {
    if DatasetDescription.isPath(nameOrPath) {
      return try ClassList(ConfigNode.load(path: nameOrPath))
    }
    guard let resource = fd_resource_named("Datasets/classes/\(nameOrPath).yaml") else {
      throw DatasetError(
        "'\(printable(nameOrPath))' is no list of classes I know. Give one of "
          + "\(builtInNames.joined(separator: ", ")), or the path of a .yaml file.")
    }
    let bytes = UnsafeBufferPointer(start: resource.pointee.bytes, count: resource.pointee.length)
    return try ClassList(
      ConfigNode.parse(Array(bytes), name: String(cString: resource.pointee.name)))
  }

  /// Reads a list from its YAML.
  ///
  /// - Throws: `ConfigError`.
  package init(_ node: ConfigNode) throws {
    let map = try node.map(known: [
      "name", "title", "source", "images", "splits", "default_split", "classes",
    ])
    name = try map.required("name").plainText()
    title = try map.optional("title")?.plainText() ?? name
    source = try map.optional("source")?.plainText() ?? ""
    let images = try map.optional("images")?.map(known: ["folder", "suffix"])
    self.images = DatasetDescription.Location(
      folder: try images?.optional("folder")?.relativePath() ?? ".",
      suffixes: try images?.optional("suffix")?.suffixes() ?? Image.fileSuffixes)
    splits = try map.optional("splits")?.list().map { try $0.plainText() } ?? []
    defaultSplit = try map.optional("default_split")?.plainText()
    if let defaultSplit, !splits.contains(defaultSplit) {
      throw try map.required("default_split").error(
        expected: "the name of a split", remedy: "Add it under 'splits'.")
    }
    let list = try map.required("classes")
    classes = try list.classEntries(limit: Self.classLimit).map(Entry.init)
    var seen: Set<String> = []
    for entry in classes where !seen.insert(entry.identifier).inserted {
      throw list.error(
        found: "has the id '\(printable(entry.identifier))' twice", expected: "each id once")
    }
  }
}

extension ClassList.Entry {
  /// `{id: n01440764, name: tench}` or `tench`.
  fileprivate init(_ node: ConfigNode) throws {
    guard node.kind == .map else {
      name = try node.plainText()
      identifier = name
      return
    }
    let map = try node.map(known: ["id", "name"])
    name = try map.required("name").plainText()
    identifier = try map.optional("id")?.plainText() ?? name
  }
}
