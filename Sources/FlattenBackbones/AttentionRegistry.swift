import FlattenCheckpoint
import FlattenNN

/// Where in a model an attention stands, and the numbers its config gives it.
public struct AttentionSite: Sendable {
  /// The stage, counted from 0.
  public let stage: Int
  /// The block within the stage, counted from 0.
  public let block: Int
  /// Channels of the tokens.
  public let channels: Int
  /// Heads; they divide the channels.
  public let heads: Int
  /// The grid of tokens at the picture size that the config names: what tables of positions are built
  /// for. Other pictures have other grids.
  public let nativeGrid: Grid
  /// Tokens before those of the grid: 1 in DeiT, whose class token stands first, else 0.
  public let classTokens: Int
  /// Whether projections to queries, keys and values have a bias.
  public let qkvBias: Bool
  /// The epsilon of norms inside an attention.
  public let normEpsilon: Float

  /// Makes a site: models do, and tests of an attention by itself.
  public init(
    stage: Int = 0, block: Int = 0, channels: Int, heads: Int, nativeGrid: Grid,
    classTokens: Int = 0, qkvBias: Bool = true, normEpsilon: Float = 1e-5
  ) {
    self.stage = stage
    self.block = block
    self.channels = channels
    self.heads = heads
    self.nativeGrid = nativeGrid
    self.classTokens = classTokens
    self.qkvBias = qkvBias
    self.normEpsilon = normEpsilon
  }
}

/// Attention modules of your own, each under a letter of a config's `attn_type`.
///
///     let attentions = try AttentionRegistry(["R": { site, scope in
///       try ReLUAttention(site, from: scope)
///     }])
///     let backbone = try Backbone.load(
///       config: "model.yaml", weights: "model.pth", attentions: attentions)
///
/// With `attn_type: RRLL` the blocks of the first two stages have the registered attention. It reads its
/// parameters from the scope, `attn` below the block, and always sees all tokens of the stage's map: in
/// Swin and CSwin as well, where it takes the place of windows and stripes. `L` (focused linear) and `S`
/// (softmax) are built in and cannot be replaced. The types of published softmax models, such as `pvt`,
/// have no `attn_type`; take `flatten_pvt`.
public struct AttentionRegistry: Sendable {
  /// Makes the attention of one block.
  public typealias Factory =
    @Sendable (_ site: AttentionSite, _ scope: ParameterScope) throws -> any TokenAttention

  private var registered: [Character: RegisteredAttention] = [:]

  /// Nothing but what is built in.
  public init() {}

  /// Registers several modules.
  ///
  /// - Throws: ``BackboneError/reservedLetter(_:)``.
  public init(_ factories: [Character: Factory]) throws {
    for (letter, factory) in factories { try register(letter, factory) }
  }

  /// Registers a module, or replaces the one under that letter.
  ///
  /// - Parameters:
  ///   - letter: of the alphabet, A to Z or a to z, but for L and S.
  ///   - factory: makes the attention of one block; called for each.
  /// - Throws: ``BackboneError/reservedLetter(_:)``.
  public mutating func register(_ letter: Character, _ factory: @escaping Factory) throws {
    guard letter.isASCII, letter.isLetter, AttentionKind(builtIn: letter) == nil else {
      throw BackboneError.reservedLetter(letter)
    }
    registered[letter] = RegisteredAttention(letter: letter, make: factory)
  }

  /// The registered letters, in alphabetical order.
  public var letters: [Character] { registered.keys.sorted() }

  /// What a letter stands for; `nil` where it is unknown.
  func kind(_ letter: Character) -> AttentionKind? {
    AttentionKind(builtIn: letter) ?? registered[letter].map(AttentionKind.registered)
  }

  /// The known letters in words.
  var known: String {
    letters.isEmpty
      ? "L and S" : "L, S and the registered \(letters.map(String.init).joined(separator: ", "))"
  }
}

/// A module and its letter.
package struct RegisteredAttention: Sendable {
  let letter: Character
  let make: AttentionRegistry.Factory
}

/// Which attention a stage uses; one letter of upstream's `attn_type`.
package enum AttentionKind: Sendable, Equatable {
  case linear
  case softmax
  case registered(RegisteredAttention)

  /// The kind of a built-in letter.
  package init?(builtIn letter: Character) {
    switch letter {
    case "L": self = .linear
    case "S": self = .softmax
    default: return nil
    }
  }

  package static func == (a: AttentionKind, b: AttentionKind) -> Bool {
    switch (a, b) {
    case (.linear, .linear), (.softmax, .softmax): true
    case (.registered(let a), .registered(let b)): a.letter == b.letter
    default: false
    }
  }
}
