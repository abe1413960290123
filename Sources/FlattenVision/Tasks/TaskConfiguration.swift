import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenImage
import FlattenInspection
import FlattenMetrics
import FlattenModels
import FlattenRegions
import FlattenTensor
import Logging

/// A config file of one task: the model, how pictures are prepared for it, and what its classes are called.
package protocol TaskConfiguration: Sendable {
  /// The network.
  associatedtype Network: TaskModel
  /// A loaded model of the task.
  associatedtype Loaded: VisionModel where Loaded.Configuration == Self
  /// What scoring a model gives.
  associatedtype Report: ScoreReport

  /// What the task is called: `segmentation`.
  static var taskName: String { get }
  /// What a model of the task is called: `segmentor`.
  static var modelNoun: String { get }

  /// The figures by which published models of the task are compared, and their keys in configs. By default those by
  /// which models are scored.
  static var publishedFigures: [(name: String, key: String)] { get }

  /// Reads a config.
  ///
  /// - Parameter attentions: those that the config may ask for beside `focused` and `softmax`.
  init(_ node: ConfigNode, attentions: AttentionRegistry) throws

  /// What the model is called.
  var name: String { get }
  /// The `model` section.
  var model: Network.Configuration { get }
  /// The size of input that models of the task are shown and timed at.
  var nominalSize: PixelSize { get }

  /// What a picture is resized to, before it is cropped or padded, and the size of the network's input.
  ///
  /// - Throws: ``InferenceError`` where it would grow beyond all memory.
  func sizes(of picture: PixelSize) throws -> (resized: PixelSize, input: PixelSize)

  /// What to say where the network sees far larger or smaller pictures than those it was trained with.
  ///
  /// - Parameter seen: the size of what it sees at once.
  func sizeWarning(seen: PixelSize) -> String?

  /// The network's input for a picture.
  ///
  /// - Throws: ``InferenceError`` where it would grow beyond all memory.
  func prepared(_ picture: Image, memory: BufferPool) throws -> PreparedPicture
}

/// A picture as a network sees it.
package struct PreparedPicture: Sendable {
  /// `[1, H, W, 3]`, normalised and padded.
  package let input: Tensor
  /// What the picture was resized to.
  package let resizedTo: PixelSize
  /// Side of the square that was then cut out of the middle; `nil` where all is kept.
  package var crop: Int?
}

// MARK: What tasks are told by

extension TaskConfiguration {
  /// The section of a config that only this task's have; `nil` where it is not there.
  static func section(of node: ConfigNode) -> ConfigNode? {
    node.value(at: "model.\(Network.Configuration.sectionKey)")
  }

  /// The tensors of checkpoints, one of which each of this task's has and no other.
  package static var weightsKeys: [String] { Network.Configuration.weightsKeys }

  package static var publishedFigures: [(name: String, key: String)] {
    figureNames.map { ($0, $0) }
  }

  /// The names of the figures by which models of the task are scored.
  package static var figureNames: [String] { Report.figureNames }

  /// A YAML file's path as seen from the config; any other text as it is.
  static func resolved(_ text: String, beside file: String) -> String {
    guard ConfigNode.isFileName(text), !text.hasPrefix("/"), let slash = file.lastIndex(of: "/")
    else { return text }
    return file[...slash] + text
  }

  /// Refuses the config of another task.
  ///
  /// - Throws: ``TaskMismatch``.
  static func requireOwn(_ node: ConfigNode) throws {
    for other in VisionTasks.all where other.taskName != taskName {
      guard let section = other.section(of: node) else { continue }
      throw TaskMismatch.config(
        section.error(
          found: "belongs to a \(other.modelNoun)", expected: "a \(modelNoun)'s config",
          remedy: "Load it as a \(other.modelNoun)'s."),
        wanted: taskName, found: other.taskName)
    }
  }
}

// MARK: What can be done with any of them

extension TaskConfiguration {
  package func sizeWarning(seen: PixelSize) -> String? { nil }

  /// Reads a config file, or a built-in config by its name.
  static func load(path: String, attentions: AttentionRegistry) throws -> Self {
    try Self(ConfigNode.config(path), attentions: attentions)
  }

