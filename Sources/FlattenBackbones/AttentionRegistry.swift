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
  /// The attention's own options in the config.
  public let options: AttentionOptions

  /// Makes a site: models do, and tests of an attention by itself.
  public init(
    stage: Int = 0, block: Int = 0, channels: Int, heads: Int, nativeGrid: Grid,
    classTokens: Int = 0, qkvBias: Bool = true, normEpsilon: Float = 1e-5,
    options: AttentionOptions = AttentionOptions()
  ) {
    self.stage = stage
    self.block = block
    self.channels = channels
    self.heads = heads
    self.nativeGrid = nativeGrid
    self.classTokens = classTokens
    self.qkvBias = qkvBias
    self.normEpsilon = normEpsilon
    self.options = options
  }
}

/// Attention modules by name: those that a config may ask for.
///
///     let attentions = try AttentionRegistry(["relu": { site, scope in
///       try ReLUAttention(site, from: scope)
///     }])
///     let backbone = try Backbone.load(
///       config: "model.yaml", weights: "model.pth", attentions: attentions)
///
/// With `attention: [relu, {type: relu, slope: 0.1}, focused, softmax]` the blocks of the first two stages
/// have the registered attention, those of the second with an option of its own. It reads its parameters
/// from the scope, `attn` below the block, and always sees all tokens of the stage's map: in Swin and CSwin
/// as well, where it takes the place of windows and stripes.
///
/// `focused` and `softmax` are every family's own and cannot be replaced. The attentions of the literature
/// need no registration; one that is registered under the name or the letter of theirs hides it.
/// `attn_type: RRLS` is short for a list: `L` stands for `focused`, `S` for `softmax`, and any other letter
/// for an attention of that name.
/// The types of published softmax models, such as `pvt`, have neither key; take `flatten_pvt`.
public struct AttentionRegistry: Sendable {
  /// Makes the attention of one block.
  public typealias Factory =
    @Sendable (_ site: AttentionSite, _ scope: ParameterScope) throws -> any TokenAttention

  private struct Entry: Sendable {
    let make: Factory
    /// The scope's place below the block.
    let scope: String
  }

  private var entries: [String: Entry] = [:]

  /// No attentions but those of each family and of the literature.
  public init() {}

  /// Registers several modules.
  ///
  /// - Throws: ``BackboneError/reservedAttention(_:)``.
  public init(_ factories: [String: Factory]) throws {
    for (name, factory) in factories { try register(name, factory) }
  }

  /// Registers a module, or replaces the one of that name.
  ///
  /// - Parameters:
  ///   - name: a letter, perhaps followed by letters, digits, `_` and `-`; not a family's own.
  ///   - factory: makes the attention of one block; called for each.
  /// - Throws: ``BackboneError/reservedAttention(_:)``.
  public mutating func register(_ name: String, _ factory: @escaping Factory) throws {
    let isWord =
      name.first.map { $0.isASCII && $0.isLetter } == true
      && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-".contains($0)) }
    guard isWord, AttentionChoice.letters[name] == nil,
      !AttentionChoice.builtIn.contains(AttentionChoice(name))
    else { throw BackboneError.reservedAttention(name) }
    entries[name] = Entry(make: factory, scope: "attn")
  }

  /// The registered names, in alphabetical order.
  public var names: [String] { entries.keys.sorted() }

  /// The same with a family's own attentions.
  ///
  /// - Parameters:
  ///   - own: by name.
  ///   - scope: their parameters' place below the block.
  func adding(_ own: [AttentionChoice: Factory], scope: String = "attn") -> AttentionRegistry {
    var all = self
    for (choice, factory) in own { all.entries[choice.name] = Entry(make: factory, scope: scope) }
    return all
  }

  /// Makes the attention of a block.
  ///
  /// - Parameter block: the block's place.
  func make(
    _ choice: AttentionChoice, _ site: AttentionSite, from block: ParameterScope
  ) throws -> any TokenAttention {
    guard let entry = entry(choice.name) else {
      preconditionFailure("the config was read with an attention '\(choice.name)'")
    }
    let attention = try entry.make(
      site, entry.scope.isEmpty ? block : block.scope(entry.scope))
    try site.options.finish()
    return attention
  }

  /// Whether a config may ask for that name.
  func contains(_ name: String) -> Bool {
    entry(name) != nil || AttentionChoice.builtIn.contains(AttentionChoice(name))
  }

  /// The names that a config may ask for, in words.
  var known: String {
    (AttentionChoice.builtIn.map(\.name) + StandardAttention.all.map(\.name) + names)
      .joined(separator: ", ")
  }

  /// The letters that `attn_type` may have, in words.
  var knownLetters: String {
    let standard = StandardAttention.all.map(\.letter)
    let own = names.filter { $0.count == 1 && !standard.contains($0) }
    return (["L and S"] + standard + own).joined(separator: ", ")
  }

  /// What makes an attention: one that is registered, else one of the literature.
  private func entry(_ name: String) -> Entry? {
    entries[name]
      ?? StandardAttention.named(name).map { attention in
        Entry(make: { try attention.module($0, from: $1) }, scope: "attn")
      }
  }
}
