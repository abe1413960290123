import FlattenConfig
import FlattenDefaults
import FlattenFiles
import FlattenImage

extension DatasetDescription {
  /// The most classes a description may have.
  public static let classLimit = 4096

  /// The names of the built-in data sets, in alphabetical order.
  public static var builtInNames: [String] {
    (0..<fd_resource_count()).compactMap { index in
      guard let resource = fd_resource_at(index) else { return nil }
      return builtInName(String(cString: resource.pointee.name))
    }
  }

  /// Reads a description by built-in name (`ade20k`) or from a YAML file (`./fields.yaml`).
  ///
  /// A text with a slash, or that ends in `.yaml` or `.yml`, is a file.
  ///
  /// - Throws: ``DatasetError`` for an unknown name, `FileError` and `ConfigError` for a file that
  ///   cannot be used.
  public static func load(nameOrPath: String) throws -> DatasetDescription {
    if isPath(nameOrPath) { return try DatasetDescription(ConfigNode.load(path: nameOrPath)) }
    guard let resource = fd_resource_named(resourceFolder + nameOrPath + resourceSuffix) else {
      let near = nearestSpelling(to: nameOrPath, among: builtInNames)
      let names = builtInNames.joined(separator: ", ")
      throw DatasetError(
        "'\(printable(nameOrPath))' is no data set I know. "
          + (near.map { "Did you mean '\($0)'? " } ?? "")
          + "Give one of \(names), or the path of a .yaml file.")
    }
    let bytes = UnsafeBufferPointer(start: resource.pointee.bytes, count: resource.pointee.length)
    return try DatasetDescription(
      ConfigNode.parse(Array(bytes), name: String(cString: resource.pointee.name)))
  }

  /// Whether a text is a path rather than a built-in name.
  static func isPath(_ nameOrPath: String) -> Bool {
    nameOrPath.contains("/") || ConfigNode.isFileName(nameOrPath)
  }

  private static let resourceFolder = "Datasets/"
  private static let resourceSuffix = ".yaml"

  private static func builtInName(_ resource: String) -> String? {
    guard resource.hasPrefix(resourceFolder), resource.hasSuffix(resourceSuffix) else { return nil }
    let name = String(resource.dropFirst(resourceFolder.count).dropLast(resourceSuffix.count))
    return name.contains("/") ? nil : name
  }

  /// The encodings of label pictures, by their words in a description.
  private enum EncodingName: String, CaseIterable {
    case ids
    case palette
    case ade20kFullRGB = "ade20k-full-rgb"
  }

  /// Reads a description from its YAML.
  ///
  /// - Throws: `ConfigError`.
  package init(_ node: ConfigNode) throws {
    let map = try node.map(known: [
      "name", "title", "source", "images", "labels", "annotations", "list", "default_split",
      "splits", "classes",
    ])
    let images = try map.required("images").map(known: ["folder", "suffix"])
    annotations = try map.optional("annotations")?.relativePath()
    let labels = try Self.labelSection(map)

    name = try map.required("name").plainText()
    title = try map.optional("title")?.plainText() ?? name
    source = try map.optional("source")?.plainText() ?? ""

    self.images = Location(
      folder: try images.required("folder").relativePath(),
      suffixes: try images.optional("suffix")?.suffixes() ?? Image.fileSuffixes)
    self.labels = try labels.map { labels in
      Location(
        folder: try labels.required("folder").relativePath(),
        suffixes: [try labels.optional("suffix")?.suffix() ?? ".png"])
    }
    labelRule = LabelRule(
      ignoreIndex: try labels?.optional("ignore_index")?.classID() ?? 255,
      reducesZeroLabel: try labels?.optional("reduce_zero_label")?.bool() ?? false,
      labelMap: try labels?.optional("label_map")?.labelMap() ?? [:])
    labelOrigin = try labels?.optional("made_from").map { node in
      let map = try node.map(known: ["suffix", "by"])
      return LabelOrigin(
        suffix: try map.required("suffix").suffix(), tool: try map.required("by").plainText())
    }
    list = try map.optional("list")?.relativePath()

    splits = try map.optional("splits")?.map().values.map(Split.init) ?? []
    defaultSplit = try map.optional("default_split")?.plainText()
    let entries = try map.optional("classes")?.classes() ?? []
    classes = entries.map(\.name)
    palette = Palette(entries.map(\.colour))
    categoryIDs = try map.optional("classes")?.categoryIDs(of: entries, annotations) ?? []
    encoding = .ids
    if let labels { encoding = try encoding(labels) }

    try checkSplits(map)
  }

