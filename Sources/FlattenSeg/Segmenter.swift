import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenData
import FlattenImage
import FlattenModels
import FlattenTensor
import Logging

/// How a model stores its weights.
public typealias Precision = FlattenTensor.Precision

/// A loaded model with its classes and its input rule: pictures in, label maps out.
///
///     let segmenter = try Segmenter.builtIn()
///     let picture = try Image.decode(path: "street.jpg").value
///     let result = try segmenter.segment(picture)
///     print(result.shares[0].segmentationClass.name)
///
/// Immutable and safe to call from many threads at once; the bits of a result depend neither on the
/// number of threads nor on who else is calling.
public struct Segmenter: Sendable {
  /// Test-time augmentation and what to keep of the scores.
  public struct Options: Sendable {
    /// How the network is applied; `nil` takes the config's.
    public var mode: InferenceMode?
    /// Sizes at which the picture is segmented, relative to the picture; the probabilities are
    /// averaged. Empty takes the config's rule once.
    public var scales: [Double] = []
    /// Whether each size is also segmented mirrored.
    public var isFlipped = false
    /// Whether the winner's probability is kept for every pixel.
    public var keepsConfidence = false

    /// The config's own protocol, labels only.
    public init() {}
  }

  /// The config that the model was built from.
  public let configuration: SegmentationConfiguration
  /// All classes, by id.
  public let classes: [SegmentationClass]
  /// Warnings from loading, such as weights that are not finite.
  public let warnings: [String]
  /// How weights and the left sides of products are stored.
  public let precision: Precision
  package let model: SemanticSegmentor
  package let threads: ThreadPool
  package let memory = BufferPool()

  private static let log = Logger(label: "flatten-seg")

  /// The smallest network input: below it the coarsest level would be empty.
  static let leastSide = 32

  /// Loads a config and its weights.
  ///
  /// - Parameters:
  ///   - config: path of a YAML config.
  ///   - weights: path of a `.pth` or `.safetensors` file.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored; `.automatic` takes
  ///     the faster one on this CPU.
  ///   - skipsUnknownObjects: whether objects of unknown classes beside the weights are left out
  ///     instead of refused; for files whose origin you trust.
  /// - Throws: an error that names the file, the key, what was found and what was expected.
  public static func load(
    config: String, weights: String, threads: Int? = nil, precision: Precision = .float32,
    skipsUnknownObjects: Bool = false
  ) throws -> Segmenter {
    let configuration = try SegmentationConfiguration.load(path: config)
    let checkpoint = try WeightsError.opening(
      weights, options: Checkpoint.Options(skipUnknownObjects: skipsUnknownObjects))
    return try WeightsError.telling {
      try Segmenter(configuration, checkpoint, threads: threads, precision: precision)
    }
  }

  package init(
    _ configuration: SegmentationConfiguration, _ checkpoint: Checkpoint, threads: Int?,
    precision: Precision = .float32
  ) throws {
    let likeness = { (_: Set<String>) in
      ModelLikeness(checkpoint.entries.map { ($0.name, $0.shape) }).description
    }
    let start = ContinuousClock.now
    let threads = try Self.pool(of: threads)
    let tree = ParameterTree(
      source: configuration.model.translating(checkpoint),
      packing: Packing(threads: threads, precision))
    try self.init(
      configuration, tree, threads: threads, looksLike: likeness,
      warnings: { checkpoint.warnings })
    Self.log.debug(
      "loaded \(tree.parameterCount) parameters of \(configuration.name)",
      metadata: [
        "weights": "\(checkpoint.name)", "seconds": "\((ContinuousClock.now - start).seconds)",
      ])
  }

  package init(
    _ configuration: SegmentationConfiguration, _ tree: ParameterTree, threads: ThreadPool,
    looksLike: ((Set<String>) -> String?)?, warnings: () -> [String] = { [] }
  ) throws {
    self.configuration = configuration
    precision = tree.packing.precision
    model = try SemanticSegmentor(configuration.model, from: tree.root)
    try tree.finish(
      ignoring: SemanticSegmentor.ignoredKeys(configuration.model), looksLike: looksLike)
    self.warnings = warnings()
    self.threads = threads
    let dataset = configuration.dataset
    classes = dataset.classes.enumerated().map { id, name in
      SegmentationClass(
        id: UInt16(id), name: name,
        colour: dataset.palette.colour(of: UInt16(id)) ?? RGBColor(red: 0, green: 0, blue: 0))
    }
  }

  /// So many threads, or one for each processor.
  package static func pool(of threads: Int?) throws -> ThreadPool {
    let count = max(1, threads ?? ThreadPool.availableProcessors)
    try MemoryCheck.requireMemory(threads: count)
    return ThreadPool(threads: count)
  }

  /// Segments a picture.
  ///
  /// - Throws: ``SegmentationError`` where the scores are not finite.
  public func segment(_ picture: Image, options: Options = Options()) throws -> Segmentation {
    try segment(picture, options: options, sinks: [])
  }

