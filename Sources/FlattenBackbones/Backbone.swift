import FlattenCheckpoint
import FlattenImage
import FlattenTensor

/// A loaded backbone: pictures in, a pyramid of feature maps out.
///
///     let backbone = try Backbone.load(config: "flatten_swin_t.yaml", weights: "flatten_swin_t.pth")
///     let picture = try Image.decode(path: "street.jpg").value
///     for map in try backbone(picture) {
///       let largest = map.withSpan { span in span.indices.map { span[$0] }.max() ?? 0 }
///       print(map.stride, map.channels, map.height, map.width, largest)
///     }
///
/// Immutable and safe to call from many threads at once; the bits of a result depend neither on the
/// number of threads nor on who else is calling.
///
/// A picture is computed at its own size, which need not be a multiple of anything. What does not fill a
/// last patch is treated as each family's authors have it: PVT drops it, PVTv2, CSwin, VVT and
/// RAVLT overlap or pad their patches so that maps round up, Swin, DeiT and MLLA pad the picture with zeros to whole
/// patches. The
/// least side is ``leastSide``; the largest picture is a matter of memory, which is counted before it is taken.
public struct Backbone: Sendable {
  /// What the config calls the model.
  public let name: String
  /// How bytes of pictures become the network's input.
  public let normalisation: Normalisation
  /// Channels of the input; 3 for pictures.
  public let inputChannels: Int
  /// How weights and the left sides of products are stored.
  public let precision: Precision
  /// Warnings from loading, such as weights that are not finite.
  public let warnings: [String]
  /// Elements of all parameters.
  public let parameterCount: Int
  /// What the model was loaded for.
  public let purpose: Purpose
  /// The parameters as the checkpoint has them, under the official names; none where the backbone is not
  /// loaded for ``Purpose/training``.
  public let parameters: ModelParameters
  let model: any PyramidBackbone
  let threads: ThreadPool
  let memory = BufferPool()

  /// Channels and strides of the maps that a call returns, finest first. Four of strides 4, 8, 16 and 32
  /// for pyramids, one of stride 16 for DeiT.
  public var featureInfo: [FeatureInfo] { model.featureInfo }

  /// The least height and width of a picture, in pixels: what gives the coarsest map, and the keys of
  /// each attention, a cell. 32 for PVT and 29 for PVTv2 as published, 3 for CSwin, 1 for most others.
  public var leastSide: Int { model.leastSide }

  /// The names of everything that can be handed out on the way, in the order it is made; see
  /// ``Intermediate``.
  public var intermediateNames: [String] { model.intermediateNames }

