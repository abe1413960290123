import FlattenBackbones
import FlattenConfig
import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenModels
import FlattenRegions
import FlattenTensor

/// How the network is applied to its input.
public enum InferenceMode: Sendable, Equatable {
  /// Once, to all of it.
  case whole
  /// To overlapping windows whose scores are averaged. Sizes are (height, width) in pixels of the
  /// network's input.
  case slide(crop: PixelSize, stride: PixelSize)
}

extension InferenceMode: CustomStringConvertible {
  /// In a few words; sizes are height x width.
  public var description: String {
    switch self {
    case .whole: "whole"
    case .slide(let crop, let stride):
      "windows of \(crop.height)x\(crop.width), \(stride.height)x\(stride.width) apart"
    }
  }
}

/// A config file: the model, how pictures are prepared for it, and what its classes are called.
public struct SegmentationConfiguration: Sendable {
  /// What the model is called.
  public let name: String
  /// The data set that gives the classes their names and colours; of a model with one score a pixel the
  /// background and the object.
  public let dataset: DatasetDescription
  /// How pictures are prepared.
  public var input: InputRule
  /// How the network is applied.
  public var mode: InferenceMode
  /// How scores are brought from the network's grid to the picture's size: bilinearly, by way of the network's
  /// input, or bicubically, at once where the network is applied to the whole picture.
  public var interpolation: Interpolation
  package let model: SegmentorConfiguration

  /// Reads a config file.
  ///
  /// - Parameter path: a YAML file, or the name of one of ``BuiltInConfigs``; a relative data-set file in it is looked up beside it.
  /// - Throws: an error that names the file, the line and the key.
  public static func load(path: String) throws -> SegmentationConfiguration {
    try load(path: path, attentions: AttentionRegistry())
  }

  package init(
    name: String, dataset: DatasetDescription, model: SegmentorConfiguration, input: InputRule,
    mode: InferenceMode, interpolation: Interpolation = .bilinear(alignCorners: false)
  ) {
    self.name = name
    self.dataset = dataset
    self.model = model
    self.input = input
    self.mode = mode
    self.interpolation = interpolation
  }

  package init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    try Self.requireOwn(node)
    let map = try node.map(known: [
      "name", "dataset", "model", "input", "inference", "published",
    ])
    name = try map.optional("name")?.string() ?? "unnamed"
    model = try SegmentorConfiguration(try map.required("model"), attentions: attentions)
    let dataset = try map.required("dataset")
    var description = try DatasetDescription.load(
      nameOrPath: Self.resolved(try dataset.string(), beside: node.file))
    if model.classes == 1 && description.classes.count == 1 {
      description.classes.insert("background", at: 0)
      description.categoryIDs.insert(0, at: 0)
      description.palette.colours.insert(RGBColor(red: 0, green: 0, blue: 0), at: 0)
    }
    guard description.classes.count == model.labels else {
      throw dataset.error(
        found: "has \(counted(description.classes.count, "class", plural: "classes"))",
        expected: model.classes == 1
          ? "background and object, as model.decode_head has one score a pixel"
          : "the \(model.classes) classes of model.decode_head.num_classes")
    }
    self.dataset = description
    input = try InputRule(try map.required("input"))
    mode = try map.optional("inference").map(Self.mode) ?? .whole
    let scores = try map.optional("inference")?.map().optional("scores")?.choice(Scores.self)
    interpolation =
      scores == .bicubic ? .bicubic : .bilinear(alignCorners: model.head.alignCorners)
    // Documentation for people: figures with their source. Only its form is checked.
    _ = try map.optional("published")?.map()
  }

  private enum Mode: String, CaseIterable { case whole, slide }
  private enum Scores: String, CaseIterable { case bilinear, bicubic }

  private static func mode(_ node: ConfigNode) throws -> InferenceMode {
    let map = try node.map(known: ["mode", "crop_size", "stride", "scores"])
    switch try map.optional("mode")?.choice(Mode.self) ?? .whole {
    case .whole: return .whole
    case .slide:
      let crop = try map.required("crop_size").ints(count: 2, in: 32...65536)
      let node = try map.required("stride")
      let stride = try node.ints(count: 2, in: 1...65536)
      guard stride[0] <= crop[0], stride[1] <= crop[1] else {
        throw node.error(
          found: "is \(stride[0]) x \(stride[1]): no window of crop_size \(crop[0]) x \(crop[1]) "
            + "would see the pixels between two of them",
          expected: "no side larger than crop_size's")
      }
      return .slide(
        crop: PixelSize(height: crop[0], width: crop[1]),
        stride: PixelSize(height: stride[0], width: stride[1]))
    }
  }
}

extension SegmentationConfiguration: TaskConfiguration, InputRuled {
  package typealias Network = SemanticSegmentor
  package typealias Loaded = Segmenter
  package typealias Report = EvaluationReport

  package static var taskName: String { "segmentation" }
  package static var modelNoun: String { "segmentor" }

  package var nominalSize: PixelSize { PixelSize(height: 512, width: 512) }
}
