import Foundation
import Testing

@testable import FlattenTensor

@Suite struct TensorStorageTests {
  private func address(_ tensor: Tensor) -> UInt { UInt(bitPattern: tensor.pointer) }

  /// The sizes of the blocks that the pool gives for requests without one coming back.
  private func taken(from pool: BufferPool, _ requests: [Int]) -> [Int] {
    let blocks = requests.map { pool.take(bytes: $0) }
    defer { for block in blocks { block.free() } }
    return blocks.map { $0.bytes }
  }

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
    // A request of less than half of it would waste it, one of more does not fit.
    #expect(taken(from: pool, [1996, 4004]) == [1996, 4004])
    #expect(address(Tensor(uninitialized: [500], pool: pool)) == first)
  }

  @Test func theSmallestThatFitsIsTaken() {
    let pool = BufferPool()
    let blocks = [4000, 2400, 3000].map { pool.take(bytes: $0) }
    blocks.forEach { pool.put($0) }
    #expect(taken(from: pool, [2200, 2200, 2200, 2200]) == [2400, 3000, 4000, 2200])
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
    let inUse = Tensor([100], pool: pool) { $0.initialize(repeating: 3) }
    _ = Tensor(uninitialized: [5000], pool: pool)
    #expect(pool.idleBytes == 20_000)
    pool.trim()
    #expect(pool.idleBytes == 0)
    #expect(inUse.elements.allSatisfy { $0 == 3 })
    pool.trim()
  }

  /// A folder of pictures of ever new sizes must not pile up memory.
  @Test func whatLiesIdleStaysBelowWhatWasOnceInUse() {
    let pool = BufferPool()
    for side in 1...60 {
      let first = Tensor(uninitialized: [side * side * 16], pool: pool)
      let second = Tensor(uninitialized: [side * side * 16], pool: pool)
      withExtendedLifetime((first, second)) {}
    }
    #expect(pool.idleBytes <= 2 * 60 * 60 * 16 * 4)
    #expect(pool.idleBytes > 0)
  }

  @Test func aTensorOutlivesItsPassAndPool() {
    func make() -> Tensor {
      let pass = ForwardPass(threads: ThreadPool(threads: 2))
      return pass.gelu(.noise([4, 50], seed: 1), layer: "act")
    }
    let tensor = make()
    let others = (0..<4).map { _ in make() }
    for other in others { #expect(other.bits == tensor.bits) }
    #expect(tensor.elements.allSatisfy { $0.isFinite })
  }

  @Test func aPoolGoesWithItsLastTensor() {
    weak var pool: BufferPool?
    var tensor: Tensor?
    do {
      let made = BufferPool()
      pool = made
      tensor = Tensor([10], pool: made) { $0.initialize(repeating: 1) }
    }
    #expect(pool != nil && tensor?.elements[9] == 1)
    tensor = nil
    #expect(pool == nil)
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
}
