import FlattenTensor
import Foundation
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct ThreadPoolTests {
  /// How often each index was called.
  private func counts(_ pool: ThreadPool, _ count: Int) -> [Int] {
    let tally = Tally(count)
    pool.run(count) { tally.add($0) }
    return tally.values
  }

  @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 3, 7, 64, 1000])
  func everyIndexIsCalledOnce(threads: Int, count: Int) {
    let pool = ThreadPool(threads: threads)
    #expect(pool.threads == threads)
    #expect(counts(pool, count) == [Int](repeating: 1, count: count))
  }

  @Test func aNegativeCountIsNothing() {
    #expect(counts(ThreadPool(threads: 1), 0) == [])
    ThreadPool(threads: 2).run(-3) { _ in Issue.record("called") }
    ThreadPool(threads: 1).run(-3) { _ in Issue.record("called") }
  }

  @Test(arguments: [1, 2, 4]) func manyTinyTasksEnd(threads: Int) {
    let sum = Atomic(0)
    ThreadPool(threads: threads).run(100_000) { sum.add($0, ordering: .relaxed) }
    #expect(sum.load(ordering: .relaxed) == 100_000 * 99_999 / 2)
  }

  @Test func manyTinyCallsEnd() {
    let pool = ThreadPool(threads: 3)
    let sum = Atomic(0)
    for _ in 0..<5_000 { pool.run(3) { sum.add($0, ordering: .relaxed) } }
    #expect(sum.load(ordering: .relaxed) == 15_000)
  }

  @Test func callersOnSeveralThreadsEachGetTheirOwn() {
    let pool = ThreadPool(threads: 3)
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 16) { caller in
      for round in 0..<20 {
        let count = (caller * 7 + round) % 40
        results.note(counts(pool, count) == [Int](repeating: 1, count: count))
      }
    }
    #expect(results.counts == [true: 320])
  }

  /// A call from inside a call: the inner one's caller helps itself, so it always ends.
  @Test(arguments: [1, 2, 4]) func aCallInsideACallEnds(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let sum = Atomic(0)
    pool.run(12) { outer in
      pool.run(9) { inner in
        pool.run(3) { sum.add(outer * 100 + inner * 10 + $0, ordering: .relaxed) }
      }
    }
    let wanted = (0..<12).reduce(0) { total, outer in
      (0..<9).reduce(total) { $0 + 3 * (outer * 100 + $1 * 10) + 3 }
    }
    #expect(sum.load(ordering: .relaxed) == wanted)
  }

  /// Work is shared: two pieces that wait for each other end on two threads only.
  @Test func workersWork() {
    let arrived = Atomic(0)
    ThreadPool(threads: 2).run(2) { _ in
      arrived.add(1, ordering: .sequentiallyConsistent)
      while arrived.load(ordering: .sequentiallyConsistent) < 2 {
        Thread.sleep(forTimeInterval: 1e-4)
      }
    }
    #expect(arrived.load(ordering: .relaxed) == 2)
  }

  /// Deeper than the pool has places for calls: what finds none is done by its caller alone.
  @Test(arguments: [2, 4]) func callsBeyondAllPlacesEnd(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let sum = Atomic(0)
    @Sendable func nest(_ depth: Int) {
      pool.run(3) { index in
        sum.add(1, ordering: .relaxed)
        if index == 1 && depth > 1 { nest(depth - 1) }
      }
    }
    nest(40)
    #expect(sum.load(ordering: .relaxed) == 120)
  }

  /// Workers that have looked about in vain and gone to sleep come when they are called.
  @Test(arguments: [0, 1e-5, 1e-4, 1e-3, 1e-2]) func sleepersWake(pause: Double) {
    let pool = ThreadPool(threads: 3)
    for _ in 0..<20 {
      Thread.sleep(forTimeInterval: pause)
      let arrived = Atomic(0)
      pool.run(3) { _ in
        arrived.add(1, ordering: .sequentiallyConsistent)
        while arrived.load(ordering: .sequentiallyConsistent) < 3 {
          Thread.sleep(forTimeInterval: 1e-5)
        }
      }
      #expect(arrived.load(ordering: .relaxed) == 3)
    }
  }

  /// A caller with nothing left to do waits for its helpers, however long they take.
  @Test func aCallWaitsForItsHelpers() {
    let pool = ThreadPool(threads: 2)
    let caller = ObjectIdentifier(Thread.current)
    for _ in 0..<10 {
      let arrived = Atomic(0)
      let ended = Atomic(0)
      pool.run(2) { _ in
        arrived.add(1, ordering: .sequentiallyConsistent)
        while arrived.load(ordering: .sequentiallyConsistent) < 2 {
          Thread.sleep(forTimeInterval: 1e-5)
        }
        if ObjectIdentifier(Thread.current) != caller { Thread.sleep(forTimeInterval: 3e-3) }
        ended.add(1, ordering: .relaxed)
      }
      #expect(ended.load(ordering: .relaxed) == 2)
    }
  }

  /// What a call's closure holds is let go when the call returns, and a pool that its own closure holds
  /// can go as well.
  @Test func nothingIsHeldAfterACall() {
    weak var held: Tally?
    weak var gone: ThreadPool?
    for _ in 0..<50 {
      do {
        let pool = ThreadPool(threads: 3)
        let tally = Tally(4)
        (held, gone) = (tally, pool)
        pool.run(4) {
          tally.add($0)
          _ = pool.threads
        }
      }
      #expect(held == nil && gone == nil)
    }
  }

  /// Where the system starts fewer threads, or none, the work is done by those that there are.
  @Test(arguments: [0, 1, 2, 7], [1, 2, 5]) func worksWithTheThreadsThatStart(
    started: Int, threads: Int
  ) {
    let pool = ThreadPool(threads: threads, starter: .limited(to: started))
    #expect(pool.threads == min(threads, started + 1))
    #expect(pool.wantedThreads == threads)
    #expect((pool.shortage == nil) == (threads <= started + 1))
    for count in [0, 1, 7, 100] {
      #expect(counts(pool, count) == [Int](repeating: 1, count: count))
    }
    let sum = Atomic(0)
    pool.run(4) { outer in pool.run(3) { sum.add(outer * $0, ordering: .relaxed) } }
    #expect(sum.load(ordering: .relaxed) == 18)
  }

  @Test func aSmallerPoolSaysSo() {
    let pool = ThreadPool(threads: 4, starter: .limited(to: 1))
    #expect(pool.shortage?.hasPrefix("2 of 4 threads could be started") == true)
  }
}

/// Counters, each under the same lock.
private final class Tally: @unchecked Sendable {
  private let lock = NSLock()
  private var counters: [Int]

  init(_ count: Int) { counters = [Int](repeating: 0, count: count) }

  var values: [Int] { lock.withLock { counters } }

  func add(_ index: Int) { lock.withLock { counters[index] += 1 } }
}
