import FlattenBackbones
import FlattenCheckpoint
import FlattenData
import FlattenImage
import FlattenModels
import FlattenTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A loaded image classifier: pictures in, a probability per class out.
///
///     let classifier = try Classifier.load(
///       config: "Configs/imagenet/flatten_swin_t.yaml", weights: "flatten_swin_t.pth")
///     let picture = try Image.decode(path: "cat.jpg").value
///     for guess in try classifier.classify(picture).top(5) { print(guess.name, guess.probability) }
///
/// Immutable and safe to call from many threads at once; the bits of a result depend neither on the
/// number of threads nor on who else is calling.
public struct Classifier: Sendable {
  /// The config that the model was built from.
  public let configuration: ClassificationConfiguration
  /// Warnings from loading, such as weights that are not finite.
  public let warnings: [String]
  /// How weights and the left sides of products are stored.
  public let precision: Precision
  package let model: ImageClassifier
  package let threads: ThreadPool
  package let memory = BufferPool()

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
  ) throws -> Classifier {
    let configuration = try ClassificationConfiguration.load(path: config)
    let checkpoint = try WeightsError.opening(
      weights, options: Checkpoint.Options(skipUnknownObjects: skipsUnknownObjects))
    return try WeightsError.telling {
      try Classifier(configuration, checkpoint, threads: threads, precision: precision)
    }
  }

  package init(
    _ configuration: ClassificationConfiguration, _ checkpoint: Checkpoint, threads: Int?,
    precision: Precision = .float32
  ) throws {
    let threads = try Segmenter.pool(of: threads)
    let tree = ParameterTree(
      source: configuration.model.translating(checkpoint),
      packing: Packing(threads: threads, precision))
    model = try ImageClassifier(configuration.model, from: tree.root)
    try tree.finish(ignoring: ImageClassifier.ignoredKeys(configuration.model)) { _ in
      ModelLikeness(checkpoint.entries.map { ($0.name, $0.shape) }).description
    }
    self.configuration = configuration
    self.precision = tree.packing.precision
    self.threads = threads
    warnings = checkpoint.warnings
  }

  /// What a picture may become on its way to the crop: a strip of a few pixels' width would grow beyond
  /// all memory.
  private static let longestSide = 1 << 17

  /// Classifies a picture.
  ///
  /// - Throws: ``SegmentationError`` where the scores are not finite or there is no memory.
  public func classify(_ picture: Image) throws -> Classification {
    Classification(logits: try logits(try prepared(picture)).elements, list: configuration.list)
  }

  /// The network's input `[1, H, W, 3]`.
  ///
  /// - Throws: ``SegmentationError`` where a strip would grow beyond all memory.
  package func prepared(_ picture: Image) throws -> Tensor {
    let input = configuration.input
    let size = input.resizedSize(of: picture)
    guard size.height <= Self.longestSide, size.width <= Self.longestSide else {
      throw SegmentationError.proportions(size)
    }
    return input.afterwards.normalised(
      input.prepared(picture), minimum: Segmenter.leastSide, pool: memory)
  }

  /// Scores `[1, classes]` of an input `[1, H, W, 3]`.
  package func logits(_ input: Tensor) throws -> Tensor {
    let (height, width) = (input.shape[1], input.shape[2])
    try MemoryCheck.requireMemory(height: height, width: width)
    memory.reserve(bytes: MemoryNeed.bytes(height: height, width: width))
    let logits = model(input, ForwardPass(threads: threads, memory: memory)).logits
    guard logits.isFinite(threads) else { throw SegmentationError.scoresNotFinite }
    return logits
  }

  /// What computes, in a few lines for people.
  public var summary: String {
    let input = configuration.input
    var rule: String
    switch input.resize {
    case .shortSide(let side): rule = "short side \(side)"
    case .size(let size): rule = "resized to \(size.height)x\(size.width)"
    }
    if let crop = input.crop { rule += ", the middle \(crop)x\(crop)" }
    return """
      model: \(configuration.name), \(configuration.list.classes.count) classes \
      (\(configuration.list.name))
      input: RGB, mean \(input.normalisation.mean), std \(input.normalisation.std), \(rule)
      inference: \(precision.rawValue), \(threads.threads) threads, instruction set \
      \(Version.instructionSet)
      """
  }
}

/// What a classifier says of a picture.
public struct Classification: Sendable {
  /// A class and how likely it is.
  public struct Guess: Sendable, Equatable {
    /// The class's place in the list.
    public let index: Int
    /// The class's id; a WordNet id in ImageNet.
    public let identifier: String
    /// The class's name.
    public let name: String
    /// 0 to 1; all classes together have 1.
    public let probability: Double
  }

  /// The network's scores, by class.
  public let logits: [Float]
  /// Softmax of the scores, by class.
  public let probabilities: [Double]
  private let list: ClassList

  /// - Parameter logits: one a class, finite.
  init(logits: [Float], list: ClassList) {
    precondition(logits.count == list.classes.count, "\(logits.count) scores")
    self.logits = logits
    self.list = list
    let largest = logits.max() ?? 0
    let powers = logits.map { exp(Double($0 - largest)) }
    let sum = powers.reduce(0, +)
    probabilities = powers.map { $0 / sum }
  }

  /// The likeliest classes, likeliest first; of equal scores the first in the list.
  ///
  /// - Parameter count: how many; all where there are fewer.
  public func top(_ count: Int) -> [Guess] {
    let order = logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) }
    return order.prefix(max(count, 0)).map { index in
      Guess(
        index: index, identifier: list.classes[index].identifier, name: list.classes[index].name,
        probability: probabilities[index])
    }
  }

  /// How many classes are preferred to one.
  public func rank(of index: Int) -> Int {
    logits.indices.count { (-logits[$0], $0) < (-logits[index], index) }
  }
}