  /// Loads a config and its weights.
  ///
  /// The config is a segmentor's or a classifier's; its head, data set and size rule are not used. The
  /// backbone's parameters may stand below `backbone.` in the file, as segmentors have them, beside any
  /// others; in a file without that prefix every parameter must be the backbone's or belong to the
  /// classifier. The names of mmsegmentation's and mmdetection's own modules are understood, and what wrappers
  /// of a model put before its names (`module.`, `_orig_mod.`, `model.`) is taken off.
  ///
  /// - Parameters:
  ///   - config: path of a YAML config.
  ///   - weights: path of a `.pth` or `.safetensors` file, or of the index of several.
  ///   - container: the weights that are wanted where the file holds several, such as `model_ema`; `nil`
  ///     takes the usual ones.
  ///   - attentions: those that the config may ask for beside `focused` and `softmax`.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored; `.automatic` takes the faster
  ///     one on this CPU.
  ///   - purpose: what the model is loaded for.
  ///   - skipsUnknownObjects: whether objects of unknown classes beside the weights are left out
  ///     instead of refused; for files whose origin you trust.
  /// - Throws: `FileError`, `ConfigError` or `ParameterError`, which name the file, the key, what was
  ///   found and what was expected, or ``BackboneError``.
  public static func load(
    config: String, weights: String, container: String? = nil,
    attentions: AttentionRegistry = AttentionRegistry(), threads: Int? = nil,
    precision: Precision = .float32, purpose: Purpose = .inference,
    skipsUnknownObjects: Bool = false
  ) throws -> Backbone {
    let file = try BackboneFile(path: config, attentions: attentions)
    let checkpoint = try Checkpoint.open(
      path: weights,
      options: Checkpoint.Options(container: container, skipUnknownObjects: skipsUnknownObjects))
    return try Backbone(
      file, Weights(checkpoint, of: file.backbone), threads: threads, precision: precision,
      purpose: purpose)
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
  /// - Throws: `FileError`, `ConfigError` or ``BackboneError``.
  public static func untrained(
    config: String, attentions: AttentionRegistry = AttentionRegistry(), seed: UInt64 = 0,
    threads: Int? = nil, precision: Precision = .float32, purpose: Purpose = .inference
  ) throws -> Backbone {
    let file = try BackboneFile(path: config, attentions: attentions)
    return try Backbone(
      file, Weights(seed: seed), threads: threads, precision: precision, purpose: purpose)
  }

  init(
    _ file: BackboneFile, _ weights: Weights, threads: Int?, precision: Precision, purpose: Purpose
  ) throws {
    try self.init(
      file.name, weights, normalisation: file.normalisation,
      inputChannels: file.backbone.inputChannels, ignoring: file.backbone.ignoredKeys,
      threads: threads, precision: precision, purpose: purpose
    ) { try file.backbone.make(for: file.purpose, from: $0) }
  }

  init(
    _ name: String, _ weights: Weights, normalisation: Normalisation, inputChannels: Int,
    ignoring: [IgnoredKeys], threads: Int?, precision: Precision, purpose: Purpose,
    _ build: (ParameterScope) throws -> any PyramidBackbone
  ) throws {
    let count = max(1, threads ?? Processors.available)
    let bytes = MemoryNeed.bytes(threads: count)
    guard MemoryNeed.isMet(bytes) else {
      throw BackboneError.noMemory(threads: count, bytes: bytes)
    }
    let pool = ThreadPool(threads: count)
    let tree = weights.tree(LoadingContext(threads: pool, precision, purpose: purpose))
    model = try build(weights.scope(of: tree))
    try weights.explaining {
      try tree.finish(ignoring: weights.ignoring(ignoring)) { _ in weights.likeness }
    }
    self.name = name
    self.normalisation = normalisation
    self.inputChannels = inputChannels
    self.precision = precision
    self.purpose = purpose
    parameters = tree.parameters
    self.threads = pool
    parameterCount = tree.parameterCount
    warnings = weights.warnings + [pool.shortage].compactMap { $0 }
  }
}

extension Backbone {
  /// Loads a model that is built from parts.
  ///
  /// - Parameters:
  ///   - name: what the model is called.
  ///   - weights: path of a `.pth` or `.safetensors` file; `nil` gives random weights. As with configs,
  ///     the parameters may stand below `backbone.`.
  ///   - normalisation: how bytes of pictures become the network's input.
  ///   - inputChannels: channels of the input.
  ///   - ignoring: keys of the file that the model does not read; `*` stands for anything. Any other key
  ///     that is left over is an error.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored.
  ///   - purpose: what the model is loaded for.
  ///   - build: makes the model; layers read their parameters from the scope.
  /// - Throws: `FileError`, `ParameterError` or ``BackboneError``, and what `build` throws.
  public static func build(
    _ name: String, weights: String?, normalisation: Normalisation = .imageNet,
    inputChannels: Int = 3, ignoring: [String] = [], threads: Int? = nil,
    precision: Precision = .float32, purpose: Purpose = .inference,
    _ build: (ParameterScope) throws -> any PyramidBackbone
  ) throws -> Backbone {
    try Backbone(
      name, weights.map { Weights(try Checkpoint.open(path: $0)) } ?? Weights(seed: 0),
      normalisation: normalisation, inputChannels: inputChannels,
      ignoring: ignoring.map { IgnoredKeys(pattern: $0, reason: "said so by the caller") },
      threads: threads, precision: precision, purpose: purpose, build)
  }
}
