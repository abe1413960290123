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
/// after that. What is lent changes only while the pool alone has the object, under the pool's lock.
package final class TensorStorage: @unchecked Sendable {
  package private(set) var pointer: UnsafeMutablePointer<Float>
  package private(set) var count: Int
  /// `nil` while nobody needs the object.
  private var block: MemoryBlock?
  /// What the block is a part of, kept for as long as it is in use; `nil` where it is our own.
  private var slab: Slab?

  /// Takes memory from the system.
  init(count: Int) {
    let block = MemoryBlock(bytes: Self.bytes(count))
    (pointer, self.count) = (block.floats, count)
    self.block = block
  }

  fileprivate init(_ block: MemoryBlock, of slab: Slab, count: Int) {
    (pointer, self.count) = (block.floats, count)
    (self.block, self.slab) = (block, slab)
  }

  deinit {
    if slab == nil { block?.free() }
  }

  package var buffer: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  /// Holds other memory, after the last has been let go.
  fileprivate func hold(_ block: MemoryBlock, of slab: Slab, count: Int) {
    (pointer, self.count) = (block.floats, count)
    (self.block, self.slab) = (block, slab)
  }

  /// Gives back what was lent.
  fileprivate func letGo() -> (block: MemoryBlock, slab: Slab)? {
    guard let block, let slab else { return nil }
    (self.block, self.slab) = (nil, nil)
    return (block, slab)
  }

  fileprivate static func bytes(_ count: Int) -> Int { count * MemoryLayout<Float>.stride }
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

/// Memory kept between operators, so that a repeated forward pass of one size allocates nothing.
///
/// Blocks are cut from a few large slabs and merged with their free neighbours when they come back, so
/// what is kept stays close to what was once in use together, whatever sizes come and go. A slab that
/// was never written to costs address space only. Safe to use from several threads.
///
/// The objects behind tensors are used again as well. The pool refers to each that it has lent; one that
/// nobody else refers to any more is free, which is found out when the next is asked for.
package final class BufferPool: Sendable {
  private let state = Locked(PoolState())

  /// Slabs are at least this large: small models need one.
  private static let leastSlab = 8 << 20

  package init() {}

  /// Bytes that lie ready for reuse.
  var idleBytes: Int {
    state.withLock { state in
      state.collect()
      return state.slabs.reduce(0) { $0 + $1.gaps.reduce(0) { $0 + $1.count } }
    }
  }

  /// Bytes of all slabs.
  package var heldBytes: Int { state.withLock { $0.heldBytes } }

  /// Frees every slab of which nothing is in use.
  package func trim() { state.withLock { $0.trim() } }

  /// Sees to it that one slab has so many bytes, so that what is in use together lies together: gaps
  /// at the ends of many small slabs would fit nothing. Costs address space until it is written to.
  package func reserve(bytes: Int) {
    state.withLock { state in
      if state.slabs.contains(where: { $0.memory.bytes >= bytes }) { return }
      state.trim()
      state.slabs.append(Slab(bytes: max(bytes, Self.leastSlab)))
    }
  }

  /// Memory for a tensor of `count` elements, until nobody refers to it.
  func storage(count: Int) -> TensorStorage {
    state.withLock { state in
      state.collect()
      let (block, slab) = state.take(bytes: TensorStorage.bytes(count), least: Self.leastSlab)
      let storage: TensorStorage
      if let spare = state.spare.popLast() {
        spare.hold(block, of: slab, count: count)
        storage = spare
      } else {
        storage = TensorStorage(block, of: slab, count: count)
      }
      state.lent.append(storage)
      return storage
    }
  }

  /// Memory until it is put back, which must be while the pool lives.
  func take(bytes: Int) -> MemoryBlock {
    state.withLock { $0.take(bytes: bytes, least: Self.leastSlab).block }
  }

  func put(_ block: MemoryBlock) {
    state.withLock { state in
      state.slabs.first { $0.contains(block) }?.merge(block)
    }
  }
}

/// What a pool has; its lock is held.
private struct PoolState {
  var slabs: [Slab] = []
  /// What tensors have, or had.
  var lent: [TensorStorage] = []
  /// Objects without memory.
  var spare: [TensorStorage] = []

  /// Room for more than a pass has at once, so that how threads happen to meet never makes a list grow.
  static let room = 256

  init() {
    lent.reserveCapacity(Self.room)
    spare.reserveCapacity(Self.room)
  }

  var heldBytes: Int { slabs.reduce(0) { $0 + $1.memory.bytes } }

  /// Takes back what only the pool refers to.
  ///
  /// The last release by another thread happened before, as seen here: the runtime orders it before a
  /// check that finds one reference.
  mutating func collect() {
    var index = 0
    while index < lent.count {
      guard isKnownUniquelyReferenced(&lent[index]) else {
        index += 1
        continue
      }
      lent.swapAt(index, lent.count - 1)
      let storage = lent.removeLast()
      if let (block, slab) = storage.letGo() { slab.merge(block) }
      spare.append(storage)
    }
  }

  mutating func trim() {
    collect()
    slabs.removeAll { $0.isUnused }
  }

  /// The smallest gap that is large enough, or the beginning of a new slab.
  mutating func take(bytes: Int, least: Int) -> (block: MemoryBlock, slab: Slab) {
    let size = MemoryBlock.size(for: bytes)
    if let found = gap(size) { return found }
    collect()
    if let found = gap(size) { return found }
    // Doubling keeps the number of slabs, and what is lost at their ends, small.
    let slab = Slab(bytes: max(size, heldBytes, least))
    slabs.append(slab)
    return (slab.cut(size, from: 0), slab)
  }

  private func gap(_ size: Int) -> (block: MemoryBlock, slab: Slab)? {
    var best: (slab: Slab, gap: Int, count: Int)?
    for slab in slabs {
      for (index, gap) in slab.gaps.enumerated()
      where gap.count >= size && gap.count < best?.count ?? .max {
        best = (slab, index, gap.count)
      }
    }
    return best.map { ($0.slab.cut(size, from: $0.gap), $0.slab) }
  }
}

/// A large piece of memory and the parts of it that are not in use. It lives as long as its pool or
/// anything that lies in it.
///
/// Unchecked: the gaps change under the pool's lock.
private final class Slab: @unchecked Sendable {
  let memory: MemoryBlock
  /// Offsets, in ascending order, no two of them adjacent.
  private(set) var gaps: [Range<Int>]

  init(bytes: Int) {
    memory = MemoryBlock(bytes: bytes)
    gaps = []
    gaps.reserveCapacity(PoolState.room)
    gaps.append(0..<memory.bytes)
  }

  deinit { memory.free() }

  var isUnused: Bool { gaps == [0..<memory.bytes] }

  func contains(_ block: MemoryBlock) -> Bool {
    (memory.address..<memory.address + memory.bytes).contains(block.address)
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

  /// Makes a block a gap again, one with the gaps beside it.
  func merge(_ block: MemoryBlock) {
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
