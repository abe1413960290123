import FlattenFiles
import FlattenTensor

/// The memory that a model needs, asked for before it is taken: running out of it later would end the process.
package enum MemoryNeed {
  /// The model's weights, packed, and the buffers of reading and writing.
  private static let bytesBeside = 96 << 20
  /// Beyond so many pixels, 2^32, nothing is counted: no system has the memory, and costs would overflow.
  package static let mostPixels = 1 << 32
  /// Room for what each thread lends itself for a piece of an operator's work. Which pieces come together
  /// differs from pass to pass; this is some times what one takes, so that it never is too small, and a
  /// second pass takes nothing from the system.
  private static let bytesOfPieces = 4 << 20
  /// Addresses that the C library's heap reserves for a thread, at most.
  private static let bytesPerThread = 128 << 20

  /// What so many threads need.
  package static func bytes(threads: Int) -> Int { threads * bytesPerThread + bytesBeside }

  /// What a pass needs, its input and its output included: counted by a dry run, which takes no memory.
  ///
  /// - Parameters:
  ///   - input: `[B, H, W, C]`.
  ///   - purpose: of the pass.
  ///   - network: is called once.
  /// - Throws: ``BackboneError/pictureRefused(width:height:reason:)``.
  package static func bytes(
    input: Shape, threads: Int, _ purpose: Purpose, _ network: (Tensor, ForwardPass) -> Void
  ) throws -> Int {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), purpose: purpose, isDryRun: true)
    guard let memory = pass.memory else { return 0 }
    network(Tensor(uninitialized: input, pool: memory), pass)
    if let reason = pass.refusal {
      throw BackboneError.pictureRefused(width: input[2], height: input[1], reason: reason)
    }
    return memory.mostBytes + pass.keptBytes + threads * bytesOfPieces
  }

  /// Whether the system would give so many bytes, addresses and memory.
  package static func isMet(_ bytes: Int) -> Bool {
    if bytes <= 32 << 20 { return true }
    guard isMemoryAvailable(bytes) else { return false }
    return bytes <= FreeMemory.bytes ?? .max
  }
}
