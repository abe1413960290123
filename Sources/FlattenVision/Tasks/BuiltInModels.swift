import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenDefaults
import FlattenFiles
import FlattenTensor

extension SegmentationConfiguration {
  /// The config of the segmentor inside the binary: street scenes, 11 classes.
  public static func builtIn() throws -> SegmentationConfiguration {
    try SegmentationConfiguration(
      embeddedConfig("Configs/street/flatten_pvtv2_b0.yaml"), attentions: AttentionRegistry())
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
    try embeddedWeights("Configs/street/flatten_pvtv2_b0.safetensors")
  }
}

extension DetectionConfiguration {
  /// The config of the detector inside the binary: people, cars and bicyclists of street scenes.
  public static func builtIn() throws -> DetectionConfiguration {
    try DetectionConfiguration(
      embeddedConfig("Configs/street/mask_rcnn_flatten_pvtv2_b0.yaml"),
      attentions: AttentionRegistry())
  }
}

extension Detector {
  /// Loads the detector inside the binary: Mask R-CNN with FLatten-PVTv2-B0 for people, cars and bicyclists.
  ///
  /// - Parameters:
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored.
  public static func builtIn(
    threads: Int? = nil, precision: Precision = .float32
  ) throws -> Detector {
    try DetectionConfiguration.builtIn()
      .load(openBuiltInWeights(), threads: threads, precision: precision)
  }

  /// The weights inside the binary, not copied.
  package static func openBuiltInWeights() throws -> Checkpoint {
    try embeddedWeights("Configs/street/mask_rcnn_flatten_pvtv2_b0.safetensors")
  }
}

private func embeddedConfig(_ path: String) throws -> ConfigNode {
  let resource = try embedded(path)
  return try ConfigNode.parse(Array(resource.bytes), name: resource.name)
}

private func embeddedWeights(_ path: String) throws -> Checkpoint {
  let resource = try embedded(path)
  return try Checkpoint.open(
    staticBytes: UnsafeRawBufferPointer(resource.bytes), name: resource.name)
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
