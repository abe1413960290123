import FlattenFiles
import FlattenTensor

/// Where parameters come from.
package protocol ParameterSource: AnyObject, Sendable {
  /// File name for messages.
  var name: String { get }
  /// All tensors in file order.
  var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] { get }
  /// Writes the tensor's elements, row-major; the buffer has exactly as many.
  func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws
  /// The same, shared out to threads where the source can.
  func read(
    _ name: String, into buffer: UnsafeMutableBufferPointer<Float>, on threads: ThreadPool) throws
}

extension ParameterSource {
  package func read(
    _ name: String, into buffer: UnsafeMutableBufferPointer<Float>, on threads: ThreadPool
  ) throws {
    try read(name, into: buffer)
  }
}

/// Keys of a checkpoint that a model may leave unread.
package struct IgnoredKeys: Sendable {
  /// The key; `*` matches any run of characters, also an empty one and one with dots.
  package let pattern: String
  /// Why nothing is lost by ignoring it.
  package let reason: String

  package init(pattern: String, reason: String) {
    self.pattern = pattern
    self.reason = reason
  }

  /// Whether the pattern covers the whole key.
  func matches(_ key: String) -> Bool {
    let pattern = Array(pattern.utf8)
    let key = Array(key.utf8)
    let star = UInt8(ascii: "*")
    var patternIndex = 0
    var keyIndex = 0
    // Where to resume when a literal run fails: after the last star, one byte of the key further.
    var resume: (pattern: Int, key: Int)?
    while keyIndex < key.count {
      if patternIndex < pattern.count, pattern[patternIndex] == star {
        patternIndex += 1
        resume = (patternIndex, keyIndex)
      } else if patternIndex < pattern.count, pattern[patternIndex] == key[keyIndex] {
        patternIndex += 1
        keyIndex += 1
      } else if let (patternStart, keyStart) = resume {
        patternIndex = patternStart
        keyIndex = keyStart + 1
        resume = (patternStart, keyIndex)
      } else {
        return false
      }
    }
    return pattern[patternIndex...].allSatisfy { $0 == star }
  }
}

/// The named parameters of a checkpoint while a model is built from them.
///
/// Layers ask for tensors by upstream name and shape through a ``ParameterScope``; what does not fit
/// is noted, and ``finish(ignoring:looksLike:)`` reports all of it at once. Two more kinds need no
/// file: ``random(seed:)`` and ``shapesOnly()`` have every tensor that is asked for.
package final class ParameterTree {
  private enum Origin {
    case source(any ParameterSource)
    case random(seed: UInt64)
    case zeros
  }

  private struct Stored {
    let storedName: String
    let shape: [Int]
    let isFloatingPoint: Bool
  }

  private let origin: Origin
  /// How layers prepare what they ask for.
  package let packing: Packing
  /// The keys of the source, in file order and under the names that layers use.
  private let storedNames: [String]
  private let stored: [ExactText: Stored]
  private var requestedNames: Set<ExactText> = []
  private var problems: [ParameterError.Problem] = []
  private var zerosByCount: [Int: Tensor] = [:]

  /// What has been asked for so far, in order, each name once.
  package private(set) var requested: [(name: String, shape: [Int])] = []

  /// The parameters of a checkpoint.
  ///
  /// - Parameters:
  ///   - prefixes: taken off the names, one after another, each where every name has it.
  ///   - packing: the memory and the threads that layers prepare their weights with.
  package init(
    source: any ParameterSource, stripping prefixes: [String] = ["module."],
    packing: Packing = .plain
  ) {
    self.packing = packing
    let parameters = source.parameterShapes
    var names = parameters.map(\.name)
    for prefix in prefixes where !names.isEmpty {
      if names.allSatisfy({ hasBytePrefix($0, prefix) }) {
        names = names.map { droppingBytes(prefix.utf8.count, of: $0) }
      }
    }
    var stored: [ExactText: Stored] = [:]
    for (name, parameter) in zip(names, parameters) {
      stored[ExactText(name)] = Stored(
        storedName: parameter.name, shape: parameter.shape,
        isFloatingPoint: parameter.isFloatingPoint)
    }
    origin = .source(source)
    storedNames = names
    self.stored = stored
  }

  private init(origin: Origin, packing: Packing = .plain) {
    self.origin = origin
    self.packing = packing
    storedNames = []
    stored = [:]
  }

  /// Parameters that depend on their name, their shape and the seed alone; any name exists.
  package static func random(seed: UInt64, packing: Packing = .plain) -> ParameterTree {
    ParameterTree(origin: .random(seed: seed), packing: packing)
  }

  /// Zeros under any name, in memory that tensors of one size share: for counting parameters.
  package static func shapesOnly() -> ParameterTree {
    ParameterTree(origin: .zeros)
  }

  /// The scope of the whole model.
  package var root: ParameterScope { ParameterScope(tree: self, path: "") }

  /// Elements of all tensors asked for, without the running statistics of batch norms.
  package var parameterCount: Int {
    requested.reduce(0) { sum, tensor in
      let isBuffer =
        hasByteSuffix(tensor.name, "running_mean") || hasByteSuffix(tensor.name, "running_var")
      return isBuffer ? sum : sum + tensor.shape.reduce(1, *)
    }
  }

  /// Ends the loading.
  ///
  /// - Parameters:
  ///   - ignoring: keys that may be left over.
  ///   - looksLike: says from all keys what model the file holds, for the error's text.
  /// - Throws: ``ParameterError`` with every key that is missing, left over, of another shape or of
  ///   another type.
  package func finish(
    ignoring: [IgnoredKeys], looksLike: ((Set<String>) -> String?)? = nil
  ) throws {
    guard case .source(let source) = origin else { return }
    var all = problems
    for name in storedNames where !requestedNames.contains(ExactText(name)) {
      guard let entry = stored[ExactText(name)],
        !ignoring.contains(where: { $0.matches(name) })
      else { continue }
      all.append(.leftOver(name: name, shape: entry.shape))
    }
    guard !all.isEmpty else { return }
    throw ParameterError(
      path: source.name, problems: all, looksLike: looksLike?(Set(storedNames)))
  }

  // MARK: What scopes ask for

  func contains(_ name: String) -> Bool {
    guard case .source = origin else { return true }
    return stored[ExactText(name)] != nil
  }

  func shape(of name: String) -> [Int]? { stored[ExactText(name)]?.shape }

  func names(below prefix: String) -> [String] {
    storedNames.filter { hasBytePrefix($0, prefix) }
      .map { droppingBytes(prefix.utf8.count, of: $0) }
  }

  func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
    let isFirst = requestedNames.insert(ExactText(name)).inserted
    if isFirst { requested.append((name, shape)) }
    guard case .source = origin else { return try values(of: name, shape) }

    let problem: ParameterError.Problem
    if let entry = stored[ExactText(name)] {
      if entry.shape != shape {
        problem = .shape(name: name, found: entry.shape, expected: shape)
      } else if !entry.isFloatingPoint {
        problem = .type(name: name)
      } else {
        return try values(of: name, shape)
      }
    } else {
      problem = .missing(name: name, expected: shape)
    }
    if !problems.contains(problem) { problems.append(problem) }
    return zeros(shape)
  }

  /// The elements of a tensor that is known to fit; also used to write them out again.
  private func values(of name: String, _ shape: [Int]) throws -> Tensor {
    if case .zeros = origin { return zeros(shape) }
    // Layers keep small ones as they are, which would keep all of the pool's memory.
    let isKept = shape.reduce(1, *) < Self.leastStaged
    return try Tensor(Shape(shape), pool: isKept ? nil : packing.staging) {
      try fill($0, name: name, shape: shape)
    }
  }

  private static let leastStaged = 1 << 14

  /// Writes the elements of one tensor.
  func fill(_ buffer: UnsafeMutableBufferPointer<Float>, name: String, shape: [Int]) throws {
    switch origin {
    case .source(let source):
      try source.read(
        stored[ExactText(name)]?.storedName ?? name, into: buffer, on: packing.threads)
    case .random(let seed):
      RandomInitialisation(name: name, shape: shape).fill(buffer, seed: seed)
    case .zeros:
      buffer.initialize(repeating: 0)
    }
  }

  /// Zeros that all tensors of one size share: tensors are immutable once made.
  private func zeros(_ shape: [Int]) -> Tensor {
    let shape = Shape(shape)
    let count = shape.elementCount
    if let known = zerosByCount[count] { return known.reshaped(shape) }
    let made = Tensor(zeros: shape)
    zerosByCount[count] = made
    return made
  }
}

