import FlattenCheckpoint
import FlattenConfig
import FlattenNN

/// The blocks that compute their attention from that of the block before: a config's `skip_attention`, a list of block
/// numbers a stage.
///
///     skip_attention: [[1], [1], [1, 2], [1]]
///
/// Their parameters stand at the backbone's root, `param_1` and so on, counted over all stages.
package struct SkippedAttention: Sendable {
  private var stages: [[Int]] = []

  /// None.
  package init() {}

  /// Reads the list.
  ///
  /// - Parameters:
  ///   - node: `nil` where the config has none.
  ///   - depths: blocks of each stage.
  /// - Throws: `ConfigError` naming the stage.
  init(_ node: ConfigNode?, depths: [Int]) throws {
    guard let node else { return }
    stages = try zip(try node.list(count: depths.count), depths).map { stage, depth in
      let blocks = try stage.ints()
      guard Set(blocks).count == blocks.count,
        blocks.allSatisfy({ (1..<max(depth, 1)).contains($0) })
      else {
        throw stage.error(
          found: "is \(blocks)",
          expected: depth > 1
            ? "different numbers from 1 to \(depth - 1): block 0 has no attention before it"
            : "[]: the stage has one block, which has no attention before it")
      }
      return blocks.sorted()
    }
  }

  /// Whether a block takes the attention of the one before.
  func contains(stage: Int, block: Int) -> Bool {
    stages.indices.contains(stage) && stages[stage].contains(block)
  }

  /// What a block has in the place of its norm and attention; `nil` for one that has both.
  ///
  /// - Parameter root: the backbone's place.
  func substitute(
    at site: AttentionSite, from root: ParameterScope
  ) throws -> AttentionSubstitute? {
    guard contains(stage: site.stage, block: site.block) else { return nil }
    let before = stages[..<site.stage].reduce(0) { $0 + $1.count }
    let number = before + stages[site.stage].filter { $0 <= site.block }.count
    return try AttentionSubstitute(channels: site.channels, from: root.scope("param_\(number)"))
  }

  /// What these blocks have in files and do not read.
  ///
  /// - Parameters:
  ///   - parts: of a block, such as `attn`.
  ///   - place: a block's own, such as `blocks.3`.
  func ignoredKeys(
    _ parts: [String] = ["norm1", "attn"], place: (_ stage: Int, _ block: Int) -> String
  ) -> [IgnoredKeys] {
    stages.enumerated().flatMap { stage, blocks in
      blocks.flatMap { block in
        parts.map {
          IgnoredKeys(
            pattern: "\(place(stage, block)).\($0).*",
            reason: "the block takes the attention of the one before")
        }
      }
    }
  }
}

extension TransformerBlock {
  /// A block of any family.
  ///
  /// - Parameters:
  ///   - root: the backbone's place; `nil` for a block by itself, which skips nothing.
  init(
    _ c: BlockNumbers, at site: AttentionSite, from tree: ParameterScope, root: ParameterScope?,
    attention: (ParameterScope) throws -> any TokenAttention,
    mlp: (ParameterScope) throws -> any ResidualBranch
  ) throws {
    try self.init(
      site.channels, normEpsilon: c.normEpsilon,
      name: IntermediateNames.block(stage: site.stage, site.block), from: tree,
      substitute: try root.flatMap { try c.skipped.substitute(at: site, from: $0) },
      leavesAttention: root != nil && c.skipped.contains(stage: site.stage, block: site.block + 1),
      attention: attention, mlp: mlp)
  }
}
