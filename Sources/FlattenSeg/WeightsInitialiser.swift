import FlattenCheckpoint
import FlattenModels

/// Writes weights that were never trained: for trying a config, and for measuring.
public enum WeightsInitialiser {
  /// Writes randomly initialised weights for a config.
  ///
  /// - Parameters:
  ///   - seed: the same seed gives the same file.
  ///   - path: a safetensors file, float32.
  /// - Returns: the number of parameters.
  @discardableResult
  public static func write(
    for configuration: SegmentationConfiguration, seed: UInt64, to path: String
  ) throws -> Int {
    let tree = ParameterTree.random(seed: seed)
    _ = try SemanticSegmentor(configuration.model, from: tree.root)
    try tree.write(to: path, metadata: [("config", configuration.name), ("seed", "\(seed)")])
    return tree.parameterCount
  }
}
