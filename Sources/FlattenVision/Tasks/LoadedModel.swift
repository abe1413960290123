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
  private let needs = SizedNeeds()

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

  /// The bytes that one run takes, its input and its output included.
  ///
  /// - Parameters:
  ///   - size: of the network's input.
  ///   - purpose: of the run; `nil` is the one that the model was loaded for.
  /// - Throws: ``InferenceError/pictureRefused(_:reason:)``.
  package func memoryNeed(of size: PixelSize, for purpose: Purpose? = nil) throws -> Int {
    let purpose = purpose ?? self.purpose
    return try needs.bytes(for: size, purpose) {
      do {
        return try MemoryNeed.bytes(
          input: Shape(1, size.height, size.width, 3), threads: threads.threads, purpose
        ) { _ = network($0, $1) }
      } catch BackboneError.pictureRefused(_, _, let reason) {
        throw InferenceError.pictureRefused(size, reason: reason)
      }
    }
  }

  /// Takes the memory of a picture's runs at once, so that all of it lies together.
  ///
  /// - Parameters:
  ///   - need: of which the runs' part is taken.
  ///   - size: of the picture, for the error.
  ///   - windowsHelp: whether sliding windows would need less, for the error.
  /// - Throws: ``InferenceError/pictureTooLarge(_:bytes:windowsHelp:)``.
  package func makeRoom(
    _ need: PictureNeed, for size: PixelSize, windowsHelp: Bool = false
  ) throws {
    let beside = need.results + need.pictures
    guard memory.reserve(bytes: need.runs, where: { MemoryNeed.isMet($0 + beside) }),
      MemoryNeed.isMet(beside)
    else {
      throw InferenceError.pictureTooLarge(
        size, bytes: need.runs + beside, windowsHelp: windowsHelp)
    }
  }

  /// Runs the network on an input `[1, H, W, 3]` that there is room for.
  ///
  /// - Throws: ``InferenceError/scoresNotFinite``.
  package func callAsFunction(_ input: Tensor) throws -> Network.Output {
    try run { network, pass in
      let output = network(input, pass)
      try requireFinite(Network.scores(of: output))
      return output
    }
  }

  /// Runs parts of the network, for which there is room.
  package func run<Result>(
    _ body: (Network, ForwardPass) throws -> Result
  ) rethrows -> Result {
    try body(network, ForwardPass(threads: threads, memory: memory, purpose: purpose))
  }

  /// Refuses scores that are NaN or infinite.
  ///
  /// - Throws: ``InferenceError/scoresNotFinite``.
  package func requireFinite(_ scores: [Tensor]) throws {
    guard scores.allSatisfy({ $0.isFinite(threads) }) else {
      throw InferenceError.scoresNotFinite
    }
  }
}

/// What all networks of this library have in common.
enum NetworkInput {
  /// The least height and width: below it the coarsest map would be empty.
  static let leastSide = 32
}

/// The bytes that a picture needs beside itself.
package struct PictureNeed: Sendable {
  /// What the network's runs take, and what is kept between them.
  package let runs: Int
  /// What is made of the picture and stays.
  package let results: Int
  /// Other sizes of the picture, until its result is there.
  package let pictures: Int

  package init(runs: Int, results: Int, pictures: Int) {
    self.runs = runs
    self.results = results
    self.pictures = pictures
  }

  /// The most that is needed at once.
  ///
  /// - Parameters:
  ///   - decoding: bytes that decoding the picture takes, before anything else.
  ///   - outputs: bytes that writing the results takes, when all is computed.
  func most(decoding: Int, outputs: Int = 0) -> Int {
    max(decoding, runs + results + max(pictures, outputs))
  }
}

/// What the last sizes of input need: pictures of one size are counted once.
private final class SizedNeeds: Sendable {
  private struct Size: Hashable {
    let size: PixelSize
    let purpose: Purpose
  }

  private let known = Locked<[Size: Int]>([:])

  func bytes(for size: PixelSize, _ purpose: Purpose, count: () throws -> Int) rethrows -> Int {
    let key = Size(size: size, purpose: purpose)
    if let bytes = known.withLock({ $0[key] }) { return bytes }
    let bytes = try count()
    known.withLock { known in
      if known.count >= 64 { known.removeAll() }
      known[key] = bytes
    }
    return bytes
  }
}
