import FlattenBackbones
import FlattenCheckpoint
import FlattenData
import FlattenImage
import FlattenModels
import FlattenRegions
import FlattenTensor

/// A loaded detector: pictures in, objects with boxes and, where the model has them, masks out.
///
///     let detector = try Detector.builtIn()
///     let picture = try Image.decode(path: "street.jpg").value
///     for object in try detector.detect(picture).objects { print(object.name, object.score, object.box) }
///
/// Immutable and safe to call from many threads at once; the bits of a result depend neither on the
/// number of threads nor on who else is calling.
public struct Detector: Sendable {
  /// Which objects are reported.
  public struct Options: Sendable, Equatable {
    /// An object's score is higher than this; `nil` takes the config's, 0.05 in published ones.
    public var score: Float?
    /// The classes that are reported, from 0; `nil` reports all.
    public var labels: Set<Int>?
    /// The most objects of a picture; `nil` takes the config's, 100 in published ones.
    public var most: Int?
    /// Intersection over union beyond which the worse of two boxes of a class is dropped; `nil` takes the config's.
    public var overlap: Float?
    /// Whether boxes of different classes are compared as well: for one thing that is found as two classes.
    public var isClassAgnostic = false
    /// Whether masks are made where the model has them.
    public var makesMasks = true
    /// How a large picture is cut; `nil` looks at all of it at once.
    public var tiles: Tiling?

    /// The config's own protocol.
    public init() {}
  }

  /// The config that the model was built from.
  public let configuration: DetectionConfiguration
  package let loaded: LoadedModel<ObjectDetector>

  /// The names of all classes, by label.
  public var classes: [String] { configuration.dataset.classes }
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
  /// Whether the model draws masks.
  public var hasMasks: Bool { configuration.model.kind.hasMasks }

