import Foundation
import Testing

@testable import FlattenTensor

@Suite struct TensorStorageTests {
  private func address(_ tensor: Tensor) -> UInt { UInt(bitPattern: tensor.pointer) }

  @Test(arguments: [0, 1, 3, 16, 17, 1000, 65_537]) func memoryIsAligned(count: Int) {
    let pool = BufferPool()
    for _ in 0..<3 {
      #expect(address(Tensor(zeros: [count])) % 64 == 0)
      #expect(address(Tensor(uninitialized: [count], pool: pool)) % 64 == 0)
    }
  }

  @Test func memoryIsUsedAgain() {
    let pool = BufferPool()
    let first = address(Tensor(uninitialized: [1000], pool: pool))
    #expect(address(Tensor(uninitialized: [1000], pool: pool)) == first)
    #expect(address(Tensor(uninitialized: [10, 60], pool: pool)) == first)
    #expect(address(Tensor(uninitialized: [5000], pool: pool)) == first)
  }

  @Test func theSmallestGapThatFitsIsTaken() {
    let pool = BufferPool()
    let blocks = [4096, 64, 2048, 64, 3072, 64].map { pool.take(bytes: $0) }
    for index in [0, 2, 4] { pool.put(blocks[index]) }
    #expect(pool.take(bytes: 2000).address == blocks[2].address)
    #expect(pool.take(bytes: 2560).address == blocks[4].address)
    #expect(pool.take(bytes: 4096).address == blocks[0].address)
  }

