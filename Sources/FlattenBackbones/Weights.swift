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
    isPartOfMore = checkpoint.entries.contains { Self.topLevel($0.name) == "backbone" }
    let scope = isPartOfMore ? Self.prefix : ""
    source = .checkpoint(
      checkpoint, configuration?.translating(checkpoint, below: scope) ?? checkpoint)
  }

  /// The first part of a key, after what data-parallel training puts before it.
  private static func topLevel(_ key: String) -> Substring? {
    let parts = key.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    return parts.first == "module" ? parts.dropFirst().first : parts.first
  }

  func tree(_ context: LoadingContext) -> ParameterTree {
    switch source {
    case .checkpoint(_, let source): ParameterTree(source: source, context: context)
    case .random(let seed): .random(seed: seed, context: context)
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
    let others = Set(checkpoint.entries.compactMap { Self.topLevel($0.name) })
      .subtracting(["backbone"])
    return keys.map { IgnoredKeys(pattern: Self.prefix + $0.pattern, reason: $0.reason) }
      + [counters]
      + others.flatMap { ["\($0)", "\($0).*"] }
      .map { IgnoredKeys(pattern: $0, reason: "not the backbone's") }
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