  /// Loads a config and its weights.
  ///
  /// - Parameters:
  ///   - config: path of a YAML config, or the name of a built-in one.
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
  ) throws -> Detector {
    try DetectionConfiguration.load(path: config, attentions: attentions).load(
      weights: weights, container: container, threads: threads, precision: precision,
      purpose: purpose, skipsUnknownObjects: skipsUnknownObjects)
  }

  /// Makes the model of a config with random weights: for trying it, and for measuring.
  ///
  /// - Parameters:
  ///   - config: path of a YAML config, or the name of a built-in one.
  ///   - attentions: those that the config may ask for beside `focused` and `softmax`.
  ///   - seed: the same seed gives the same weights.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored.
  ///   - purpose: what the model is loaded for.
  /// - Throws: an error that names the file, the line and the key, or ``InferenceError``.
  public static func untrained(
    config: String, attentions: AttentionRegistry = AttentionRegistry(), seed: UInt64 = 0,
    threads: Int? = nil, precision: Precision = .float32, purpose: Purpose = .inference
  ) throws -> Detector {
    try DetectionConfiguration.load(path: config, attentions: attentions)
      .untrained(seed: seed, threads: threads, precision: precision, purpose: purpose)
  }

  /// The same model with other parameters, such as those of a step of training.
  ///
  /// - Parameter parameters: all of them: ``parameters`` with new values.
  /// - Throws: `ParameterError` where one is missing, too many, or of another shape.
  public func rebuilt(from parameters: ModelParameters) throws -> Detector {
    try configuration.rebuilt(loaded, from: parameters)
  }

  package init(
    _ configuration: DetectionConfiguration, _ loaded: LoadedModel<ObjectDetector>
  ) {
    self.configuration = configuration
    self.loaded = loaded
  }

  /// Finds the objects of a picture.
  ///
  /// - Throws: ``InferenceError`` where the scores are not finite or there is no memory.
  public func detect(_ picture: Image, options: Options = Options()) throws -> Detections {
    let need = try memoryNeed(for: picture.size, options: options)
    try loaded.makeRoom(need, for: picture.size)
    guard let tiles = options.tiles, tiles.isNeeded(for: picture.size) else {
      return try detectWhole(picture, options)
    }
    return try detect(picture, in: tiles, options)
  }

  /// Finds the objects of a picture for which there is room, in one look.
  func detectWhole(_ picture: Image, _ options: Options) throws -> Detections {
    let prepared = try configuration.prepared(picture, memory: loaded.memory)
    let placement = PicturePlacement(inside: prepared.resizedTo, of: picture.size)
    return try detect(prepared.input, [(picture.size, placement)], options)[0]
  }

  /// Finds the objects of several pictures, which are computed together: each is padded to the size of the
  /// largest, as mmdetection does.
  ///
  /// - Throws: as ``detect(_:options:)``.
  public func detect(_ pictures: [Image], options: Options = Options()) throws -> [Detections] {
    guard pictures.count > 1, options.tiles == nil else {
      return try pictures.map { try detect($0, options: options) }
    }
    let rule = configuration.input
    let resized = pictures.map { rule.resized($0) }
    let size = resized.map { rule.padded($0.size) }.reduce(PixelSize(height: 0, width: 0)) {
      PixelSize(height: max($0.height, $1.height), width: max($0.width, $1.width))
    }
    let needs = try pictures.map { try memoryNeed(for: $0.size, options: options) }
    try loaded.makeRoom(
      PictureNeed(
        runs: try loaded.memoryNeed(of: size) * pictures.count,
        results: needs.reduce(0) { $0 + $1.results },
        pictures: needs.reduce(0) { $0 + $1.pictures }), for: size)
    let inputs = resized.map { rule.normalised($0, to: size, pool: loaded.memory) }
    let input = Tensor(
      [inputs.count, size.height, size.width, 3], pool: loaded.memory
    ) { all in
      for (index, one) in inputs.enumerated() {
        one.withUnsafeBuffer {
          _ = UnsafeMutableBufferPointer(
            rebasing: all[index * one.count..<(index + 1) * one.count]
          ).update(fromContentsOf: $0)
        }
      }
    }
    return try detect(
      input,
      zip(resized, pictures).map { ($1.size, PicturePlacement(inside: $0.size, of: $1.size)) },
      options)
  }

  /// What a picture needs beside itself.
  package func memoryNeed(for picture: PixelSize, options: Options) throws -> PictureNeed {
    let tiles = options.tiles.flatMap { $0.isNeeded(for: picture) ? $0 : nil }
    let looks = (tiles?.count(in: picture) ?? 0) + 1
    // The whole picture, and the largest tile.
    let seen = [picture] + (tiles.map { [$0.largestTile(of: picture)] } ?? [])
    let sizes = try seen.map { try configuration.sizes(of: $0) }
    guard sizes.allSatisfy({ $0.input.area <= MemoryNeed.mostPixels }) else {
      throw InferenceError.pictureTooLarge(picture, bytes: .max, windowsHelp: false)
    }
    // Run lengths: a few runs a column of every mask, as numbers of four bytes, and their copies.
    let most = (options.most ?? configuration.model.selection.most) * looks
    let masks = hasMasks && options.makesMasks ? most * (48 * picture.width + 4096) : 0
    return PictureNeed(
      runs: try sizes.map { try loaded.memoryNeed(of: $0.input) }.max() ?? 0,
      results: min(masks, 1 << 30),
      pictures: 3 * (seen.reduce(0) { $0 + $1.area } + sizes.reduce(0) { $0 + $1.resized.area }))
  }

  // MARK: Parts

  /// The config's rule with what is asked for.
  package func selection(_ options: Options) -> DetectionSelection {
    var selection = configuration.model.selection
    selection.score = options.score ?? selection.score
    selection.most = options.most ?? selection.most
    selection.overlap = options.overlap ?? selection.overlap
    selection.isClassAgnostic = options.isClassAgnostic
    selection.labels = options.labels
    selection.makesMasks = options.makesMasks
    return selection
  }

  /// The objects of every picture of an input, at the pictures' sizes, named.
  ///
  /// - Parameters:
  ///   - input: of the network.
  ///   - pictures: the size of each picture, and where it lies in the input.
  func detect(
    _ input: Tensor, _ pictures: [(size: PixelSize, placement: PicturePlacement)],
    _ options: Options
  ) throws -> [Detections] {
    try loaded.run { network, pass in
      let output = network.output(input, pass)
      try loaded.requireFinite(ObjectDetector.scores(of: output))
      let selection = selection(options)
      guard
        let found = network.objects(
          in: output, placements: pictures.map(\.placement), selection, pass)
      else { throw InferenceError.scoresNotFinite }
      return zip(found, pictures).map { found, picture in
        let masks = network.masks(
          of: found, in: picture.size, threshold: selection.mask, pass)
        return Detections(
          size: picture.size,
          objects: zip(found, masks).map { named($0, mask: $1, in: picture.size) })
      }
    }
  }

  private func named(
    _ found: FoundObject, mask: RunLengthMask?, in size: PixelSize
  ) -> DetectedObject {
    let dataset = configuration.dataset
    // Rounding may have left a box a hair outside.
    return DetectedObject(
      label: found.label, categoryID: dataset.categoryIDs[found.label],
      name: dataset.classes[found.label], score: found.score, box: found.box.clipped(to: size),
      mask: mask)
  }
}

extension Detector: VisionModel {
  /// What computes, in a few lines for people: model, input, data set, threads, instruction set.
  public var summary: String {
    let input = configuration.input
    return """
      model: \(configuration.name), \(classes.count) classes (\(configuration.dataset.name))
      input: RGB, mean \(input.normalisation.mean), std \(input.normalisation.std), \(input.summary)
      inference: \(precision.rawValue), \(loaded.threads.threads) threads, instruction set \
      \(Version.instructionSet)
      """
  }
}
