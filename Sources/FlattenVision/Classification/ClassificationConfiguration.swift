import FlattenBackbones
import FlattenConfig
import FlattenData
import FlattenImage
import FlattenMetrics
import FlattenModels
import FlattenRegions
import FlattenTensor

/// How a picture is brought to a classifier's input.
public struct ClassificationInput: Sendable, Equatable {
  /// What a picture is resized to, by Pillow's bicubic filter.
  public enum Resize: Sendable, Equatable {
    /// The shorter side gets this length; proportions are kept.
    case shortSide(Int)
    /// Both sides get these lengths, whatever the proportions.
    case size(PixelSize)
  }

  /// How bytes become numbers.
  public var normalisation: Normalisation
  /// The first step.
  public var resize: Resize
  /// Side of the square that is then cut out of the middle; `nil` keeps all.
  public var crop: Int?

  /// Makes a rule.
  public init(_ normalisation: Normalisation, resize: Resize, crop: Int?) {
    self.normalisation = normalisation
    self.resize = resize
    self.crop = crop
  }

  /// The network's input for square pictures: what a model is meant to see.
  public var nominalSize: PixelSize {
    if let crop { return PixelSize(height: crop, width: crop) }
    switch resize {
    case .shortSide(let side): return PixelSize(height: side, width: side)
    case .size(let size): return size
    }
  }

  /// A picture's size after the resize.
  func resizedSize(of picture: PixelSize) -> PixelSize {
    switch resize {
    case .size(let size): return size
    case .shortSide(let side):
      // Upstream: torchvision's Resize rounds the longer side down.
      let short = min(picture.width, picture.height)
      return PixelSize(
        height: side * picture.height / short, width: side * picture.width / short)
    }
  }

  /// Resizes and crops a picture by the rule.
  package func prepared(_ picture: Image) -> Image {
    let size = resizedSize(of: picture.size)
    let resized = picture.resized(
      width: size.width, height: size.height, by: .antialiasedBicubic)
    return crop.map { resized.centreCropped(width: $0, height: $0) } ?? resized
  }

  /// The steps after ``prepared(_:)``.
  var afterwards: InputRule {
    InputRule(normalisation, scale: nil, multiple: 1, padding: 1)
  }
}

/// A classifier's config file: the model, how pictures are prepared for it, and its classes.
public struct ClassificationConfiguration: Sendable {
  /// What the model is called.
  public let name: String
  /// The classes.
  public let list: ClassList
  /// How pictures are prepared.
  public var input: ClassificationInput
  package let model: ClassifierConfiguration

  /// Reads a config file.
  ///
  /// - Parameter path: a YAML file, or the name of one of ``BuiltInConfigs``; a relative class-list file in it is looked up beside it.
  /// - Throws: an error that names the file, the line and the key.
  public static func load(path: String) throws -> ClassificationConfiguration {
    try load(path: path, attentions: AttentionRegistry())
  }

  package init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    try Self.requireOwn(node)
    let map = try node.map(known: ["name", "dataset", "model", "input", "published"])
    name = try map.optional("name")?.string() ?? "unnamed"
    model = try ClassifierConfiguration(try map.required("model"), attentions: attentions)
    let dataset = try map.required("dataset")
    list = try ClassList.load(
      nameOrPath: Self.resolved(try dataset.string(), beside: node.file))
    if list.classes.count != model.classes {
      throw dataset.error(
        found: "has \(list.classes.count) classes",
        expected: "the \(model.classes) classes of model.classifier.num_classes")
    }
    input = try Self.input(try map.required("input"))
    // Documentation for people: figures with their source. Only its form is checked.
    _ = try map.optional("published")?.map()
  }

  private static let sides = NetworkInput.leastSide...8192

  private static func input(_ node: ConfigNode) throws -> ClassificationInput {
    let map = try node.map(known: ["mean", "std", "resize", "crop"])
    let resize = try map.required("resize")
    let size = resize.kind == .list ? try resize.ints(count: 2, in: sides) : []
    return ClassificationInput(
      try Normalisation(map),
      resize: size.isEmpty
        ? .shortSide(try resize.int(in: sides))
        : .size(PixelSize(height: size[0], width: size[1])),
      crop: try map.optional("crop")?.int(in: sides))
  }
}

extension ClassificationConfiguration: TaskConfiguration {
  package typealias Network = ImageClassifier
  package typealias Loaded = Classifier
  package typealias Report = ClassificationReport

  package static var taskName: String { "classification" }
  package static var modelNoun: String { "classifier" }

  package var nominalSize: PixelSize { input.nominalSize }

  /// What a picture may become on its way to the crop: a strip of a few pixels' width would grow beyond
  /// all memory.
  private static let longestSide = 1 << 17

  package func sizes(of picture: PixelSize) throws -> (resized: PixelSize, input: PixelSize) {
    let size = input.resizedSize(of: picture)
    guard size.height <= Self.longestSide, size.width <= Self.longestSide else {
      throw InferenceError.proportions(size)
    }
    let kept = input.crop.map { PixelSize(height: $0, width: $0) } ?? size
    return (size, input.afterwards.padded(kept))
  }

  package func prepared(_ picture: Image, memory: BufferPool) throws -> PreparedPicture {
    let size = try sizes(of: picture.size).resized
    let image = input.prepared(picture)
    let rule = input.afterwards
    return PreparedPicture(
      input: rule.normalised(image, to: rule.padded(image.size), pool: memory), resizedTo: size,
      crop: input.crop)
  }
}
