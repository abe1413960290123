import FlattenCheckpoint
import FlattenNN

/// An attention of the literature that configs may name beside `focused` and `softmax`, and what a reader
/// wants to know of it.
package struct StandardAttention: Sendable {
  /// How its work grows with the number of tokens.
  package enum CostClass: String, Sendable {
    case linear
    case quadratic
    /// Quadratic in words, with a number of keys that does not grow.
    case fewKeys = "few keys"
  }

  /// One of its options in a config.
  package struct Option: Sendable {
    package let key: String
    /// As a config would say it.
    package let standard: String
    package let meaning: String

    package init(_ key: String, _ standard: String, _ meaning: String) {
      self.key = key
      self.standard = standard
      self.meaning = meaning
    }
  }

  /// Its letter in `attn_type`.
  package let letter: String
  /// Its name in `attention`.
  package let name: String
  /// What its authors call it.
  package let title: String
  /// Where it was published.
  package let paper: String
  package let cost: CostClass
  /// Whether each token sees the whole map.
  package let isGlobal: Bool
  /// Published networks whose weights have it; `nil` for none.
  package var weights: String?
  /// What is this project's own in it, as no published code has it; `nil` for nothing.
  package var own: String?
  /// Whether its result has a matrix that can be drawn.
  package var hasMatrix = true
  /// What it computes, a line each.
  package let equation: [String]
  /// Its parameters below `attn` with their shapes: `q.weight [C, C]`.
  package let parameters: [String]
  package var options: [Option] = []
  /// Makes the attention of one block.
  package let make: AttentionRegistry.Factory

  /// The attention of one block.
  ///
  /// - Throws: `ConfigError` where the model has a class token, or an option does not fit.
  func module(_ site: AttentionSite, from scope: ParameterScope) throws -> any TokenAttention {
    guard site.classTokens == 0 else {
      throw site.options.error(
        found: "asks for '\(name)' in a model with a class token", expected: "focused or softmax")
    }
    return try make(site, scope)
  }

  /// All, in the order in which they are listed.
  package static let all: [StandardAttention] = [
    rala, agent, inLine, taylor, mambaLike, featureFixation, transNormerNorm, cosFormer, performer,
  ]

  /// The one of a letter or a name.
  package static func named(_ name: String) -> StandardAttention? {
    all.first { $0.name == name || $0.letter == name }
  }
}
