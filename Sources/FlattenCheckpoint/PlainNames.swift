import FlattenFiles
import FlattenTensor

/// The names of a checkpoint's tensors without what training tools put before them or between their parts,
/// and without the tensors that such tools add.
///
/// torch.compile puts `_orig_mod.` before the names of what it compiles, data-parallel training and averaging
/// `module.`, Lightning `model.`, and a class around a network whatever it calls it: `net.`, `segmentor.`.
/// What is before every name goes, one part after another, as long as the names are no model's; so does
/// what stands for a wrapper anywhere. `n_averaged` of torch's AveragedModel, `steps` of mmengine's, and the
/// `ema_` copies of mmcv are left out.
struct PlainNames {
  /// One tensor that is kept.
  struct Name: Equatable {
    /// Its index among the checkpoint's tensors.
    let index: Int
    let plain: String
  }

  /// The tensors that are kept, in the order of the checkpoint.
  private(set) var names: [Name]
  /// What was taken off the beginning of every name that is kept; empty where nothing was.
  private(set) var prefix = ""
  /// How many names lost something in their middle.
  private(set) var shortenedInside = 0
  /// What it was.
  private(set) var wrappersInside: [String] = []
  /// The tensors that are left out, by their names in the file.
  private(set) var leftOut: [String] = []
  /// Where the names are no model's: below which of their first parts there may be one.
  private(set) var places: KeyPlaces?

  /// Parts that wrappers insert wherever a module is wrapped; nothing else is called so.
  private static let wrappers: Set<String> = [
    "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
  ]
  /// Tensors that averaging adds beside a model that is below `module.`.
  private static let counters: Set<String> = ["n_averaged", "steps"]
  private static let depthLimit = 16

  /// - Parameters:
  ///   - parameters: the checkpoint's tensors.
  ///   - outer: parts that are taken off although no model is recognised behind them.
  ///   - isModel: whether names are those of a model.
  init(
    _ parameters: [(name: String, shape: [Int], isFloatingPoint: Bool)],
    outer: Set<String> = ["module", "model"], recognising isModel: (Set<String>) -> Bool
  ) {
    names = parameters.enumerated().map { Name(index: $0, plain: Self.unwrapped($1.name)) }
    if Set(names.map { ExactText($0.plain) }).count < names.count {
      // Two would become one.
      names = parameters.enumerated().map { Name(index: $0, plain: $1.name) }
    }
    func isCounter(_ name: Name) -> Bool {
      let parameter = parameters[name.index]
      return Self.counters.contains(name.plain) && !parameter.isFloatingPoint
        && parameter.shape.allSatisfy { $0 == 1 }
    }
    // The names as they are, and with one, two, ... parts less.
    var levels = [names]
    var parts: [String] = []
    while let level = levels.last, levels.count <= Self.depthLimit {
      var rest = level
      var first = Self.commonPart(rest)
      if first == nil {
        rest = level.filter { !isCounter($0) }
        first = rest.count < level.count && Self.commonPart(rest) == "module" ? "module" : nil
      }
      guard let first else { break }
      parts.append(first)
      levels.append(
        rest.map {
          Name(index: $0.index, plain: droppingBytes(first.utf8.count + 1, of: $0.plain))
        })
    }
    let model = levels.firstIndex { isModel(Set($0.map(\.plain))) }
    let depth = model ?? parts.prefix { outer.contains($0) }.count
    names = levels[depth]
    if model == nil {
      places =
        depth < parts.count
        ? KeyPlaces(names: [parts[depth]], holdModels: false) : Self.models(among: names, isModel)
    }
    leaveOutCopies()
    describe(parameters.map(\.name))
  }

  /// A name without the parts that wrappers insert.
  private static func unwrapped(_ name: String) -> String {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    let kept = parts.dropLast().filter { !wrappers.contains(String($0)) } + parts.suffix(1)
    return kept.count == parts.count ? name : kept.joined(separator: ".")
  }

  /// The first part of all names, where each goes on behind it.
  private static func commonPart(_ names: [Name]) -> String? {
    guard let first = names.first?.plain,
      let dot = first.utf8.firstIndex(of: UInt8(ascii: ".")), dot > first.startIndex
    else { return nil }
    let prefix = String(first[...dot])
    let count = prefix.utf8.count
    return names.allSatisfy { hasBytePrefix($0.plain, prefix) && $0.plain.utf8.count > count }
      ? String(prefix.dropLast()) : nil
  }

