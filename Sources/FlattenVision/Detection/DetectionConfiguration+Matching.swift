import FlattenBackbones
import FlattenCheckpoint
import FlattenFiles
import FlattenModels
import FlattenTensor

extension DetectionConfiguration {
  /// The built-in config whose model a file's parameters are, told by their names and shapes alone.
  ///
  /// The number of classes is the file's, and so are their names where its metadata has them; pictures are prepared
  /// as the config says, which parameters cannot tell.
  ///
  /// - Throws: ``UnknownArchitectureError`` where there is none, or as reading a config.
  package static func matching(_ checkpoint: Checkpoint) throws -> DetectionConfiguration {
    let plain = checkpoint.plain
    let likeness = ModelLikeness(plain)
    guard let parts = likeness.detector, let classes = parts.classes, classes > 0 else {
      throw UnknownArchitectureError(path: checkpoint.name, looksLike: plain.likeness)
    }
    for name in BuiltInConfigs.names where name.hasPrefix(Self.folder) {
      var configuration = try DetectionConfiguration.load(path: name)
      let model = configuration.model
      guard model.kind.hasProposals == parts.hasProposals,
        model.kind.hasMasks == parts.hasMasks, (model.kind.stages > 1) == parts.isCascade,
        model.backbone.depths == likeness.depths
      else { continue }
      configuration.model.classes = classes
      guard configuration.fits(plain) else { continue }
      configuration.rename(classes, as: checkpoint.classNames)
      return configuration
    }
    throw UnknownArchitectureError(path: checkpoint.name, looksLike: plain.likeness)
  }

  private static let folder = "coco/"

  /// Whether the model's parameters have a file's names and shapes.
  private func fits(_ source: any ParameterSource) -> Bool {
    let tree = ParameterTree(source: model.translating(ZeroParameters(like: source)))
    do {
      _ = try ObjectDetector(model, from: tree.root)
      try tree.finish(ignoring: ObjectDetector.ignoredKeys(model))
      return true
    } catch {
      return false
    }
  }
}

/// The names and shapes of a file's parameters, all of them zero, which is quicker than reading them.
private final class ZeroParameters: ParameterSource {
  let name: String
  let parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)]

  init(like source: any ParameterSource) {
    name = source.name
    parameterShapes = source.parameterShapes
  }

  func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) {
    buffer.update(repeating: 0)
  }
}

/// Weights of a model of which there is no built-in config.
public struct UnknownArchitectureError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file.
  public let path: String
  /// What its parameters look like; `nil` where nothing is recognised.
  public let looksLike: String?

  /// One sentence.
  public var description: String {
    "\(printable(path, limit: 200)): no built-in config has a detector of these weights"
      + (looksLike.map { ", which look like \($0)" } ?? "")
      + ". Give the config that they belong to."
  }
}