  /// The same, with the scores handed out as they are made.
  package func segment(
    _ picture: Image, options: Options, sinks: [(PixelScores.Kind, PixelScores.Sink)]
  ) throws -> Segmentation {
    let factors: [Double?] = options.scales.isEmpty ? [nil] : options.scales
    var fields: [ScoreField] = []
    for factor in factors {
      let resized = configuration.input.resized(picture, factor: factor)
      fields.append(try field(of: resized, isFlipped: false, mode: options.mode))
      if options.isFlipped {
        fields.append(
          try field(of: resized.flippedHorizontally, isFlipped: true, mode: options.mode))
      }
    }
    let scores = PixelScores(
      fields: fields, size: PixelSize(height: picture.height, width: picture.width),
      alignCorners: configuration.model.head.alignCorners)
    let (labels, confidence) = scores.labels(
      threads: threads, memory: memory, wantsConfidence: options.keepsConfidence, sinks: sinks)
    return Segmentation(
      labels: labels, confidence: confidence, classes: classes, networkSize: fields[0].size)
  }

  /// The network's scores for a picture that is already resized.
  package func field(
    of picture: Image, isFlipped: Bool, mode: InferenceMode?
  ) throws -> ScoreField {
    let mode = mode ?? configuration.mode
    if case .whole = mode {
      // Before the input, so that it lies in the same memory.
      let size = configuration.input.padded(picture, minimum: Self.leastSide)
      memory.reserve(bytes: MemoryNeed.bytes(height: size.height, width: size.width))
    }
    let input = configuration.input.normalised(
      picture, minimum: Self.leastSide, pool: memory)
    let (height, width) = (input.shape[1], input.shape[2])
    let tiles: [ScoreField.Tile]
    switch mode {
    case .whole:
      tiles = [
        ScoreField.Tile(
          logits: try logits(input), top: 0, left: 0, height: height, width: width)
      ]
    case .slide(let crop, let stride):
      let columns = ScoreField.windowStarts(
        extent: width, crop: crop.width, stride: stride.width)
      tiles = try ScoreField.windowStarts(extent: height, crop: crop.height, stride: stride.height)
        .flatMap { row in
          try columns.map { column in
            ScoreField.Tile(
              logits: try logits(
                input.window(
                  top: row.start, left: column.start, height: row.size, width: column.size,
                  pool: memory)),
              top: row.start, left: column.start, height: row.size, width: column.size)
          }
        }
    }
    return ScoreField(
      tiles, size: PixelSize(height: picture.height, width: picture.width), isFlipped: isFlipped,
      alignCorners: configuration.model.head.alignCorners)
  }

  /// Coarse logits of an input `[1, H, W, 3]`.
  package func logits(_ input: Tensor) throws -> Tensor {
    let (height, width) = (input.shape[1], input.shape[2])
    try MemoryCheck.requireMemory(height: height, width: width)
    memory.reserve(bytes: MemoryNeed.bytes(height: height, width: width))
    let logits = model(input, ForwardPass(threads: threads, memory: memory))
    guard logits.isFinite(threads) else { throw SegmentationError.scoresNotFinite }
    return logits
  }
}

/// Why a picture has no segmentation.
public enum SegmentationError: Error, CustomStringConvertible, Sendable {
  /// The network gave NaN or infinity.
  case scoresNotFinite
  /// Threads and the bytes that they need and cannot have.
  case noMemory(threads: Int, Int)
  /// Size of the network's input and the bytes that it needs and cannot have.
  case pictureTooLarge(PixelSize, Int)
  /// What the config's resize would make of a strip.
  case proportions(PixelSize)

  /// One sentence.
  public var description: String {
    switch self {
    case .scoresNotFinite:
      "the network's scores are not finite; the weights are damaged or belong to another config"
    case .noMemory(let threads, let bytes):
      "\(threads) threads need \(bytes >> 20) MB of memory, which the system or a limit refuses. "
        + "Give fewer --threads or raise the limit."
    case .pictureTooLarge(let size, let bytes):
      "a network input of \(size.width)x\(size.height) pixels needs at least \(bytes >> 20) MB of "
        + "memory, which the system or a limit refuses. Use --mode slide or a smaller picture."
    case .proportions(let size):
      "the config's rule would make \(size.width)x\(size.height) pixels of it; the picture is too "
        + "narrow a strip to be classified. Crop it first."
    }
  }
}

extension Segmenter {
  /// What computes, in a few lines for people: model, input, data set, threads, instruction set.
  public var summary: String {
    let input = configuration.input
    var rule: [String] = []
    if let scale = input.scale {
      rule.append("long side <= \(scale.long), short side <= \(scale.short)")
    }
    if input.multiple > 1 { rule.append("sides up to a multiple of \(input.multiple)") }
    if input.padding > 1 { rule.append("padded to a multiple of \(input.padding)") }
    return """
      model: \(configuration.name), \(classes.count) classes (\(configuration.dataset.name))
      input: RGB, mean \(input.normalisation.mean), std \(input.normalisation.std), \
      \(rule.isEmpty ? "size as it is" : rule.joined(separator: ", "))
      inference: \(configuration.mode), \(precision.rawValue), \(threads.threads) threads, instruction set \
      \(Version.instructionSet)
      """
  }
}
