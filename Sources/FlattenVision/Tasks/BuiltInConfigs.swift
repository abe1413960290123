import FlattenConfig
import FlattenDefaults
import FlattenFiles
import Foundation

/// The configs that are part of the program, called by their path in the repository's folder `Configs`
/// without the suffix: `ade20k/flatten_pvt_t_semantic_fpn`.
///
/// Such a name stands wherever the path of a config does.
public enum BuiltInConfigs {
  /// All names, in alphabetical order.
  public static let names: [String] = (0..<fd_resource_count()).compactMap { index in
    guard let resource = fd_resource_at(index) else { return nil }
    let path = String(cString: resource.pointee.name)
    guard path.hasPrefix(folder), path.hasSuffix(suffix) else { return nil }
    return String(path.dropFirst(folder.count).dropLast(suffix.count))
  }.sorted()

  /// The YAML of a config; `nil` where there is none of that name.
  public static func text(of name: String) -> String? {
    bytes(of: name).map { String(decoding: $0, as: UTF8.self) }
  }

  private static let folder = "Configs/"
  private static let suffix = ".yaml"

  fileprivate static func bytes(of name: String) -> UnsafeBufferPointer<UInt8>? {
    fd_resource_named(folder + name + suffix).map { resource in
      UnsafeBufferPointer(start: resource.pointee.bytes, count: resource.pointee.length)
    }
  }

  /// The config that someone may have meant: the one of that file in the repository, the only one of that
  /// last part, or the nearest spelling.
  package static func suggestion(for text: String) -> String? {
    var name = text[...]
    for ending in [".yaml", ".yml"] where name.hasSuffix(ending) { name.removeLast(ending.count) }
    if let start = name.ranges(of: folder).last { name = name[start.upperBound...] }
    if names.contains(String(name)) { return String(name) }
    func last(_ name: Substring) -> Substring? { name.split(separator: "/").last }
    let alike = names.filter { last($0[...]) == last(name) }
    if alike.count == 1 { return alike[0] }
    return nearestSpelling(to: String(name), among: names)
  }
}

extension ConfigNode {
  /// Reads the config that is named by a path or, where there is no such file, by the name of a built-in one.
  ///
  /// - Throws: ``UnknownConfigError`` where it is neither, else as `load(path:)`.
  static func config(_ nameOrPath: String) throws -> ConfigNode {
    guard case .absent = PathKind(nameOrPath) else { return try load(path: nameOrPath) }
    if let bytes = BuiltInConfigs.bytes(of: nameOrPath) {
      return try parse(Array(bytes), name: "built-in \(nameOrPath)")
    }
    do {
      return try load(path: nameOrPath)
    } catch let error as FileError
      where error == FileError(path: nameOrPath, kind: .unreadable, errno: ENOENT)
    {
      throw UnknownConfigError(
        name: nameOrPath, suggestion: BuiltInConfigs.suggestion(for: nameOrPath))
    }
  }
}

/// What was named is neither a config file nor a built-in config.
public struct UnknownConfigError: Error, CustomStringConvertible, Sendable, Equatable {
  /// What was named.
  public let name: String
  /// The built-in config that may have been meant.
  public let suggestion: String?

  package init(name: String, suggestion: String?) {
    self.name = name
    self.suggestion = suggestion
  }

  /// One sentence that ends in what may have been meant.
  public var description: String {
    "\(printable(name, limit: 200)): no such file, and no built-in config has this name."
      + (suggestion.map { " Did you mean '\($0)'?" } ?? "")
  }
}

/// What is told of a built-in config in a list.
package struct BuiltInConfigSummary: Sendable {
  /// Its name.
  package let name: String
  /// What the model is called.
  package let title: String
  /// What the model does: `segmentation`.
  package let task: String
  /// The classes it tells apart.
  package let classes: Int
  /// The figures that were published of it, in percent, as they are in the config: `mIoU` 37.21.
  package let figures: [(name: String, percent: Double)]

  /// Reads a config as far as it is needed here, which is quicker than making the model's of it.
  ///
  /// - Throws: as reading a config.
  package init(of name: String) throws {
    let node = try ConfigNode.config(name)
    let task = VisionTasks.task(of: node)
    self.name = name
    title = try node.value(at: "name")?.string() ?? name
    self.task = task.taskName
    classes = try task.section(of: node)?.value(at: "num_classes")?.int() ?? 0
    let published = try node.value(at: "published")?.map().values ?? []
    figures = try task.publishedFigures.compactMap { figure in
      try published.first { $0.key == figure.key }.map { (figure.name, try $0.value.double()) }
    }
  }
}
