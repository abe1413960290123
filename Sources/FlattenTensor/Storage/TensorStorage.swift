import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The memory behind a tensor: 64-byte aligned, of its own or lent by a pool.
///
/// Unchecked: the contents are written by one operator before the tensor is handed on and only read
/// after that.
package final class TensorStorage: @unchecked Sendable {
  package let pointer: UnsafeMutablePointer<Float>
  package let count: Int
  private let block: MemoryBlock
  /// The slab that the block is a part of; `nil` where the block is this object's own.
  private let slab: Slab?

  /// Takes memory from the system.
  init(count: Int) {
    block = MemoryBlock(bytes: count * MemoryLayout<Float>.stride)
    slab = nil
    pointer = block.floats
    self.count = count
  }

  fileprivate init(_ block: MemoryBlock, of slab: Slab, count: Int) {
    self.block = block
    self.slab = slab
    pointer = block.floats
    self.count = count
  }

  deinit {
    if let slab { slab.put(block) } else { block.free() }
  }

  package var buffer: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }
}

/// An aligned piece of memory, of its own or of a pool's slab.
struct MemoryBlock: @unchecked Sendable {
  static let alignment = 64

  let address: UnsafeMutableRawPointer
  let bytes: Int

  /// The size of a large page, and how large a block must be to be worth some.
  private static let largePage = 2 << 20

  init(bytes: Int) {
    self.bytes = Self.size(for: bytes)
    let isLarge = self.bytes >= 2 * Self.largePage
    address = UnsafeMutableRawPointer.allocate(
      byteCount: self.bytes, alignment: isLarge ? Self.largePage : Self.alignment)
    #if os(Linux)
      // Advice only: fewer page faults when weights are loaded, fewer address look-ups when they are
      // read. A system that gives none changes nothing but time.
      if isLarge { madvise(address, self.bytes, MADV_HUGEPAGE) }
    #endif
  }

  init(address: UnsafeMutableRawPointer, bytes: Int) {
    self.address = address
    self.bytes = bytes
  }

  /// The bytes that a request takes.
  static func size(for bytes: Int) -> Int { max(bytes, 1).rounded(up: alignment) }

  func free() { address.deallocate() }

  var floats: UnsafeMutablePointer<Float> { address.assumingMemoryBound(to: Float.self) }
}

/// A pool of memory: what one operator has given back the next one takes, so that a repeated forward pass
/// of one size asks the system for nothing.
///
/// Blocks are cut from a few large slabs (best fit) and merged with their free neighbours when they come
/// back, so what is kept stays close to what was once in use together, whatever sizes come and go. A slab
/// that was never written to costs address space only. Safe to use from several threads: a block is taken
/// and given back under one lock, which orders its last reader before its next writer.
package final class BufferPool: Sendable {
  private let slabs: Locked<[Slab]>
  /// Guards the gaps of all slabs, which may outlive the pool.
  private let gapLock = NSLock()

  /// Slabs are at least this large: small models need one.
  private static let leastSlab = 8 << 20

  package init() { slabs = Locked([]) }

  /// Bytes that lie ready for reuse.
  var idleBytes: Int { slabs.withLock { $0.reduce(0) { $0 + $1.idleBytes } } }

  /// Bytes of all slabs.
  package var heldBytes: Int { slabs.withLock { $0.reduce(0) { $0 + $1.memory.bytes } } }

  /// Frees every slab of which nothing is in use.
  package func trim() { slabs.withLock { $0.removeAll(where: \.isUnused) } }

  /// Sees to it that one slab has at least `bytes`, so that what is in use together lies together: gaps
  /// at the ends of many small slabs would fit nothing. Costs address space until it is written to.
  package func reserve(bytes: Int) {
    slabs.withLock { slabs in
      if slabs.contains(where: { $0.memory.bytes >= bytes }) { return }
      slabs.removeAll(where: \.isUnused)
      slabs.append(Slab(bytes: max(bytes, Self.leastSlab), gapLock))
    }
  }

  /// Memory for a tensor of `count` elements, until nobody refers to it.
  func storage(count: Int) -> TensorStorage {
    let (block, slab) = take(count * MemoryLayout<Float>.stride)
    return TensorStorage(block, of: slab, count: count)
  }

  /// Memory until it is put back, which must be while the pool lives.
  func take(bytes: Int) -> MemoryBlock { take(bytes).block }

  /// Gives back what ``take(bytes:)`` gave.
  func put(_ block: MemoryBlock) {
    slabs.withLock { $0.first { $0.contains(block) } }?.put(block)
  }

  /// The smallest gap that is large enough, or the beginning of a new slab.
  private func take(_ bytes: Int) -> (block: MemoryBlock, slab: Slab) {
    let size = MemoryBlock.size(for: bytes)
    return slabs.withLock { slabs in
      gapLock.lock()
      defer { gapLock.unlock() }
      var best: (slab: Slab, gap: Int, count: Int)?
      for slab in slabs {
        if let (gap, count) = slab.smallestGap(of: size, below: best?.count ?? .max) {
          best = (slab, gap, count)
        }
      }
      if let best { return (best.slab.cut(size, from: best.gap), best.slab) }
      // Doubling keeps the number of slabs, and what is lost at their ends, small.
      let held = slabs.reduce(0) { $0 + $1.memory.bytes }
      let slab = Slab(bytes: max(size, held, Self.leastSlab), gapLock)
      slabs.append(slab)
      return (slab.cut(size, from: 0), slab)
    }
  }
}