  /// Loads the model with the weights of a file.
  ///
  /// - Parameters:
  ///   - weights: path of a `.pth` or `.safetensors` file, or of the index of several.
  ///   - container: the weights that are wanted where the file holds several; `nil` takes the usual ones.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored.
  ///   - purpose: what the model is loaded for.
  ///   - skipsUnknownObjects: whether objects of unknown classes beside the weights are left out
  ///     instead of refused.
  package func load(
    weights: String, container: String? = nil, threads: Int? = nil,
    precision: Precision = .float32, purpose: Purpose = .inference,
    skipsUnknownObjects: Bool = false
  ) throws -> Loaded {
    let checkpoint = try WeightsError.opening(
      weights,
      options: Checkpoint.Options(container: container, skipUnknownObjects: skipsUnknownObjects))
    return try load(checkpoint, threads: threads, precision: precision, purpose: purpose)
  }

  /// Loads the model with the weights of an open file.
  package func load(
    _ checkpoint: Checkpoint, threads: Int?, precision: Precision, purpose: Purpose = .inference
  ) throws -> Loaded {
    let start = ContinuousClock.now
    let pool = try Loaded.Runtime.pool(of: threads)
    let plain = checkpoint.plain
    let tree = ParameterTree(
      source: model.translating(plain),
      context: LoadingContext(threads: pool, precision, purpose: purpose))
    let runtime = try WeightsError.telling {
      try explaining(plain) {
        try Loaded.Runtime(
          model, tree, threads: pool, looksLike: { plain.likeness },
          warnings: { plain.notes + checkpoint.warnings })
      }
    }
    Logger(label: "flatten-seg").debug(
      "loaded \(tree.parameterCount) parameters of \(name)",
      metadata: [
        "weights": "\(checkpoint.name)", "seconds": "\((ContinuousClock.now - start).seconds)",
      ])
    return Loaded(self, runtime)
  }

  /// Makes the model with random weights.
  func untrained(
    seed: UInt64, threads: Int?, precision: Precision, purpose: Purpose
  ) throws -> Loaded {
    let pool = try Loaded.Runtime.pool(of: threads)
    let tree = ParameterTree.random(
      seed: seed, context: LoadingContext(threads: pool, precision, purpose: purpose))
    return Loaded(self, try Loaded.Runtime(model, tree, threads: pool))
  }

  /// Makes the model of other parameters; threads, precision and purpose are those of a loaded one.
  func rebuilt(_ runtime: Loaded.Runtime, from parameters: ModelParameters) throws -> Loaded {
    let tree = ParameterTree(
      source: parameters.source,
      context: LoadingContext(
        threads: runtime.threads, runtime.precision, purpose: runtime.purpose))
    return Loaded(self, try Loaded.Runtime(model, tree, threads: runtime.threads))
  }

  /// Where weights are another task's, or a backbone alone, that is what is said of them.
  private func explaining<Result>(
    _ plain: PlainParameters, _ load: () throws -> Result
  ) throws -> Result {
    do {
      return try plain.explaining(load)
    } catch let error as ParameterError {
      guard Self.weightsKeys.contains(where: error.lacks) else { throw error }
      let found = VisionTasks.all.first { $0.weightsKeys.contains(where: error.hasLeft) }
      guard found != nil || ModelLikeness(plain).isBackboneAlone else { throw error }
      throw TaskMismatch.weights(error, wanted: Self.taskName, found: found?.taskName)
    }
  }

  /// Counts layers, parameters and operations, without weights and without computing anything.
  ///
  /// - Parameter size: of the network's input; both sides at least 32.
  package func profile(size: PixelSize) throws -> ModelProfile {
    try ModelProfile(of: Network.self, model, size: size)
  }

  /// Times the network, with random weights or those of a file; see ``Benchmark``.
  package func benchmark(
    weights: Checkpoint?, size: PixelSize, threads: Int, precision: Precision, repeats: Int
  ) throws -> Benchmark {
    let plain = weights?.plain
    func run() throws -> Benchmark {
      try Benchmark.run(
        Network.self, model, weights: plain.map(model.translating), size: size, threads: threads,
        precision: precision, repeats: repeats)
    }
    return try WeightsError.telling { try plain.map { try explaining($0, run) } ?? run() }
  }

  /// Writes weights that were never trained: for trying a config, and for measuring.
  ///
  /// - Parameters:
  ///   - seed: the same seed gives the same file.
  ///   - path: a safetensors file, float32.
  /// - Returns: the number of parameters.
  @discardableResult
  package func writeRandomWeights(seed: UInt64, to path: String) throws -> Int {
    let tree = ParameterTree.random(seed: seed)
    _ = try Network(model, from: tree.root)
    try tree.write(to: path, metadata: [("config", name), ("seed", "\(seed)")])
    return tree.parameterCount
  }
}
