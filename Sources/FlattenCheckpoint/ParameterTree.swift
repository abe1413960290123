import FlattenFiles
import FlattenTensor

/// A source of named parameters: a checkpoint, or one under other names.
package protocol ParameterSource: AnyObject, Sendable {
  /// File name for messages.
  var name: String { get }
  /// All tensors, in the file's order.
  var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] { get }
  /// Writes the tensor's elements, row-major, into a buffer of exactly their number.
  func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws
  /// Writes the tensor's elements as ``read(_:into:)`` does, on several threads where the source
  /// can.
  func read(
    _ name: String, into buffer: UnsafeMutableBufferPointer<Float>, on threads: ThreadPool) throws
  /// The tensor itself where it is in memory already; `nil` where it has to be read.
  func tensor(_ name: String) -> Tensor?
}

extension ParameterSource {
  package func read(
    _ name: String, into buffer: UnsafeMutableBufferPointer<Float>, on threads: ThreadPool
  ) throws {
    try read(name, into: buffer)
  }

  package func tensor(_ name: String) -> Tensor? { nil }
}

/// Keys of a checkpoint that a model may leave unread.
package struct IgnoredKeys: Sendable {
  /// The key; `*` matches any run of characters, also an empty one and one with dots.
  package let pattern: String
  /// The reason why the model does not need it.
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
/// Layers ask for tensors by upstream name and shape through a ``ParameterScope``. Misfits are
/// noted, and ``finish(ignoring:looksLike:)`` reports all of them at once. ``random(seed:)`` and
/// ``shapesOnly()`` need no file and have every tensor.
package final class ParameterTree {
  private enum Origin {
    case source(any ParameterSource)
    case random(seed: UInt64)
    case zeros
  }

  private struct Stored {
    let shape: [Int]
    let isFloatingPoint: Bool
  }

  private let origin: Origin
  /// How layers prepare what they ask for.
  package let context: LoadingContext
  /// The keys of the source, in file order.
  private let storedNames: [String]
  private let stored: [ExactText: Stored]
  private var requestedNames: Set<ExactText> = []
  private var problems: [ParameterError.Problem] = []
  private var zerosByCount: [Int: Tensor] = [:]

  /// All parameters that have been asked for so far, in order, each name once.
  package private(set) var requested: [(name: String, shape: [Int])] = []

  /// Their values, where the model is loaded for training: what ``parameters`` gives.
  private var values: [ExactText: Tensor] = [:]
  /// How each begins where there is no file.
  private var initialValues: [ExactText: InitialValues] = [:]

  /// The parameters of a checkpoint.
  ///
  /// - Parameters:
  ///   - context: the memory and the threads that layers prepare their weights with.
  package init(source: any ParameterSource, context: LoadingContext = .plain) {
    self.context = context
    let parameters = source.parameterShapes
    var stored: [ExactText: Stored] = [:]
    for parameter in parameters {
      stored[ExactText(parameter.name)] = Stored(
        shape: parameter.shape, isFloatingPoint: parameter.isFloatingPoint)
    }
    origin = .source(source)
    storedNames = parameters.map(\.name)
    self.stored = stored
  }

  private init(origin: Origin, context: LoadingContext) {
    self.origin = origin
    self.context = context
    storedNames = []
    stored = [:]
  }

  /// Parameters that depend on their name, their shape and the seed alone; any name exists.
  package static func random(
    seed: UInt64, context: LoadingContext = .plain
  ) -> ParameterTree {
    ParameterTree(origin: .random(seed: seed), context: context)
  }

  /// Zeros under any name, in memory that tensors of one size share: for counting parameters.
  package static func shapesOnly() -> ParameterTree {
    ParameterTree(origin: .zeros, context: .plain)
  }

  /// The model's parameters as the checkpoint has them, in the order its layers ask for them. Of a model
  /// that is not loaded for ``Purpose/training`` there are none.
  package var parameters: ModelParameters {
    ModelParameters(
      requested.compactMap { parameter in
        values[ExactText(parameter.name)].map {
          (parameter.name, $0.reshaped(Shape(parameter.shape)))
        }
      })
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
  ///   - looksLike: guesses the model from all keys, for the error's text.
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

  // MARK: Requests of scopes

  func contains(_ name: String) -> Bool {
    guard case .source = origin else { return true }
    return stored[ExactText(name)] != nil
  }

  func shape(of name: String) -> [Int]? { stored[ExactText(name)]?.shape }

  func names(below prefix: String) -> [String] {
    storedNames.filter { hasBytePrefix($0, prefix) }
      .map { droppingBytes(prefix.utf8.count, of: $0) }
  }

  func tensor(_ name: String, _ shape: [Int], initially: InitialValues) throws -> Tensor {
    if requestedNames.insert(ExactText(name)).inserted {
      requested.append((name, shape))
      initialValues[ExactText(name)] = initially
    }
    let tensor = try fitting(name, shape)
    if context.purpose == .training { values[ExactText(name)] = tensor }
    return tensor
  }

  private func fitting(_ name: String, _ shape: [Int]) throws -> Tensor {
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

  /// The elements of a tensor whose name, shape and type have been checked; also for writing them.
  private func values(of name: String, _ shape: [Int]) throws -> Tensor {
    if case .zeros = origin { return zeros(shape) }
    if case .source(let source) = origin,
      let tensor = source.tensor(name)
    {
      return tensor.reshaped(Shape(shape))
    }
    // Layers keep small ones as they are, which would keep all of the pool's memory.
    let isKept = shape.reduce(1, *) < Self.leastStaged
    return try Tensor(Shape(shape), pool: isKept ? nil : context.staging) {
      try fill($0, name: name, shape: shape)
    }
  }

  private static let leastStaged = 1 << 14

  /// Writes the elements of one tensor.
  func fill(_ buffer: UnsafeMutableBufferPointer<Float>, name: String, shape: [Int]) throws {
    switch origin {
    case .source(let source):
      try source.read(name, into: buffer, on: context.threads)
    case .random(let seed):
      let initially = initialValues[ExactText(name)] ?? .zeros
      initially.fill(buffer, name: name, shape: shape, seed: seed)
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
  /// Places whose layers read their parameters but prepare nothing of them.
  private var unprepared: Set<String> = []

  init(tree: ParameterTree, path: String) {
    self.tree = tree
    self.path = path
  }

  private func at(_ path: String) -> ParameterScope {
    var scope = ParameterScope(tree: tree, path: path)
    scope.unprepared = unprepared
    return scope
  }

  /// The same scope, in which the layers at some places prepare nothing for themselves, because another one
  /// computes them.
  package func leavingUnprepared(_ paths: Set<String>) -> ParameterScope {
    var scope = self
    scope.unprepared = paths
    return scope
  }

  /// Whether the layer at this place prepares its weights for the kernels.
  package var isPrepared: Bool { !unprepared.contains(path) }

  /// A parameter for a layer to keep: where the model is loaded for training, else `nil`, because the
  /// kernels' form of it is enough.
  package func kept(_ parameter: Tensor) -> Tensor? {
    context.purpose == .training ? parameter : nil
  }

  /// A place where every parameter exists, with random values that depend on its name, its shape and the
  /// seed alone: for a layer by itself, as in tests.
  public static func random(seed: UInt64) -> ParameterScope {
    ParameterTree.random(seed: seed).root
  }

  /// The scope below, `block1.0` or `block1`.
  public func scope(_ name: String) -> ParameterScope {
    at(full(name))
  }

  /// The scope of one item of a list.
  public func scope(_ index: Int) -> ParameterScope { scope(String(index)) }

  /// The tensor of that name, row-major, in the shape that PyTorch saved.
  ///
  /// A tensor that is missing, or of another shape or type, is noted and zeros are returned:
  /// loading ends with one ``ParameterError`` that lists all problems.
  ///
  /// - Parameters:
  ///   - name: below this scope.
  ///   - shape: as PyTorch saved it.
  ///   - initially: how it begins where there is no file.
  /// - Throws: `FileError` where the file cannot be read.
  public func tensor(
    _ name: String, _ shape: [Int], initially: InitialValues = .fanIn
  ) throws -> Tensor {
    try tree.tensor(full(name), shape, initially: initially)
  }

  /// The tensor of that name, or `nil` where there is none. Otherwise as ``tensor(_:_:initially:)``.
  public func tensorIfPresent(
    _ name: String, _ shape: [Int], initially: InitialValues = .fanIn
  ) throws -> Tensor? {
    contains(name) ? try tensor(name, shape, initially: initially) : nil
  }

  /// The memory and the threads that a layer prepares its weights with, and the purpose of the model.
  package var context: LoadingContext { tree.context }

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