/// A large piece of memory and the parts of it that are not in use. It lives as long as its pool or
/// anything that lies in it.
///
/// Unchecked: the gaps change under the lock that all slabs of a pool share.
private final class Slab: @unchecked Sendable {
  let memory: MemoryBlock
  /// Offsets, in ascending order, no two of them adjacent.
  private var gaps: [Range<Int>]
  private let lock: NSLock

  init(bytes: Int, _ lock: NSLock) {
    memory = MemoryBlock(bytes: bytes)
    gaps = [0..<memory.bytes]
    self.lock = lock
  }

  deinit { memory.free() }

  var isUnused: Bool { locked { gaps == [0..<memory.bytes] } }

  var idleBytes: Int { locked { gaps.reduce(0) { $0 + $1.count } } }

  func contains(_ block: MemoryBlock) -> Bool {
    (memory.address..<memory.address + memory.bytes).contains(block.address)
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return body()
  }

  // MARK: For who holds the lock

  /// The smallest gap of at least `size` bytes and less than `limit`.
  func smallestGap(of size: Int, below limit: Int) -> (index: Int, count: Int)? {
    var best: (index: Int, count: Int)?
    for (index, gap) in gaps.enumerated()
    where gap.count >= size && gap.count < best?.count ?? limit {
      best = (index, gap.count)
    }
    return best
  }

  /// Takes the beginning of a gap.
  func cut(_ size: Int, from index: Int) -> MemoryBlock {
    let gap = gaps[index]
    if gap.count == size {
      gaps.remove(at: index)
    } else {
      gaps[index] = gap.lowerBound + size..<gap.upperBound
    }
    return MemoryBlock(address: memory.address + gap.lowerBound, bytes: size)
  }

  // MARK: For everybody

  /// Makes a block a gap again, one with the gaps beside it.
  func put(_ block: MemoryBlock) {
    locked {
      let start = block.address - memory.address
      var range = start..<start + block.bytes
      var index = gaps.firstIndex { $0.lowerBound > start } ?? gaps.count
      if index < gaps.count, gaps[index].lowerBound == range.upperBound {
        range = range.lowerBound..<gaps.remove(at: index).upperBound
      }
      if index > 0, gaps[index - 1].upperBound == range.lowerBound {
        index -= 1
        range = gaps.remove(at: index).lowerBound..<range.upperBound
      }
      gaps.insert(range, at: index)
    }
  }
}