  /// The first parts of names below which there is a model.
  private static func models(
    among names: [Name], _ isModel: (Set<String>) -> Bool
  ) -> KeyPlaces? {
    var order: [String] = []
    var below: [ExactText: Set<String>] = [:]
    for name in names {
      guard let dot = name.plain.utf8.firstIndex(of: UInt8(ascii: ".")) else { continue }
      let first = String(name.plain[..<dot])
      if below[ExactText(first)] == nil { order.append(first) }
      below[ExactText(first), default: []].insert(
        unwrapped(droppingBytes(first.utf8.count + 1, of: name.plain)))
    }
    let found = order.filter { first in below[ExactText(first)].map(isModel) ?? false }
    return found.isEmpty ? nil : KeyPlaces(names: found, holdModels: true)
  }

  private mutating func leaveOutCopies() {
    let copies = Set(AveragedCopies(names.map(\.plain)).copies.values)
    guard !copies.isEmpty else { return }
    names = names.indices.compactMap { copies.contains($0) ? nil : names[$0] }
  }

  /// Says what was done to the names.
  private mutating func describe(_ stored: [String]) {
    let kept = Set(names.map(\.index))
    leftOut = stored.indices.filter { !kept.contains($0) }.map { stored[$0] }
    // What stands before all names alike; the rest was inside.
    let befores = names.map { name -> String? in
      let whole = stored[name.index]
      guard hasByteSuffix(whole, name.plain) else { return nil }
      return String(decoding: whole.utf8.dropLast(name.plain.utf8.count), as: UTF8.self)
    }
    var counts: [String: Int] = [:]
    for case let before? in befores { counts[before, default: 0] += 1 }
    guard let (common, count) = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else {
      return
    }
    prefix = common
    shortenedInside = names.count - count
    if shortenedInside > 0 {
      let parts = Set(stored.flatMap { $0.split(separator: ".").map(String.init) })
      wrappersInside = Self.wrappers.intersection(parts).sorted()
    }
  }
}

/// First parts of keys below which a model may be.
package struct KeyPlaces: Sendable, Equatable {
  /// At least one, without their dots.
  package let names: [String]
  /// Whether the keys below each are a model's; else all keys are below the one.
  package let holdModels: Bool

  /// What is so, as a sentence: "Keys of a model are below 'student' and 'teacher'."
  var fact: String {
    holdModels
      ? "Keys of a model are below \(listed(names))."
      : "All its keys are below \(listed(names)), which the config's are not."
  }
}

/// A checkpoint's tensors under plain names; see ``PlainNames``.
package final class PlainParameters: ParameterSource {
  private let source: any ParameterSource
  private let storedNames: [ExactText: String]
  /// What was taken off the beginning of the names.
  package let prefix: String
  /// The tensors that are left out, by their names in the file.
  package let leftOut: [String]
  /// What the user should be told of the names.
  package let notes: [String]
  private let places: KeyPlaces?

  package let parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)]

  /// - Parameters:
  ///   - isOwn: whether the names may be those of a model of the caller's own, which may begin with `model.`.
  ///   - isModel: whether names are those of a model.
  package init(
    _ source: any ParameterSource, isOwn: Bool = false,
    recognising isModel: (Set<String>) -> Bool
  ) {
    let parameters = source.parameterShapes
    let names = PlainNames(
      parameters, outer: isOwn ? ["module"] : ["module", "model"], recognising: isModel)
    self.source = source
    storedNames = Dictionary(
      names.names.map { (ExactText($0.plain), parameters[$0.index].name) },
      uniquingKeysWith: { first, _ in first })
    parameterShapes = names.names.map {
      ($0.plain, parameters[$0.index].shape, parameters[$0.index].isFloatingPoint)
    }
    prefix = names.prefix
    leftOut = names.leftOut
    places = isOwn ? nil : names.places
    notes = Self.notes(names, of: source.name)
  }

  private static func notes(_ names: PlainNames, of file: String) -> [String] {
    var facts: [String] = []
    if !names.prefix.isEmpty {
      facts.append("every key begins with '\(printable(names.prefix))', which is taken off")
    }
    if names.shortenedInside > 0 {
      facts.append(
        "\(listed(names.wrappersInside)) is taken out of \(names.shortenedInside) keys")
    }
    return facts.map { "\(printable(file, limit: 200)): \($0)" }
  }

  package var name: String { source.name }

  private func stored(_ name: String) -> String { storedNames[ExactText(name)] ?? name }

  package func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    try source.read(stored(name), into: buffer)
  }

  package func read(
    _ name: String, into buffer: UnsafeMutableBufferPointer<Float>, on threads: ThreadPool
  ) throws {
    try source.read(stored(name), into: buffer, on: threads)
  }

  package func tensor(_ name: String) -> Tensor? { source.tensor(stored(name)) }

  /// Loads a model; where the names do not fit, the error says below which parts of them a model may be.
  package func explaining<Result>(_ load: () throws -> Result) throws -> Result {
    do {
      return try load()
    } catch var error as ParameterError {
      error.places = places
      throw error
    }
  }
}
