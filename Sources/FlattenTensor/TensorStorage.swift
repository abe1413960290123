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
    self.bytes = max(bytes, 64)
    address = UnsafeMutableRawPointer.allocate(byteCount: self.bytes, alignment: 64)
  }

  func free() { address.deallocate() }
}

/// Memory kept between operators, so that a repeated forward pass of one size allocates nothing.
///
/// Blocks are reused for requests that fill at least half of them; what lies idle beyond that is
/// freed when the pool goes. Safe to use from several threads.
package final class BufferPool: Sendable {
  private let idle = Locked<[MemoryBlock]>([])

  package init() {}

  deinit {
    idle.withLock { blocks in blocks.forEach { $0.free() } }
  }

  /// Bytes that lie ready for reuse.
  var idleBytes: Int { idle.withLock { $0.reduce(0) { $0 + $1.bytes } } }

  /// Frees every block not in use.
  package func trim() {
    idle.withLock { blocks in
      blocks.forEach { $0.free() }
      blocks.removeAll()
    }
  }

  func take(bytes: Int) -> MemoryBlock {
    let found = idle.withLock { blocks -> MemoryBlock? in
      var best: Int?
      for (index, block) in blocks.enumerated()
      where block.bytes >= bytes && block.bytes / 2 <= max(bytes, 64) {
        if best.map({ blocks[$0].bytes > block.bytes }) ?? true { best = index }
      }
      return best.map { blocks.remove(at: $0) }
    }
    return found ?? MemoryBlock(bytes: bytes)
  }

  func put(_ block: MemoryBlock) {
    idle.withLock { $0.append(block) }
  }
}
