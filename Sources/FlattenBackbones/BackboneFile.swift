import FlattenConfig
import FlattenImage

/// The parts of a config file for a backbone: its own section, and how pictures are normalised. Heads,
/// classes and data sets are left to others.
struct BackboneFile: Sendable {
  let name: String
  let backbone: BackboneConfiguration
  let purpose: BackbonePurpose
  let normalisation: Normalisation

  /// Reads a segmentor's or a classifier's config.
  ///
  /// - Throws: `FileError`, or `ConfigError` naming the key.
  init(path: String, attentions: AttentionRegistry) throws {
    try self.init(ConfigNode.load(path: path), attentions: attentions)
  }

  init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    let map = try node.map(known: [
      "name", "dataset", "model", "input", "inference", "published",
    ])
    name = try map.optional("name")?.string() ?? "unnamed"
    let model = try map.required("model").map(known: [
      "backbone", "neck", "decode_head", "classifier",
    ])
    backbone = try BackboneConfiguration(
      try model.required("backbone"), attentions: attentions)
    // A classifier's maps are those that its own forward makes.
    purpose = model.optional("classifier") == nil ? .densePrediction : .classification
    normalisation = try Normalisation(try map.required("input").map())
  }
}

extension Normalisation {
  /// Reads `mean` and `std` of a config's `input` section.
  ///
  /// - Throws: `ConfigError` naming the key.
  package init(_ map: ConfigMap) throws {
    let mean = try map.required("mean").doubles(count: 3, in: -1024...1024)
    let std = try map.required("std").doubles(count: 3, in: 1e-6...1024)
    // Zeros with a std in bytes are plain division, as of pictures from 0 to 1.
    let isPlain = mean.allSatisfy { $0 == 0 } && std.allSatisfy { $0 >= 1 }
    guard isPlain || mean.contains(where: { $0 >= 1 }) else {
      throw try map.required("mean").error(
        found: "is for pictures of 0 to 1", expected: "numbers for bytes, 0 to 255",
        remedy: "Multiply mean and std by 255.")
    }
    self.init(mean: mean.map { Float($0) }, std: std.map { Float($0) })
  }
}
