import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenDefaults
import FlattenFiles
import FlattenTensor

extension SegmentationConfiguration {
  /// The config of the model inside the binary: street scenes, 11 classes.
  public static func builtIn() throws -> SegmentationConfiguration {
    let resource = try embedded("Configs/street/flatten_pvtv2_b0.yaml")
    return try SegmentationConfiguration(
      ConfigNode.parse(Array(resource.bytes), name: resource.name),
      attentions: AttentionRegistry())
  }
}

extension Segmenter {
  /// Loads the model inside the binary: FLatten-PVTv2-B0 with Semantic FPN for 11 street classes.
  ///
  /// - Parameters:
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored.
  public static func builtIn(
    threads: Int? = nil, precision: Precision = .float32
  ) throws -> Segmenter {
    try SegmentationConfiguration.builtIn()
      .load(openBuiltInWeights(), threads: threads, precision: precision)
  }

  /// The weights inside the binary, not copied.
  package static func openBuiltInWeights() throws -> Checkpoint {
    let resource = try embedded("Configs/street/flatten_pvtv2_b0.safetensors")
    return try Checkpoint.open(
      staticBytes: UnsafeRawBufferPointer(resource.bytes), name: resource.name)
  }
}

/// A file inside the binary.
private func embedded(
  _ path: String
) throws -> (name: String, bytes: UnsafeBufferPointer<UInt8>) {
  guard let resource = fd_resource_named(path) else {
    throw FileError(path: path, kind: .unreadable, reason: "is not part of this build")
  }
  return (
    "built-in \(path)",
    UnsafeBufferPointer(start: resource.pointee.bytes, count: resource.pointee.length)
  )
}
