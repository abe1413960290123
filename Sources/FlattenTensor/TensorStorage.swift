/// The memory behind a tensor: 64-byte aligned, given back to its pool when the last tensor goes.
///
/// Unchecked: the contents are written by one operator before the tensor is handed on and only read
/// after that.
package final class TensorStorage: @unchecked Sendable {
  package let buffer: UnsafeMutableBufferPointer<Float>
  private let block: MemoryBlock
  private let pool: BufferPool?

  init(count: Int, pool: BufferPool?) {
    let bytes = count * MemoryLayout<Float>.stride
    block = pool?.take(bytes: bytes) ?? MemoryBlock(bytes: bytes)
    buffer = UnsafeMutableBufferPointer(
      start: block.address.assumingMemoryBound(to: Float.self), count: count)
    self.pool = pool
  }

  deinit {
    if let pool { pool.put(block) } else { block.free() }
  }

  package var pointer: UnsafeMutablePointer<Float> {
    block.address.assumingMemoryBound(to: Float.self)
  }
}

/// An aligned piece of memory.
struct MemoryBlock: @unchecked Sendable {
  let address: UnsafeMutableRawPointer
  let bytes: Int

  init(bytes: Int) {
    self.bytes = Self.size(for: bytes)
    address = UnsafeMutableRawPointer.allocate(byteCount: self.bytes, alignment: 64)
  }

  /// The bytes that a request takes.
  static func size(for bytes: Int) -> Int { max(bytes, 64) }

  func free() { address.deallocate() }
}

/// Memory kept between operators, so that a repeated forward pass of one size allocates nothing.
///
/// Blocks are reused for requests that fill at least half of them. What lies idle never exceeds what
/// was once in use together; beyond that the block that has been idle longest is freed, so that
/// pictures of ever new sizes do not pile up. Safe to use from several threads.
package final class BufferPool: Sendable {
  private struct State {
    /// Longest idle first.
    var idle: [MemoryBlock] = []
    var idleBytes = 0
    var usedBytes = 0
    var mostUsedBytes = 0
  }

  private let state = Locked(State())

  package init() {}

  deinit { trim() }

  /// Bytes that lie ready for reuse.
  var idleBytes: Int { state.withLock { $0.idleBytes } }

  /// Frees every block not in use.
  package func trim() {
    state.withLock { state in
      state.idle.forEach { $0.free() }
      state.idle.removeAll()
      state.idleBytes = 0
    }
  }

  func take(bytes: Int) -> MemoryBlock {
    let found = state.withLock { state -> MemoryBlock? in
      var best: Int?
      for (index, block) in state.idle.enumerated()
      where block.bytes >= bytes && block.bytes / 2 <= max(bytes, 64) {
        if best.map({ state.idle[$0].bytes > block.bytes }) ?? true { best = index }
      }
      let block = best.map { state.idle.remove(at: $0) }
      state.idleBytes -= block?.bytes ?? 0
      state.usedBytes += block?.bytes ?? MemoryBlock.size(for: bytes)
      state.mostUsedBytes = max(state.mostUsedBytes, state.usedBytes)
      return block
    }
    return found ?? MemoryBlock(bytes: bytes)
  }

  func put(_ block: MemoryBlock) {
    state.withLock { state in
      state.usedBytes -= block.bytes
      state.idle.append(block)
      state.idleBytes += block.bytes
      while state.idleBytes > state.mostUsedBytes {
        let oldest = state.idle.removeFirst()
        state.idleBytes -= oldest.bytes
        oldest.free()
      }
    }
  }
}