  /// The section `labels`; `nil` where `annotations` takes its place.
  private static func labelSection(_ map: ConfigMap) throws -> ConfigMap? {
    if let annotations = map.optional("annotations") {
      for key in ["labels", "list"] where map.optional(key) != nil {
        throw annotations.error(
          found: "is given beside '\(key)'",
          expected: "either label pictures or an annotation file, which lists its pictures itself",
          remedy: "Remove one of the two.")
      }
      return nil
    }
    return try map.required("labels").map(known: [
      "folder", "suffix", "ignore_index", "reduce_zero_label", "label_map", "encoding",
      "ignore_color", "made_from",
    ])
  }

  /// The encoding of the labels, of what is read already and the section `labels`.
  private func encoding(_ labels: ConfigMap) throws -> LabelImage.Encoding {
    let name = try labels.optional("encoding")?.choice(EncodingName.self) ?? .ids
    if name != .palette, let colour = labels.optional("ignore_color") {
      throw colour.error(
        found: "is given", expected: "none: labels are not colours",
        remedy: "Add 'encoding: palette', or remove it.")
    }
    switch name {
    case .ids: return .ids
    case .ade20kFullRGB: return .ade20kFullRGB
    case .palette: break
    }
    let node = try labels.required("encoding")
    for key in ["reduce_zero_label", "label_map"] where labels.optional(key) != nil {
      throw node.error(
        found: "is 'palette' beside \(key)", expected: "colours alone to give the ids",
        remedy: "Remove \(key).")
    }
    guard !classes.isEmpty else {
      throw node.error(
        found: "is 'palette' and there are no classes", expected: "the classes with their colours",
        remedy: "Add 'classes: [{name: ..., color: [R, G, B]}]'.")
    }
    var ids: [RGBColor: UInt16] = [:]
    func add(_ colour: RGBColor, _ id: UInt16) throws {
      guard ids.updateValue(id, forKey: colour) == nil else {
        throw node.error(
          found: "is 'palette' and two meanings have the colour "
            + "[\(colour.red), \(colour.green), \(colour.blue)]",
          expected: "a colour for each", remedy: "Change the color of one.")
      }
    }
    for (id, colour) in palette.colours.enumerated() { try add(colour, UInt16(id)) }
    if let colour = try labels.optional("ignore_color")?.colour() {
      try add(colour, labelRule.ignoreIndex)
    }
    return .colours(ids)
  }

  private func checkSplits(_ map: ConfigMap) throws {
    if let wanted = defaultSplit, !splits.contains(where: { $0.name == wanted }) {
      throw try map.required("default_split").error(
        expected: "the name of a split", remedy: "Add it under 'splits'.")
    }
    var seen: Set<String> = []
    for name in splits.flatMap({ [$0.name] + $0.aliases }) where !seen.insert(name).inserted {
      throw try map.required("splits").error(
        found: "uses the name '\(printable(name))' twice", expected: "different names",
        remedy: "Remove one of the two.")
    }
    let patterns = [images.folder, labels?.folder, annotations, list].compactMap(\.self)
    if splits.isEmpty, let pattern = patterns.first(where: { $0.contains("{split}") }) {
      throw map.node.error(
        found: "the path '\(printable(pattern))' asks for a split and there are none",
        expected: "'splits'", remedy: "Add 'splits', or take {split} out of the path.")
    }
  }
}

extension DatasetDescription.Split {
  fileprivate init(name: String, node: ConfigNode) throws {
    let map = try node.map(known: ["aliases", "folder"])
    self.name = name
    aliases = try map.optional("aliases")?.strings() ?? []
    folder = try map.optional("folder")?.relativePath() ?? name
    guard isPlain(name), isInside(folder) else {
      throw node.error(
        found: "is no name of a folder", expected: "letters, digits, '-' and '_'",
        remedy: "Rename the split.")
    }
  }
}

extension ConfigNode {
  /// Text of at least one character, none of them a control character.
  func plainText() throws -> String {
    let text = try string()
    guard isPlain(text) else {
      throw error(found: "is empty or holds control characters", expected: "text")
    }
    return text
  }

  /// A path that stays below the data set's root.
  func relativePath() throws -> String {
    let path = try plainText()
    guard isInside(path) else {
      throw error(expected: "a path below the data set's root, without '..'")
    }
    return path
  }

