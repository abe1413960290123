import FlattenCheckpoint
import FlattenNN

/// An attention that configs may name, and what a reader wants to know of it.
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
  /// Makes the attention of one block; `nil` of those that each family has in a form of its own.
  package let make: AttentionRegistry.Factory?

  /// The attention of one block.
  ///
  /// - Throws: `ConfigError` where the model has a class token, or an option does not fit.
  func module(_ site: AttentionSite, from scope: ParameterScope) throws -> any TokenAttention {
    guard site.classTokens == 0 else {
      throw site.options.error(
        found: "asks for '\(name)' in a model with a class token", expected: "focused or softmax")
    }
    guard let make else { preconditionFailure("'\(name)' is each family's own") }
    return try make(site, scope)
  }

  /// The attentions of the literature, in the order in which they are listed.
  package static let all: [StandardAttention] = [
    rala, agent, inLine, taylor, mambaLike, vicinity, featureFixation, transNormerNorm, diagonal,
    cosFormer, efficient, performer, hydra, castling, dape, dynamicSparse,
  ]

  /// Those that every family has, and all others.
  package static var listed: [StandardAttention] { [focused, softmax] + all }

  /// The attention of the literature of a letter or a name.
  package static func named(_ name: String) -> StandardAttention? {
    all.first { $0.name == name || $0.letter == name }
  }
}

extension StandardAttention {
  /// The paper's, as the pyramids have it.
  static let focused = StandardAttention(
    letter: "L", name: "focused", title: "focused linear attention",
    paper: "FLatten Transformer, arXiv 2308.00442", cost: .linear, isGlobal: true,
    weights: "FLatten-PVT, -PVTv2, -Swin, -CSwin and -DeiT, classification",
    equation: [
      "phi(x) = |u| u^p / |u^p|,  u = (ReLU(x) + 1e-6) / softplus(scale), norms over all channels",
      "y = phi(q) (mean phi(k) v^T) / (phi(q) . mean phi(k) + 1e-6) + dwc(v)",
    ],
    parameters: [
      "q.weight [C, C]", "kv.weight [2C, C]", "proj.weight [C, C]", "scale [1, 1, C]",
      "positional_encoding [1, n, C]", "dwc.weight [d, 1, 5, 5]",
    ],
    make: nil)

  /// PVT's, with fewer keys in the first stages.
  static let softmax = StandardAttention(
    letter: "S", name: "softmax", title: "softmax attention",
    paper: "PVT, arXiv 2102.12122; Swin, arXiv 2103.14030; CSwin, arXiv 2107.00652",
    cost: .quadratic, isGlobal: true, weights: "PVT, PVTv2, Swin, CSwin, DeiT",
    equation: ["y = softmax(q k^T / sqrt(d)) v; PVT's keys and values are of a smaller map"],
    parameters: [
      "q.weight [C, C]", "kv.weight [2C, C]", "proj.weight [C, C]", "sr.weight [C, C, r, r]",
      "norm.weight [C]",
    ],
    make: nil)
}
