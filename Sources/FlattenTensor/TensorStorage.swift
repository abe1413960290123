#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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
}

/// Memory kept between operators, so that a repeated forward pass of one size allocates nothing.
///
/// Blocks are cut from a few large slabs and merged with their free neighbours when they come back, so
/// what is kept stays close to what was once in use together, whatever sizes come and go. A slab that
/// was never written to costs address space only. Safe to use from several threads.
package final class BufferPool: Sendable {
  private let slabs = Locked<[Slab]>([])

  /// Slabs are at least this large: small models need one.
  private static let leastSlab = 8 << 20

  package init() {}

  deinit {
    // Every tensor of the pool holds it, so nothing is in use now.
    slabs.withLock { slabs in slabs.forEach { $0.memory.free() } }
  }

  /// Bytes that lie ready for reuse.
  var idleBytes: Int {
    slabs.withLock { slabs in slabs.reduce(0) { $0 + $1.gaps.reduce(0) { $0 + $1.count } } }
  }

  /// Bytes of all slabs.
  package var heldBytes: Int {
    slabs.withLock { slabs in slabs.reduce(0) { $0 + $1.memory.bytes } }
  }

  /// Frees every slab of which nothing is in use.
  package func trim() {
    slabs.withLock { trim(&$0) }
  }

  private func trim(_ slabs: inout [Slab]) {
    for slab in slabs where slab.isUnused { slab.memory.free() }
    slabs.removeAll { $0.isUnused }
  }

  /// Sees to it that one slab has so many bytes, so that what is in use together lies together: gaps
  /// at the ends of many small slabs would fit nothing. Costs address space until it is written to.
  package func reserve(bytes: Int) {
    slabs.withLock { slabs in
      if slabs.contains(where: { $0.memory.bytes >= bytes }) { return }
      trim(&slabs)
      slabs.append(Slab(bytes: max(bytes, Self.leastSlab)))
    }
  }

  /// The smallest gap that is large enough, or the beginning of a new slab.
  func take(bytes: Int) -> MemoryBlock {
    let size = MemoryBlock.size(for: bytes)
    return slabs.withLock { slabs in
      var best: (slab: Int, gap: Int, count: Int)?
      for (slabIndex, slab) in slabs.enumerated() {
        for (gapIndex, gap) in slab.gaps.enumerated()
        where gap.count >= size && gap.count < best?.count ?? .max {
          best = (slabIndex, gapIndex, gap.count)
        }
      }
      if best == nil {
        // Doubling keeps the number of slabs, and what is lost at their ends, small.
        let held = slabs.reduce(0) { $0 + $1.memory.bytes }
        slabs.append(Slab(bytes: max(size, held, Self.leastSlab)))
      }
      return slabs[best?.slab ?? slabs.count - 1].cut(size, from: best?.gap ?? 0)
    }
  }

  func put(_ block: MemoryBlock) {
    slabs.withLock { slabs in
      guard let index = slabs.firstIndex(where: { $0.contains(block) }) else { return block.free() }
      slabs[index].merge(block)
    }
  }
}

/// A large piece of memory and the parts of it that are not in use.
private struct Slab {
  let memory: MemoryBlock
  /// Offsets, in ascending order, no two of them adjacent.
  private(set) var gaps: [Range<Int>]

  init(bytes: Int) {
    memory = MemoryBlock(bytes: bytes)
    gaps = [0..<memory.bytes]
  }

  var isUnused: Bool { gaps == [0..<memory.bytes] }

  func contains(_ block: MemoryBlock) -> Bool {
    (memory.address..<memory.address + memory.bytes).contains(block.address)
  }

  /// Takes the beginning of a gap.
  mutating func cut(_ size: Int, from index: Int) -> MemoryBlock {
    let gap = gaps[index]
    if gap.count == size {
      gaps.remove(at: index)
    } else {
      gaps[index] = gap.lowerBound + size..<gap.upperBound
    }
    return MemoryBlock(address: memory.address + gap.lowerBound, bytes: size)
  }

  /// Makes a block a gap again, one with the gaps beside it.
  mutating func merge(_ block: MemoryBlock) {
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