/// A place in the tree of parameter names; layers know their own names only.
public struct ParameterScope {
  private let tree: ParameterTree
  /// The place, such as `backbone.block1.0`; empty at the root.
  public let path: String

  init(tree: ParameterTree, path: String) {
    self.tree = tree
    self.path = path
  }

  /// A place where every parameter exists, with random values that depend on its name, its shape and the
  /// seed alone: for a layer by itself, as in tests.
  public static func random(seed: UInt64) -> ParameterScope {
    ParameterTree.random(seed: seed).root
  }

  /// The scope below, `block1.0` or `block1`.
  public func scope(_ name: String) -> ParameterScope {
    ParameterScope(tree: tree, path: full(name))
  }

  /// The scope of one item of a list.
  public func scope(_ index: Int) -> ParameterScope { scope(String(index)) }

  /// The tensor of that name, row-major, in the shape that PyTorch saved.
  ///
  /// Where it is missing, or of another shape or type, that is noted and zeros are given; when the whole
  /// model has been built, loading ends with one ``ParameterError`` that lists all problems.
  ///
  /// - Throws: `FileError` where the file cannot be read.
  public func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
    try tree.tensor(full(name), shape)
  }

  /// The tensor of that name, or `nil` where there is none. Otherwise as ``tensor(_:_:)``.
  public func tensorIfPresent(_ name: String, _ shape: [Int]) throws -> Tensor? {
    contains(name) ? try tensor(name, shape) : nil
  }

  /// How a layer prepares what it asks for.
  package var packing: Packing { tree.packing }

  /// Whether the file has exactly this key; always true without a file.
  public func contains(_ name: String) -> Bool { tree.contains(full(name)) }

  /// The shape the file has under that name; `nil` where it has none, and always without a file.
  public func shape(of name: String) -> [Int]? { tree.shape(of: full(name)) }

  /// The names below this scope, relative to it, in file order; none without a file.
  package func keys() -> [String] { tree.names(below: path.isEmpty ? "" : path + ".") }

  private func full(_ name: String) -> String {
    path.isEmpty ? name : name.isEmpty ? path : "\(path).\(name)"
  }
}