  @Test func gapsBesideEachOtherBecomeOne() {
    for order in [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2]] {
      let pool = BufferPool()
      let blocks = (0..<3).map { _ in pool.take(bytes: 1 << 20) }
      for index in order { pool.put(blocks[index]) }
      #expect(pool.take(bytes: 3 << 20).address == blocks[0].address, "\(order)")
    }
  }

  /// A pass of one size takes and returns the same blocks every time: nothing new is asked for.
  @Test func aRepeatedPassAllocatesNothing() {
    let pool = BufferPool()
    let threads = ThreadPool(threads: 2)
    func run() {
      let pass = ForwardPass(threads: threads, memory: pool)
      let x = Tensor.noise([1, 40, 40, 64], seed: 1)
      let weight = ConvolutionWeights(
        .noise([96, 64, 3, 3], seed: 2), ConvolutionGeometry(kernel: 3, padding: 1))
      let y = pass.convolution(x, weight, bias: nil, layer: "")
      _ = pass.resizeBilinear(y, height: 77, width: 91, alignCorners: false, layer: "")
    }
    run()
    run()
    let held = pool.heldBytes
    for _ in 0..<5 { run() }
    #expect(pool.heldBytes == held)
  }

  @Test func liveTensorsNeverShareMemory() {
    let pool = BufferPool()
    let tensors = (0..<8).map { index in
      Tensor([100], pool: pool) { $0.initialize(repeating: Float(index)) }
    }
    for (index, tensor) in tensors.enumerated() {
      #expect(tensor.elements.allSatisfy { $0 == Float(index) })
    }
    #expect(Set(tensors.map(address)).count == 8)
  }

  @Test func copiesAndViewsKeepTheMemory() {
    let pool = BufferPool()
    var tensor: Tensor? = Tensor([6], pool: pool) { $0.initialize(repeating: 1) }
    let view = tensor?.reshaped([2, 3])
    tensor = nil
    let other = Tensor([6], pool: pool) { $0.initialize(repeating: 2) }
    #expect(view?.elements == [1, 1, 1, 1, 1, 1] && other.elements[0] == 2)
  }

  /// Blocks that are in use when the pool is trimmed come back to it later and stay good.
  @Test func trimmingFreesWhatIsIdle() {
    let pool = BufferPool()
    let large = Tensor(uninitialized: [4 << 20], pool: pool)
    let inUse = Tensor([100], pool: pool) { $0.initialize(repeating: 3) }
    _ = consume large
    pool.trim()
    #expect(inUse.elements.allSatisfy { $0 == 3 })
    #expect(pool.heldBytes > 0)
  }

  /// One slab of the size asked for stands in for smaller ones that are idle; what is in use stays.
  @Test func aReservedSlabTakesThePlaceOfIdleOnes() {
    let pool = BufferPool()
    _ = Tensor(uninitialized: [3 << 20], pool: pool)
    let inUse = Tensor([4 << 20], pool: pool) { $0.initialize(repeating: 3) }
    pool.reserve(bytes: 40 << 20)
    pool.reserve(bytes: 30 << 20)
    let held = pool.heldBytes
    #expect(held >= 56 << 20 && held < 80 << 20, "the slab in use and the reserved one")
    let many = (0..<9).map { _ in Tensor(uninitialized: [1 << 20], pool: pool) }
    #expect(pool.heldBytes == held && many.count == 9)
    #expect(inUse.elements.allSatisfy { $0 == 3 })
    _ = consume inUse
    _ = consume many
    pool.trim()
    #expect(pool.heldBytes == 0)
  }

  @Test func trimmingAnIdlePoolFreesAll() {
    let pool = BufferPool()
    for count in [100, 5 << 20, 9 << 20] { _ = Tensor(uninitialized: [count], pool: pool) }
    #expect(pool.heldBytes > 36 << 20 && pool.idleBytes == pool.heldBytes)
    pool.trim()
    #expect(pool.heldBytes == 0 && pool.idleBytes == 0)
  }

  /// A folder of pictures of ever new sizes must not pile up memory.
  @Test func whatLiesIdleStaysBelowWhatWasOnceInUse() {
    let pool = BufferPool()
    for side in 1...120 {
      let first = Tensor(uninitialized: [side * side * 16], pool: pool)
      let second = Tensor(uninitialized: [side * side * 16], pool: pool)
      withExtendedLifetime((first, second)) {}
    }
    #expect(pool.heldBytes == 8 << 20, "all of it fits the first slab")
  }

  @Test func aTensorOutlivesItsPassAndPool() {
    func make() -> Tensor {
      let pass = ForwardPass(threads: ThreadPool(threads: 2))
      return pass.activate(.noise([4, 50], seed: 1), .gelu, layer: "act")
    }
    let tensor = make()
    let others = (0..<4).map { _ in make() }
    for other in others { #expect(other.bits == tensor.bits) }
    #expect(tensor.elements.allSatisfy { $0.isFinite })
  }

  /// A pool does not stay for a tensor of it, but the memory does.
  @Test func aTensorOutlivesItsPool() {
    weak var pool: BufferPool?
    weak var storage: TensorStorage?
    var tensor: Tensor?
    do {
      let made = BufferPool()
      pool = made
      tensor = Tensor([3 << 20], pool: made) { $0.initialize(repeating: 1) }
      storage = tensor?.storage
      _ = Tensor([3 << 20], pool: made) { $0.initialize(repeating: 2) }
    }
    #expect(pool == nil && storage != nil)
    #expect(tensor?.elements.allSatisfy { $0 == 1 } == true)
    tensor = nil
    #expect(storage == nil)
  }

  @Test func severalThreadsShareAPool() {
    let pool = BufferPool()
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 8) { caller in
      for round in 0..<200 {
        let value = Float(caller * 1000 + round)
        let tensor = Tensor([16 + round % 50], pool: pool) { $0.initialize(repeating: value) }
        if !tensor.elements.allSatisfy({ $0 == value }) { results.note(false) }
      }
      results.note(true)
    }
    #expect(results.counts == [true: 8])
  }

  /// What a counting pool says is what a pool with memory needs: with a slab of that size, and no other,
  /// the same requests are met.
  @Test(arguments: 1...20) func countedMemoryIsWhatIsNeeded(seed: Int) {
    var state = UInt64(seed)
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var steps: [(take: Int?, drop: Int)] = []
    for _ in 0..<300 { steps.append((random(3) < 2 ? 1 + random(200_000) : nil, random(1000))) }
    func run(_ pool: BufferPool) {
      var held: [Tensor] = []
      for step in steps {
        if let count = step.take {
          held.append(Tensor(uninitialized: [count], pool: pool))
        } else if !held.isEmpty {
          held.remove(at: step.drop % held.count)
        }
      }
    }
    let counting = BufferPool.counting()
    run(counting)
    let pool = BufferPool()
    #expect(pool.reserve(bytes: counting.mostBytes))
    run(pool)
    #expect(pool.heldBytes == max(counting.mostBytes, 8 << 20))
    #expect(pool.mostBytes == counting.mostBytes)
  }

  /// A slab that another caller uses is no room for this one: the system is asked.
  @Test func roomInUseIsNoRoom() {
    let pool = BufferPool()
    #expect(pool.reserve(bytes: 40 << 20))
    let other = Tensor(uninitialized: [5 << 20], pool: pool)
    #expect(!pool.reserve(bytes: 40 << 20) { _ in false })
    #expect(pool.reserve(bytes: 16 << 20) { _ in false }, "the rest of the slab")
    withExtendedLifetime(other) {}
  }

  /// Nothing is taken where the system is said to have nothing, and what lay idle is given back first.
  @Test func aRefusedReservationTakesNothing() {
    let pool = BufferPool()
    _ = Tensor(uninitialized: [4 << 20], pool: pool)
    var asked: [Int] = []
    let isThere = pool.reserve(bytes: 64 << 20) { bytes in
      asked.append(bytes)
      return false
    }
    #expect(!isThere && asked == [64 << 20] && pool.heldBytes == 0)
  }

  /// A tensor that is only counted has a size and zeros, of any size.
  @Test func countedTensorsHaveNoMemory() {
    let pool = BufferPool.counting()
    let huge = Tensor(uninitialized: [1 << 50], pool: pool)
    #expect(huge.count == 1 << 50 && pool.mostBytes == 1 << 52)
    #expect(Tensor(uninitialized: [3], pool: pool).elements == [0, 0, 0])
  }
}