  fileprivate func suffix() throws -> String {
    let text = try plainText()
    guard !text.contains("/") else { throw error(expected: "the end of a file name") }
    return text
  }

  func suffixes() throws -> [String] {
    kind == .list ? try list().map { try $0.suffix() } : [try suffix()]
  }

  fileprivate func classID() throws -> UInt16 {
    UInt16(try int(in: 0...Int(UInt16.max)))
  }

  /// `[[7, 0], [8, 1]]`: stored id, class id.
  fileprivate func labelMap() throws -> [UInt16: UInt16] {
    var map: [UInt16: UInt16] = [:]
    for pair in try list() {
      let ids = try pair.list(count: 2).map { try $0.classID() }
      guard map.updateValue(ids[1], forKey: ids[0]) == nil else {
        throw pair.error(found: "maps \(ids[0]) a second time", expected: "each id once")
      }
    }
    return map
  }

  fileprivate func colour() throws -> RGBColor {
    let samples = try ints(count: 3, in: 0...255).map { UInt8($0) }
    return RGBColor(red: samples[0], green: samples[1], blue: samples[2])
  }

  /// What stands for each class in id order: a list, or a map whose keys are the ids 0, 1, ...
  ///
  /// - Parameter limit: the most classes there may be.
  func classEntries(limit: Int) throws -> [ConfigNode] {
    let entries: [ConfigNode]
    if kind == .map {
      let values = try map().values
      let places = Dictionary(
        values.enumerated().compactMap { index, entry in Int(entry.key).map { ($0, index) } },
        uniquingKeysWith: { first, _ in first })
      let order = values.indices.compactMap { places[$0] }
      guard order.count == values.count else {
        throw error(
          found: "is a map whose keys are not the ids 0 to \(max(values.count - 1, 0))",
          expected: "each id once",
          remedy: "Write every id, or a list in the order of the ids: '- name' on a line each.")
      }
      entries = order.map { values[$0].value }
    } else {
      entries = try list()
    }
    guard (1...limit).contains(entries.count) else {
      throw error(expected: "1 to \(limit) classes")
    }
    return entries
  }

  /// `- {name: wall, color: [120, 120, 120]}` or `- wall`, in id order; or the same under ids.
  fileprivate func classes() throws -> [ClassEntry] {
    let entries = try classEntries(limit: DatasetDescription.classLimit)
    return try zip(entries, Palette.distinct(count: entries.count).colours).map { entry, spare in
      guard entry.kind == .map else {
        return ClassEntry(node: entry, name: try entry.plainText(), colour: spare, id: nil)
      }
      let map = try entry.map(known: ["name", "color", "id"])
      return ClassEntry(
        node: entry, name: try map.required("name").plainText(),
        colour: try map.optional("color")?.colour() ?? spare,
        id: try map.optional("id")?.int(in: 0...Int(Int32.max)))
    }
  }

  /// The category ids of classes: all given, or 1, 2, ... where none is.
  ///
  /// - Parameter annotations: the annotation file they are ids of; without one there must be none.
  fileprivate func categoryIDs(of classes: [ClassEntry], _ annotations: String?) throws -> [Int] {
    guard let first = classes.first(where: { $0.id != nil }) else {
      return Array(1...classes.count)
    }
    guard annotations != nil else {
      throw first.node.error(
        found: "has an id", expected: "none: label pictures hold a class's place in this list",
        remedy: "Remove it, or give label_map.")
    }
    var seen: Set<Int> = []
    return try classes.map { entry in
      guard let id = entry.id else {
        throw entry.node.error(
          found: "has no id, '\(printable(first.name))' has one",
          expected: "all or none to have one",
          remedy: "Add 'id:', the category's id in the annotation file.")
      }
      guard seen.insert(id).inserted else {
        throw entry.node.error(
          found: "has the id \(id) a second time", expected: "each id once",
          remedy: "Change the id of one.")
      }
      return id
    }
  }
}

/// A class of a description.
private struct ClassEntry {
  let node: ConfigNode
  let name: String
  let colour: RGBColor
  /// Its category id in annotation files, where one is given.
  let id: Int?
}

private func isPlain(_ text: String) -> Bool {
  !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
}

/// Whether a path cannot leave the folder it starts from.
func isInside(_ path: String) -> Bool {
  !path.isEmpty && !path.hasPrefix("/")
    && !path.split(separator: "/").contains { $0 == ".." }
}
