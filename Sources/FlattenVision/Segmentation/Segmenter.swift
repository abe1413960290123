import FlattenBackbones
import FlattenCheckpoint
import FlattenImage
import FlattenModels
import FlattenRegions
import FlattenTensor

/// How a model stores its weights.
public typealias Precision = FlattenTensor.Precision
/// What a model is loaded for.
public typealias Purpose = FlattenTensor.Purpose
/// The named parameters of a model.
public typealias ModelParameters = FlattenCheckpoint.ModelParameters

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
    /// Sizes at which the picture is segmented; the probabilities are averaged. Empty takes the config's
    /// rule once.
    public var scales: [AugmentationScale] = []
    /// Ways in which each size is also segmented mirrored.
    public var flips: [Flip] = []
    /// Whether the winner's probability is kept for every pixel.
    public var keepsConfidence = false

    /// The config's own protocol, labels only.
    public init() {}
  }

  /// The config that the model was built from.
  public let configuration: SegmentationConfiguration
  /// All classes, by id.
  public let classes: [SegmentationClass]
  package let loaded: LoadedModel<SemanticSegmentor>

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
  ) throws -> Segmenter {
    try SegmentationConfiguration.load(path: config, attentions: attentions).load(
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
  ) throws -> Segmenter {
    try SegmentationConfiguration.load(path: config, attentions: attentions)
      .untrained(seed: seed, threads: threads, precision: precision, purpose: purpose)
  }

  /// The same model with other parameters, such as those of a step of training.
  ///
  /// - Parameter parameters: all of them: ``parameters`` with new values.
  /// - Throws: `ParameterError` where one is missing, too many, or of another shape.
  public func rebuilt(from parameters: ModelParameters) throws -> Segmenter {
    try configuration.rebuilt(loaded, from: parameters)
  }

  package init(
    _ configuration: SegmentationConfiguration, _ loaded: LoadedModel<SemanticSegmentor>
  ) {
    self.configuration = configuration
    self.loaded = loaded
    let dataset = configuration.dataset
    classes = dataset.classes.enumerated().map { id, name in
      SegmentationClass(
        id: UInt16(id), name: name,
        colour: dataset.palette.colour(of: UInt16(id)) ?? RGBColor(red: 0, green: 0, blue: 0))
    }
  }

  /// Segments a picture.
  ///
  /// - Throws: ``InferenceError`` where the scores are not finite or there is no memory.
  public func segment(_ picture: Image, options: Options = Options()) throws -> Segmentation {
    try segment(picture, options: options, sinks: [])
  }

  /// The same, with the scores handed out as they are made.
  package func segment(
    _ picture: Image, options: Options, sinks: [(PixelScores.Kind, PixelScores.Sink)]
  ) throws -> Segmentation {
    try (options.mode ?? configuration.mode).requireCover()
    let need = try memoryNeed(for: picture.size, options: options, hasSinks: !sinks.isEmpty)
    try loaded.makeRoom(need, for: picture.size, windowsHelp: windowsHelp(need, options))
    var fields: [GrowingField] = []
    for scale in options.allScales {
      let resized = configuration.input.resized(picture, scale: scale)
      for flip in options.allFlips {
        fields.append(
          field(
            of: flip.map(resized.flipped) ?? resized, for: picture.size, flip: flip,
            mode: options.mode))
        // With one window for all of it the resized picture is not needed any more.
        try fields[fields.count - 1].grow(beyond: 0)
      }
    }
    let (labels, confidence) = try PixelScores.labels(
      of: picture.size, threads: loaded.threads, memory: loaded.memory,
      wantsConfidence: options.keepsConfidence, sinks: sinks
    ) { row in
      for index in fields.indices { try fields[index].grow(beyond: row) }
      let scores = PixelScores(
        fields: fields.map(\.scores), size: picture.size,
        interpolation: configuration.interpolation, threshold: configuration.model.head.threshold)
      return (scores, fields.map(\.readyRows).min() ?? picture.height)
    }
    return Segmentation(
      labels: labels, confidence: confidence, classes: classes,
      networkSize: fields[0].layout.size,
      warnings: configuration.sizeWarning(seen: fields[0].layout.seen).map { [$0] } ?? [])
  }

  /// The network's scores for a picture that is already resized and turned; none are computed yet.
  ///
  /// - Parameters:
  ///   - picture: the size that the scores are wanted at.
  ///   - flip: how the resized picture was turned; the scores are turned back.
  func field(
    of resized: Image, for picture: PixelSize, flip: Flip?, mode: InferenceMode?
  ) -> GrowingField {
    let rule = configuration.input
    let layout = FieldLayout(
      resized.size, padded: rule.padded(resized.size), mode ?? configuration.mode)
    return GrowingField(
      layout, for: picture, flip: flip, interpolation: configuration.interpolation
    ) { top, left in
      try loaded(
        rule.normalisation.input(
          resized.pixels.span, height: resized.height, width: resized.width, top: top, left: left,
          size: (layout.window.height, layout.window.width), pool: loaded.memory))
    }
  }

  /// Whether it is the network applied to the whole picture that takes most of the memory, so that sliding windows
  /// may help.
  package func windowsHelp(_ need: PictureNeed, _ options: Options) -> Bool {
    (options.mode ?? configuration.mode) == .whole && need.runs > need.results + need.pictures
  }

  /// What a picture needs beside itself.
  package func memoryNeed(
    for picture: PixelSize, options: Options, hasSinks: Bool = false
  ) throws -> PictureNeed {
    let rule = configuration.input
    let classes = configuration.model.classes
    var (largestRun, scores, pictures, networkWidth) = (0, 0, 0, 0)
    for scale in options.allScales {
      let resized = rule.sizes(of: picture, scale: scale).last ?? picture
      guard rule.padded(resized).area <= MemoryNeed.mostPixels else {
        throw InferenceError.pictureTooLarge(picture, bytes: .max, windowsHelp: false)
      }
      let layout = FieldLayout(
        resized, padded: rule.padded(resized), options.mode ?? configuration.mode)
      let window = layout.window
      largestRun = max(largestRun, try loaded.memoryNeed(of: window))
      // Logits lie on a quarter of the input's grid.
      let logits = (window.height + 3) / 4 * ((window.width + 3) / 4) * classes * 4
      scores +=
        logits * layout.columns.count * (layout.rowsAtOnce + 1) * options.allFlips.count
      // Resized in two steps, then turned; before that perhaps shrunk, whose filter has one more.
      let shrunk = rule.shrunk(picture)
      let filtered = max(shrunk.width * picture.height, picture.width * shrunk.height)
      pictures +=
        3 * resized.area * (1 + options.allFlips.count)
        + (shrunk == picture ? 0 : 3 * (shrunk.area + filtered))
      networkWidth = max(networkWidth, resized.width, window.width)
    }
    let interpolation = configuration.interpolation
    if interpolation == .bicubic { networkWidth = max(networkWidth, picture.width) }
    let rows = PixelScores.memoryNeed(
      threads: loaded.threads.threads, fields: options.allScales.count * options.allFlips.count,
      classes: max(classes, 2), width: picture.width, networkWidth: networkWidth, interpolation,
      hasSinks: hasSinks)
    let labels = (options.keepsConfidence ? 6 : 2) * picture.height * picture.width
    return PictureNeed(runs: largestRun + scores + rows, results: labels, pictures: pictures)
  }
}

extension Segmenter.Options {
  /// The sizes of the picture; `nil` is the config's rule.
  fileprivate var allScales: [AugmentationScale?] { scales.isEmpty ? [nil] : scales }

  /// For each size the picture as it is, and turned.
  fileprivate var allFlips: [Flip?] { [nil] + flips }
}

extension Segmenter: VisionModel {
  /// What computes, in a few lines for people: model, input, data set, threads, instruction set.
  public var summary: String {
    let input = configuration.input
    return """
      model: \(configuration.name), \(classes.count) classes (\(configuration.dataset.name))
      input: RGB, mean \(input.normalisation.mean), std \(input.normalisation.std), \(input.summary)
      inference: \(configuration.mode), \(precision.rawValue), \(loaded.threads.threads) threads, instruction set \
      \(Version.instructionSet)
      """
  }
}
