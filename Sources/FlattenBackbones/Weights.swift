import FlattenCheckpoint
import FlattenTensor

/// Where a backbone's parameters come from: a checkpoint, perhaps of a larger model, or a seed.
struct Weights {
  private enum Source {
    case checkpoint(Checkpoint, any ParameterSource)
    case random(seed: UInt64)
  }

  private static let prefix = "backbone."

  private let source: Source
  /// Whether the backbone's names begin with `backbone.`, as in the checkpoints of segmentors.
  private let isPartOfMore: Bool

  /// Random weights.
  init(seed: UInt64) {
    source = .random(seed: seed)
    isPartOfMore = false
  }

  /// The weights of a file.
  ///
  /// - Parameter configuration: translates other toolboxes' names.
  init(_ checkpoint: Checkpoint, of configuration: BackboneConfiguration? = nil) {
    isPartOfMore = checkpoint.entries.contains {
      Self.name($0.name).hasPrefix(Self.prefix)
    }
    let scope = isPartOfMore ? Self.prefix : ""
    source = .checkpoint(
      checkpoint, configuration?.translating(checkpoint, below: scope) ?? checkpoint)
  }

  /// A key without what data-parallel training puts before it.
  private static func name(_ key: String) -> Substring {
    key.hasPrefix("module.") ? key.dropFirst("module.".count) : key[...]
  }

  func tree(_ packing: Packing) -> ParameterTree {
    switch source {
    case .checkpoint(_, let source): ParameterTree(source: source, packing: packing)
    case .random(let seed): .random(seed: seed, packing: packing)
    }
  }

  /// The backbone's place.
  func scope(of tree: ParameterTree) -> ParameterScope {
    isPartOfMore ? tree.root.scope(String(Self.prefix.dropLast())) : tree.root
  }

  /// Keys of the file that may be left over, from those that may be below the backbone's place.
  func ignoring(_ keys: [IgnoredKeys]) -> [IgnoredKeys] {
    let counters = IgnoredKeys(pattern: "*num_batches_tracked", reason: "a training counter")
    guard isPartOfMore, case .checkpoint(let checkpoint, _) = source else {
      return keys + [counters]
    }
    let others = Set(
      checkpoint.entries.map { Self.name($0.name).prefix { $0 != "." } }
        .filter { $0 + "." != Self.prefix })
    return keys.map { IgnoredKeys(pattern: Self.prefix + $0.pattern, reason: $0.reason) }
      + [counters]
      + others.map { IgnoredKeys(pattern: "\($0)*", reason: "not the backbone's") }
  }

  /// What the file seems to hold.
  var likeness: String? {
    guard case .checkpoint(let checkpoint, _) = source else { return nil }
    return ModelLikeness(checkpoint.entries.map { ($0.name, $0.shape) }).description
  }

  /// What the user should be told once the weights are read.
  var warnings: [String] {
    guard case .checkpoint(let checkpoint, _) = source else { return [] }
    return checkpoint.warnings
  }
}
