import FlattenCheckpoint
import FlattenModels

/// Writes weights that were never trained: for trying a config, and for measuring.
public enum WeightsInitialiser {
  /// Writes randomly initialised weights for a config.
  ///
  /// - Parameters:
  ///   - configuration: of either task.
  ///   - seed: the same seed gives the same file.
  ///   - path: a safetensors file, float32.
  /// - Returns: the number of parameters.
  @discardableResult
  public static func write(
    for configuration: ModelConfiguration, seed: UInt64, to path: String
  ) throws -> Int {
    let tree = ParameterTree.random(seed: seed)
    switch configuration {
    case .segmentation(let c): _ = try SemanticSegmentor(c.model, from: tree.root)
    case .classification(let c): _ = try ImageClassifier(c.model, from: tree.root)
    }
    try tree.write(to: path, metadata: [("config", configuration.name), ("seed", "\(seed)")])
    return tree.parameterCount
  }
}
