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

  /// Whether the memory is only counted: there are no elements.
  var isCounted: Bool { slab?.isCounting ?? false }

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
  private let gapLock: NSLock

  /// Slabs are at least this large: small models need one.
  private static let leastSlab = 8 << 20

  package init() {
    gapLock = NSLock()
    slabs = Locked([])
  }

  /// A pool without memory, which counts what one with memory would hand out. What it hands out must not be
  /// touched.
  package static func counting() -> BufferPool {
    let lock = NSLock()
    return BufferPool(Slab(countingWith: lock), lock)
  }

  private init(_ slab: Slab, _ lock: NSLock) {
    gapLock = lock
    slabs = Locked([slab])
  }

  /// The largest slab that was ever needed: a pool that reserves as much has room for the same requests in the
  /// same order.
  package var mostBytes: Int { slabs.withLock { $0.map(\.mostBytes).max() ?? 0 } }

  /// Bytes that lie ready for reuse.
  var idleBytes: Int { slabs.withLock { $0.reduce(0) { $0 + $1.idleBytes } } }

  /// Bytes of all slabs.
  package var heldBytes: Int { slabs.withLock { $0.reduce(0) { $0 + $1.memory.bytes } } }

  /// Frees every slab of which nothing is in use.
  package func trim() { slabs.withLock { $0.removeAll(where: \.isUnused) } }

  /// Sees to it that one slab has at least `bytes`, so that what is in use together lies together: gaps
  /// at the ends of many small slabs would fit nothing. Costs address space until it is written to.
  ///
  /// - Parameter isThere: whether the system has so many bytes; asked when idle slabs are freed.
  /// - Returns: whether so many bytes lie together and free now.
  @discardableResult
  package func reserve(bytes: Int, where isThere: (Int) -> Bool = { _ in true }) -> Bool {
    slabs.withLock { slabs in
      if slabs.contains(where: { $0.hasGap(of: bytes) }) { return true }
      slabs.removeAll(where: \.isUnused)
      let bytes = max(bytes, Self.leastSlab)
      guard isThere(bytes) else { return false }
      slabs.append(Slab(bytes: bytes, gapLock))
      return true
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

  /// The smallest gap that is large enough, the untouched end of a slab only where no other is, or the
  /// beginning of a new slab.
  private func take(_ bytes: Int) -> (block: MemoryBlock, slab: Slab) {
    let size = MemoryBlock.size(for: bytes)
    return slabs.withLock { slabs in
      gapLock.lock()
      defer { gapLock.unlock() }
      var best: (slab: Slab, gap: Int, cost: Int)?
      for slab in slabs {
        if let (gap, cost) = slab.smallestGap(of: size, below: best?.cost ?? .max) {
          best = (slab, gap, cost)
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
  /// The end of the part that was ever in use.
  private var most = 0
  private let lock: NSLock
  let isCounting: Bool

  init(bytes: Int, _ lock: NSLock) {
    memory = MemoryBlock(bytes: bytes)
    gaps = [0..<memory.bytes]
    self.lock = lock
    isCounting = false
  }

  /// A slab of addresses without memory, more than any request.
  init(countingWith lock: NSLock) {
    // The first page belongs to nobody: who touches it is found out at once.
    guard let start = UnsafeMutableRawPointer(bitPattern: MemoryBlock.alignment) else {
      preconditionFailure("an address that is not 0")
    }
    memory = MemoryBlock(address: start, bytes: 1 << 60)
    gaps = [0..<memory.bytes]
    self.lock = lock
    isCounting = true
  }

  deinit { if !isCounting { memory.free() } }

  var mostBytes: Int { locked { most } }

  var isUnused: Bool { locked { gaps == [0..<memory.bytes] } }

  func hasGap(of bytes: Int) -> Bool { locked { gaps.contains { $0.count >= bytes } } }

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

  /// The smallest gap of at least `size` bytes, and its size; one at the end counts as larger than any other,
  /// so that what is needed in all depends on the requests and not on the slab.
  ///
  /// - Parameter limit: only gaps that count less.
  func smallestGap(of size: Int, below limit: Int) -> (index: Int, cost: Int)? {
    var best: (index: Int, cost: Int)?
    for (index, gap) in gaps.enumerated() where gap.count >= size {
      let cost = gap.upperBound == memory.bytes ? gap.count + Int.max / 2 : gap.count
      if cost < best?.cost ?? limit { best = (index, cost) }
    }
    return best
  }

  /// Takes the beginning of a gap.
  func cut(_ size: Int, from index: Int) -> MemoryBlock {
    let gap = gaps[index]
    most = max(most, gap.lowerBound + size)
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
