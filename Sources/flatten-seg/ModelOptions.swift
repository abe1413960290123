import FlattenRegions
import ArgumentParser
import FlattenCheckpoint
import FlattenFiles
import FlattenVision
import Foundation

/// Which model, and how it computes; shared by the commands that run one.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Config of the model, or a name of 'flatten-seg configs'; default: the built-in street model.",
      valueName: "file.yaml"), completion: .yaml)
  var config: String?

  @Option(
    help: ArgumentHelp("Weights of the model, .pth or .safetensors.", valueName: "file"),
    completion: .weights)
  var weights: String?

  @OptionGroup var compute: ComputeOptions

  @OptionGroup var reading: CheckpointArguments

  func validate() throws {
    if config != nil && weights == nil {
      throw ValidationError("--config needs --weights: a .pth or .safetensors file.")
    }
    if reading.container != nil && weights == nil {
      throw ValidationError("--container belongs to --weights.")
    }
  }

  /// Refuses weights alone, where a model is not told by them.
  func requireConfig() throws {
    if weights != nil && config == nil {
      throw ValidationError(
        "--weights needs --config: the file that says what model the weights belong to.")
    }
  }

  /// Whether the model is the one that comes with the program.
  var isBuiltIn: Bool { config == nil && weights == nil }

  /// The config of a model of any task.
  func configuration() throws -> any TaskConfiguration {
    try config.map { try VisionTasks.configuration(path: $0) }
      ?? SegmentationConfiguration.builtIn()
  }

  /// The config of a segmentor.
  func segmentation() throws -> SegmentationConfiguration {
    try config.map(SegmentationConfiguration.load) ?? .builtIn()
  }

  /// Loads a detector: the built-in one, or one whose config is given or told by its weights.
  func loadDetector() throws -> Detector {
    guard let weights else {
      return try load(DetectionConfiguration.builtIn(), Detector.openBuiltInWeights())
    }
    let configuration = try config.map(DetectionConfiguration.load)
    let checkpoint = try reading.open(weights)
    return try load(configuration ?? .matching(checkpoint), checkpoint)
  }

  /// Loads the model of a config; its warnings go to standard error.
  func load<Configuration: TaskConfiguration>(
    _ configuration: Configuration
  ) throws -> Configuration.Loaded {
    try load(configuration, weights.map(reading.open) ?? Segmenter.openBuiltInWeights())
  }

  private func load<Configuration: TaskConfiguration>(
    _ configuration: Configuration, _ checkpoint: Checkpoint
  ) throws -> Configuration.Loaded {
    let model = try configuration.load(
      checkpoint, threads: compute.threads, precision: compute.storage)
    model.warnings.forEach(Output.warning)
    return model
  }
}

/// How the network is applied; shared by prediction and evaluation.
struct InferenceOptions: ParsableArguments {
  enum Mode: String, ExpressibleByArgument, CaseIterable { case whole, slide }

  @Option(
    help: "Apply the network to the whole picture or to sliding windows; default: the config's.")
  var mode: Mode?

  @Option(
    help: ArgumentHelp(
      "Window of --mode slide, in pixels of the network's input.",
      valueName: "HxW"))
  var crop: SizeArgument?

