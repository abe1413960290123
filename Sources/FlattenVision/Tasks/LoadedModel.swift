import FlattenBackbones
import FlattenCheckpoint
import FlattenModels
import FlattenRegions
import FlattenTensor

/// A network with what running it takes: threads, memory, precision, and the checks before and after a run.
///
/// Immutable and safe to call from many threads at once; the bits of a result depend neither on the
/// number of threads nor on who else is calling.
package struct LoadedModel<Network: TaskModel>: Sendable {
  package let network: Network
  package let threads: ThreadPool
  package let memory = BufferPool()
  /// How weights and the left sides of products are stored.
  package let precision: Precision
  /// What the model was loaded for.
  package let purpose: Purpose
  /// Elements of all parameters.
  package let parameterCount: Int
  /// The parameters as the checkpoint has them; none where the model is not loaded for training.
  package let parameters: ModelParameters
  /// Warnings from loading, such as weights that are not finite, or threads that could not be started.
  package let warnings: [String]

  /// Builds the network from all parameters of a tree.
  ///
  /// - Parameters:
  ///   - c: its config's `model` section.
  ///   - threads: those that the tree's parameters are prepared with.
  ///   - looksLike: says what model the weights are of, for errors.
  ///   - warnings: of the weights; asked when they have been read.
  /// - Throws: `ParameterError` where they do not fit.
  package init(
    _ c: Network.Configuration, _ tree: ParameterTree, threads: ThreadPool,
    looksLike: @escaping () -> String? = { nil }, warnings: () -> [String] = { [] }
  ) throws {
    network = try Network.load(c, from: tree.root)
    try tree.finish(ignoring: Network.ignoredKeys(c)) { _ in looksLike() }
    precision = tree.context.precision
    purpose = tree.context.purpose
    parameterCount = tree.parameterCount
    parameters = tree.parameters
    self.warnings = warnings() + [threads.shortage].compactMap { $0 }
    self.threads = threads
  }

  /// So many threads, or one for each processor.
  ///
  /// - Throws: ``InferenceError/noMemory(threads:bytes:)``.
  package static func pool(of threads: Int?) throws -> ThreadPool {
    let count = max(1, threads ?? Processors.available)
    let bytes = MemoryNeed.bytes(threads: count)
    guard MemoryNeed.isMet(bytes) else {
      throw InferenceError.noMemory(threads: count, bytes: bytes)
    }
    return ThreadPool(threads: count)
  }

  /// Takes the memory that an input of some size needs, before the input itself, so that both lie together.
  ///
  /// - Throws: ``InferenceError/inputTooLarge(_:bytes:)``.
  package func makeRoom(for size: PixelSize) throws {
    let bytes = try requireMemory(for: size)
    memory.reserve(bytes: bytes)
  }

  /// Refuses an input that there is no memory for.
  ///
  /// - Returns: the bytes it needs.
  /// - Throws: ``InferenceError/inputTooLarge(_:bytes:)``.
  @discardableResult
  package func requireMemory(for size: PixelSize) throws -> Int {
    let bytes = MemoryNeed.bytes(height: size.height, width: size.width)
    guard MemoryNeed.isMet(bytes) else {
      throw InferenceError.inputTooLarge(size, bytes: bytes)
    }
    return bytes
  }

  /// Runs the network on an input `[1, H, W, 3]` that there is room for.
  ///
  /// - Throws: ``InferenceError/scoresNotFinite``.
  package func callAsFunction(_ input: Tensor) throws -> Network.Output {
    let output = network(
      input, ForwardPass(threads: threads, memory: memory, purpose: purpose))
    guard Network.scores(of: output).allSatisfy({ $0.isFinite(threads) }) else {
      throw InferenceError.scoresNotFinite
    }
    return output
  }

  /// The same for an input that no room was made for yet.
  package func run(_ input: Tensor) throws -> Network.Output {
    try makeRoom(for: PixelSize(height: input.shape[1], width: input.shape[2]))
    return try self(input)
  }
}

/// What all networks of this library have in common.
enum NetworkInput {
  /// The least height and width: below it the coarsest map would be empty.
  static let leastSide = 32
}
