import FlattenBackbones
import FlattenConfig
import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenModels
import FlattenRegions
import FlattenTensor

/// A detector's config file: the model, how pictures are prepared for it, and what its classes are called.
public struct DetectionConfiguration: Sendable {
  /// What the model is called.
  public let name: String
  /// The data set that gives the classes their names, ids and colours.
  public var dataset: DatasetDescription
  /// How pictures are prepared.
  public var input: InputRule
  package internal(set) var model: DetectorConfiguration

  /// Reads a config file.
  ///
  /// - Parameter path: a YAML file, or the name of one of ``BuiltInConfigs``; a relative data-set file in it is
  ///   looked up beside it.
  /// - Throws: an error that names the file, the line and the key.
  public static func load(path: String) throws -> DetectionConfiguration {
    try load(path: path, attentions: AttentionRegistry())
  }

  package init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    try Self.requireOwn(node)
    let map = try node.map(known: ["name", "dataset", "model", "input", "published"])
    name = try map.optional("name")?.string() ?? "unnamed"
    model = try DetectorConfiguration(try map.required("model"), attentions: attentions)
    let dataset = try map.required("dataset")
    self.dataset = try DatasetDescription.load(
      nameOrPath: Self.resolved(try dataset.string(), beside: node.file))
    guard self.dataset.classes.count == model.classes else {
      throw dataset.error(
        found: "has \(counted(self.dataset.classes.count, "class", plural: "classes"))",
        expected: "the \(model.classes) classes of model.detector.num_classes")
    }
    input = try InputRule(try map.required("input"))
    // Documentation for people: figures with their source. Only its form is checked.
    _ = try map.optional("published")?.map()
  }
}

extension DetectionConfiguration {
  /// Gives the classes the names that come with weights, where there are as many as the model has: a model of the same
  /// kind that was trained for other things.
  ///
  /// - Parameters:
  ///   - count: classes of the model.
  ///   - names: `nil` where none are known; the config's stay where they are as many.
  mutating func rename(_ count: Int, as names: [String]?) {
    let known = names.flatMap { $0.count == count ? $0 : nil }
    if known ?? dataset.classes == dataset.classes && dataset.classes.count == count { return }
    dataset.classes = known ?? (0..<count).map { "class \($0)" }
    dataset.palette = .distinct(count: count)
    dataset.categoryIDs = Array(1...count)
  }
}

extension DetectionConfiguration: TaskConfiguration, InputRuled {
  package typealias Network = ObjectDetector
  package typealias Loaded = Detector
  package typealias Report = DetectionReport

  package static var taskName: String { "detection" }
  package static var modelNoun: String { "detector" }

  package static let publishedFigures = [
    (name: "box AP", key: "box_AP"), (name: "mask AP", key: "mask_AP"),
  ]

  package var nominalSize: PixelSize {
    input.scale.map { PixelSize(height: $0.short, width: $0.long) }
      .map { input.padded($0) } ?? PixelSize(height: 800, width: 1280)
  }
}