  @Option(
    help: ArgumentHelp(
      "Step of --mode slide; default: two thirds of the window.",
      valueName: "HxW"))
  var stride: SizeArgument?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Average the probabilities over these sizes: relative to the picture, e.g. 0.75 1.0 1.25, or "
        + "HxW, which the picture is fitted into.",
      valueName: "factor|HxW"))
  var scales: [ScaleArgument] = []

  @Option(
    help: ArgumentHelp(
      "Average over the picture and its mirror images, at each scale; without a direction the "
        + "horizontal one.", valueName: "direction"))
  var flip: [Flip] = []

  func validate() throws {
    if mode != .slide && (crop != nil || stride != nil) {
      throw ValidationError("--crop and --stride belong to --mode slide.")
    }
    if let bad = scales.first(where: { !$0.isInRange }) {
      throw ValidationError(
        "--scales holds \(bad), factors from 0.05 to 8 or sizes from 32x32 are wanted.")
    }
    if let crop, crop.size.height < 32 || crop.size.width < 32 {
      throw ValidationError("--crop is \(crop), at least 32x32 is wanted.")
    }
    if let crop, let stride,
      stride.size.height > crop.size.height || stride.size.width > crop.size.width
    {
      throw ValidationError(
        "--stride \(stride) is larger than --crop \(crop): pixels would be missed.")
    }
  }

  /// The options over a config's own.
  func options(for segmenter: Segmenter) throws -> Segmenter.Options {
    var options = Segmenter.Options()
    options.scales = scales.map(\.scale)
    options.flips = Flip.allCases.filter(flip.contains)
    switch mode {
    case .whole: options.mode = .whole
    case nil: break
    case .slide:
      if let crop {
        let third = PixelSize(
          height: max(1, crop.size.height * 2 / 3), width: max(1, crop.size.width * 2 / 3))
        options.mode = .slide(crop: crop.size, stride: stride?.size ?? third)
      } else if case .slide(let crop, let configured) = segmenter.configuration.mode {
        options.mode = .slide(crop: crop, stride: stride?.size ?? configured)
      } else {
        throw RequestError("--mode slide needs --crop HxW: the config names no window.")
      }
      if case .slide(let crop, let stride) = options.mode,
        stride.height > crop.height || stride.width > crop.width
      {
        throw RequestError(
          "--stride \(stride.height)x\(stride.width) is larger than the config's window, "
            + "\(crop.height)x\(crop.width): pixels would be missed.")
      }
    }
    return options
  }
}

/// A size on the command line: `512x1024`, height first, or `512` for both.
struct SizeArgument: ExpressibleByArgument, CustomStringConvertible {
  let size: PixelSize

  init?(argument: String) {
    let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }
    guard numbers.count == parts.count, (1...2).contains(numbers.count),
      numbers.allSatisfy({ (1...65536).contains($0) })
    else { return nil }
    size = PixelSize(height: numbers[0], width: numbers[numbers.count - 1])
  }

  var description: String { "\(size.height)x\(size.width)" }
}

/// A scale of test-time augmentation: `0.75`, or a size with an x, `512x1024`.
struct ScaleArgument: ExpressibleByArgument, CustomStringConvertible {
  let scale: AugmentationScale

  init?(argument: String) {
    if let factor = Double(argument) {
      scale = .factor(factor)
    } else if argument.lowercased().contains("x"), let size = SizeArgument(argument: argument) {
      scale = .size(size.size)
    } else {
      return nil
    }
  }

  var isInRange: Bool {
    switch scale {
    case .factor(let factor): (0.05...8).contains(factor)
    case .size(let size): min(size.height, size.width) >= 32
    }
  }

  var description: String {
    switch scale {
    case .factor(let factor): "\(factor)"
    case .size(let size): "\(size.height)x\(size.width)"
    }
  }
}

extension Flip: ExpressibleByArgument {}

extension ModelOptions {
  /// The config in words: its name and what is in it, or the weights that tell it.
  var configFact: String {
    guard let config else { return isBuiltIn ? "built-in" : "told by the weights" }
    guard let bytes = try? FileReader(path: config).readAll(limit: 1 << 24) else { return config }
    return "\(config) (\(Checksum.digest(bytes[...])))"
  }

  /// The weights in words: name, size, and a checksum of their beginning and their end.
  var weightsFact: String {
    guard let weights else { return "built-in" }
    guard let file = try? FileReader(path: weights) else { return weights }
    let part = min(file.size, 1 << 20)
    let parts = [0, file.size - part].compactMap { try? file.read(at: $0, count: part) }
    let digest = Checksum.digest(Array(parts.joined())[...])
    return "\(weights) (\(file.size) bytes, \(digest))"
      + (reading.container.map { ", \($0)" } ?? "")
  }
}
