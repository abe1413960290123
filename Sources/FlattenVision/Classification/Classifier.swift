import FlattenBackbones
import FlattenData
import FlattenImage
import FlattenModels
import FlattenRegions
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
  package let loaded: LoadedModel<ImageClassifier>

  /// Warnings from loading, such as weights that are not finite.
  public var warnings: [String] { loaded.warnings }
  /// How weights and the left sides of products are stored.
  public var precision: Precision { loaded.precision }
  /// What the model was loaded for.
  public var purpose: Purpose { loaded.purpose }
  /// Elements of all parameters.
  public var parameterCount: Int { loaded.parameterCount }
  /// The parameters as the checkpoint has them, under the official names; none where the model is not loaded
  /// for ``Purpose/training``.
  public var parameters: ModelParameters { loaded.parameters }

  /// Loads a config and its weights.
  ///
  /// - Parameters:
  ///   - config: path of a YAML config.
  ///   - weights: path of a `.pth` or `.safetensors` file, or of the index of several.
  ///   - container: the weights that are wanted where the file holds several, such as `model_ema`; `nil`
  ///     takes the usual ones.
  ///   - attentions: those that the config may ask for beside `focused` and `softmax`.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored; `.automatic` takes
  ///     the faster one on this CPU.
  ///   - purpose: what the model is loaded for.
  ///   - skipsUnknownObjects: whether objects of unknown classes beside the weights are left out
  ///     instead of refused; for files whose origin you trust.
  /// - Throws: an error that names the file, the key, what was found and what was expected.
  public static func load(
    config: String, weights: String, container: String? = nil,
    attentions: AttentionRegistry = AttentionRegistry(), threads: Int? = nil,
    precision: Precision = .float32, purpose: Purpose = .inference,
    skipsUnknownObjects: Bool = false
  ) throws -> Classifier {
    try ClassificationConfiguration.load(path: config, attentions: attentions).load(
      weights: weights, container: container, threads: threads, precision: precision,
      purpose: purpose, skipsUnknownObjects: skipsUnknownObjects)
  }

  /// Makes the model of a config with random weights: for trying it, and for measuring.
  ///
  /// - Parameters:
  ///   - config: path of a YAML config.
  ///   - attentions: those that the config may ask for beside `focused` and `softmax`.
  ///   - seed: the same seed gives the same weights.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored.
  ///   - purpose: what the model is loaded for.
  /// - Throws: an error that names the file, the line and the key, or ``InferenceError``.
  public static func untrained(
    config: String, attentions: AttentionRegistry = AttentionRegistry(), seed: UInt64 = 0,
    threads: Int? = nil, precision: Precision = .float32, purpose: Purpose = .inference
  ) throws -> Classifier {
    try ClassificationConfiguration.load(path: config, attentions: attentions)
      .untrained(seed: seed, threads: threads, precision: precision, purpose: purpose)
  }

  /// The same model with other parameters, such as those of a step of training.
  ///
  /// - Parameter parameters: all of them: ``parameters`` with new values.
  /// - Throws: `ParameterError` where one is missing, too many, or of another shape.
  public func rebuilt(from parameters: ModelParameters) throws -> Classifier {
    try configuration.rebuilt(loaded, from: parameters)
  }

  package init(
    _ configuration: ClassificationConfiguration, _ loaded: LoadedModel<ImageClassifier>
  ) {
    self.configuration = configuration
    self.loaded = loaded
  }

  /// What a picture needs beside itself.
  package func memoryNeed(for picture: PixelSize) throws -> PictureNeed {
    let (resized, input) = try configuration.sizes(of: picture)
    // The filter's first pass has one new side and one old one.
    let filtered = max(resized.width * picture.height, picture.width * resized.height)
    let steps = filtered + resized.area
    return PictureNeed(
      runs: try loaded.memoryNeed(of: input), results: 0, pictures: 2 * 3 * steps)
  }

  /// Classifies a picture.
  ///
  /// - Throws: ``InferenceError`` where the scores are not finite, there is no memory, or the picture is
  ///   a strip that would grow beyond all memory.
  public func classify(_ picture: Image) throws -> Classification {
    let need = try memoryNeed(for: picture.size)
    try loaded.makeRoom(need, for: picture.size)
    let prepared = try configuration.prepared(picture, memory: loaded.memory)
    let logits = try loaded(prepared.input).logits  // [1, classes]
    return Classification(logits: logits.elements, list: configuration.list)
  }
}

extension Classifier: VisionModel {
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
      inference: \(precision.rawValue), \(loaded.threads.threads) threads, instruction set \
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
