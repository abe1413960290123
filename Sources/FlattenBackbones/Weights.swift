import FlattenCheckpoint
import FlattenTensor

/// Where a backbone's parameters come from: a checkpoint, perhaps of a larger model, or a seed.
struct Weights {
  private enum Source {
    case checkpoint(Checkpoint, PlainParameters, any ParameterSource)
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
  /// - Parameter configuration: translates other toolboxes' names; `nil` for a model of the caller's own.
  init(_ checkpoint: Checkpoint, of configuration: BackboneConfiguration? = nil) {
    let plain =
      configuration == nil
      ? PlainParameters(checkpoint, isOwn: true) { $0.contains { $0.hasPrefix(Self.prefix) } }
      : checkpoint.plain
    isPartOfMore = plain.parameterShapes.contains { $0.name.hasPrefix(Self.prefix) }
    let scope = isPartOfMore ? Self.prefix : ""
    source = .checkpoint(
      checkpoint, plain, configuration?.translating(plain, below: scope) ?? plain)
  }

  func tree(_ context: LoadingContext) -> ParameterTree {
    switch source {
    case .checkpoint(_, _, let source): ParameterTree(source: source, context: context)
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
    guard isPartOfMore, case .checkpoint(_, let plain, _) = source else {
      return keys + [counters]
    }
    let others = Set(
      plain.parameterShapes.compactMap { $0.name.split(separator: ".", maxSplits: 1).first }
    ).subtracting(["backbone"])
    return keys.map { IgnoredKeys(pattern: Self.prefix + $0.pattern, reason: $0.reason) }
      + [counters]
      + others.flatMap { ["\($0)", "\($0).*"] }
      .map { IgnoredKeys(pattern: $0, reason: "not the backbone's") }
  }

  /// What the file seems to hold.
  var likeness: String? {
    guard case .checkpoint(_, let plain, _) = source else { return nil }
    return plain.likeness
  }

  /// Loads a model of these weights.
  func explaining<Result>(_ load: () throws -> Result) throws -> Result {
    guard case .checkpoint(_, let plain, _) = source else { return try load() }
    return try plain.explaining(load)
  }

  /// What the user should be told once the weights are read.
  var warnings: [String] {
    guard case .checkpoint(let checkpoint, let plain, _) = source else { return [] }
    return plain.notes + checkpoint.warnings
  }
}
