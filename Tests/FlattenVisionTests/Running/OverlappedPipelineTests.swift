import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct OverlappedPipelineTests {
  /// What the stages of one run did.
  private struct Events {
    var read: [Int] = []
    var computed: [Int] = []
    var written: [Int] = []
    var results: [Result<Int, Failure>] = []
    var threads: [String: Set<ObjectIdentifier>] = [:]
  }

  /// The error of one stage.
  private struct Failure: Error, Equatable {
    let stage: String
    let item: Int
  }

  private final class Log: Sendable {
    private let events = Locked(Events())

    func note(_ body: (inout Events) -> Void) { events.withLock { body(&$0) } }

    var now: Events { events.withLock { $0 } }

    /// How many there are of something, also while the stages run.
    func count(_ list: KeyPath<Events, [Int]>) -> Int {
      events.withLock { $0[keyPath: list].count }
    }

    func noteThread(of stage: String) {
      let thread = ObjectIdentifier(Thread.current)
      note { $0.threads[stage, default: []].insert(thread) }
    }

    /// Whether something becomes true within 20 s.
    func comesTrue(_ condition: (Events) -> Bool) -> Bool {
      let deadline = ContinuousClock.now + .seconds(20)
      while !events.withLock({ condition($0) }) {
        if ContinuousClock.now > deadline { return false }
        usleep(500)
      }
      return true
    }
  }

  /// Runs `count` items whose stages note themselves; what is loaded of item i is 10 i, what is computed
  /// 10 i + 1.
  private func run(
    _ count: Int, _ log: Log, threads: ThreadStarter = .system,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    read: @escaping @Sendable (Int) throws -> Void = { _ in },
    compute: (Int) throws -> Void = { _ in },
    write: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    OverlappedPipeline.run(
      Array(0..<count), threads: threads, shouldStop: shouldStop,
      read: { item in
        log.note { $0.read.append(item) }
        log.noteThread(of: "read")
        try read(item)
        return 10 * item
      },
      compute: { item, loaded in
        log.note { $0.computed.append(item) }
        log.noteThread(of: "compute")
        try compute(item)
        return loaded + 1
      },
      write: { item, result in
        log.note {
          $0.written.append(item)
          $0.results.append(
            result.mapError { $0 as? Failure ?? Failure(stage: "\($0)", item: item) })
        }
        log.noteThread(of: "write")
        write(item)
      })
  }

  @Test func everyItemPassesEveryStageOnceInOrder() {
    let log = Log()
    // No stage is always the slowest.
    run(
      200, log, read: { usleep($0 % 7 == 0 ? 900 : 0) }, compute: { usleep($0 % 5 == 0 ? 700 : 0) },
      write: { usleep($0 % 3 == 0 ? 500 : 0) })
    let all = Array(0..<200)
    let events = log.now
    #expect(events.read == all && events.computed == all && events.written == all)
    #expect(events.results == all.map { .success(10 * $0 + 1) })
  }

  @Test func noItemsAreNoWork() {
    let log = Log()
    run(0, log)
    #expect(log.now.read.isEmpty && log.now.computed.isEmpty && log.now.written.isEmpty)
  }

  /// The pool beneath the middle stage belongs to the caller's thread; the others have one each.
  @Test func eachStageHasAThread() {
    let log = Log()
    // So many that the first is written before the last is read: all threads live at once.
    run(30, log)
    let threads = log.now.threads
    #expect(threads.values.allSatisfy { $0.count == 1 })
    #expect(threads["compute"] == [ObjectIdentifier(Thread.current)])
    #expect(Set(threads.values.flatMap { $0 }).count == 3)
  }

  /// Each stage waits for what another does with another item: one after the other this would never end.
  @Test func theStagesOverlap() {
    let log = Log()
    run(
      3, log,
      compute: { item in
        if item == 0 { #expect(log.comesTrue { $0.read.contains(1) }) }
      },
      write: { item in
        if item == 0 { #expect(log.comesTrue { $0.computed.contains(1) && $0.read.contains(2) }) }
      })
    #expect(log.now.written == [0, 1, 2])
  }

  /// One item is computed, some wait, and one is read that has no place yet.
  @Test func readingWaitsForComputing() {
    let log = Log()
    let most = OverlappedPipeline.depth + 2
    run(
      40, log,
      compute: { item in
        guard item == 5 else { return }
        #expect(log.comesTrue { $0.read.count == 5 + most })
        usleep(50_000)  // time to read many more
        #expect(log.count(\.read) == 5 + most)
      })
    #expect(log.now.written == Array(0..<40))
  }

  /// The same from the other end: one is written, some wait, one is computed that has no place yet, some
  /// wait, and one is read that has no place yet.
  @Test func everythingWaitsForWriting() {
    let log = Log()
    let (computed, read) = (OverlappedPipeline.depth + 2, 2 * OverlappedPipeline.depth + 3)
    run(
      40, log,
      write: { item in
        guard item == 5 else { return }
        #expect(log.comesTrue { $0.computed.count == 5 + computed && $0.read.count == 5 + read })
        usleep(50_000)
        #expect(log.count(\.computed) == 5 + computed && log.count(\.read) == 5 + read)
      })
    #expect(log.now.written == Array(0..<40))
  }

  /// How many pictures live at once.
  private final class Census: Sendable {
    private let counts = Locked((living: 0, most: 0))

    func add(_ change: Int) {
      counts.withLock {
        $0.living += change
        $0.most = max($0.most, $0.living)
      }
    }

    var now: (living: Int, most: Int) { counts.withLock { $0 } }
  }

  private final class Picture: Sendable {
    private let census: Census

    init(_ census: Census) {
      self.census = census
      census.add(1)
    }

    deinit { census.add(-1) }
  }

  /// Memory is bounded whatever the number of items, whichever stage is the slow one.
  @Test(arguments: ["read", "compute", "write"]) func fewItemsLiveAtOnce(slow: String) {
    let (loaded, computed) = (Census(), Census())
    OverlappedPipeline.run(
      Array(0..<300),
      read: { _ in
        if slow == "read" { usleep(300) }
        return Picture(loaded)
      },
      compute: { _, _ in
        if slow == "compute" { usleep(300) }
        return Picture(computed)
      },
      write: { _, _ in if slow == "write" { usleep(300) } })
    // Those that wait, the one before that has no place yet, and the one that the next stage works on.
    let most = OverlappedPipeline.depth + 2
    #expect((1...most).contains(loaded.now.most) && (1...most).contains(computed.now.most))
    #expect(loaded.now.living == 0 && computed.now.living == 0)
  }

  /// Nothing is left under way when the call returns.
  @Test func theCallEndsAfterTheLastIsWritten() {
    let flag = Flag()
    OverlappedPipeline.run(
      [1, 2, 3], read: { $0 }, compute: { $1 },
      write: { item, _ in
        usleep(20_000)
        if item == 3 { flag.set() }
      })
    #expect(flag.value)
  }

  // MARK: Errors

  @Test func anErrorIsItsItemsResultAndStopsNoOther() {
    let log = Log()
    run(
      12, log,
      read: { if $0 % 3 == 1 { throw Failure(stage: "read", item: $0) } },
      compute: { if $0 % 3 == 2 { throw Failure(stage: "compute", item: $0) } })
    let events = log.now
    #expect(events.read == Array(0..<12) && events.written == Array(0..<12))
    // What could not be read is not computed.
    #expect(events.computed == (0..<12).filter { $0 % 3 != 1 })
    #expect(
      events.results
        == (0..<12).map { item in
          switch item % 3 {
          case 1: .failure(Failure(stage: "read", item: item))
          case 2: .failure(Failure(stage: "compute", item: item))
          default: .success(10 * item + 1)
          }
        })
  }

  @Test(arguments: ["read", "compute"]) func everyItemMayFail(stage: String) {
    let log = Log()
    run(
      10, log,
      read: { if stage == "read" { throw Failure(stage: stage, item: $0) } },
      compute: { if stage == "compute" { throw Failure(stage: stage, item: $0) } })
    #expect(log.now.results == (0..<10).map { .failure(Failure(stage: stage, item: $0)) })
    #expect(log.now.computed.count == (stage == "read" ? 0 : 10))
  }

  // MARK: Stopping

  private final class Flag: Sendable {
    private let isSet = Locked(false)

    func set() { isSet.withLock { $0 = true } }

    var value: Bool { isSet.withLock { $0 } }
  }

  @Test func stoppedBeforeItBeginsNothingHappens() {
    let log = Log()
    run(10, log, shouldStop: { true })
    #expect(log.now.read.isEmpty && log.now.computed.isEmpty && log.now.written.isEmpty)
  }

  /// What is being computed is finished and written, what was read ahead is left.
  @Test func stoppedWhileComputing() {
    let (log, flag) = (Log(), Flag())
    run(
      100, log, shouldStop: { flag.value },
      compute: { item in
        guard item == 3 else { return }
        #expect(log.comesTrue { $0.read.contains(5) })
        flag.set()
      })
    let events = log.now
    #expect(events.computed == [0, 1, 2, 3] && events.written == [0, 1, 2, 3])
    #expect(events.results.last == .success(31))
    #expect(events.read.count >= 6 && events.read.count <= 3 + OverlappedPipeline.depth + 2)
  }

  /// The item that is being read is not begun any more.
  @Test func stoppedWhileReading() {
    let (log, flag) = (Log(), Flag())
    run(100, log, shouldStop: { flag.value }, read: { if $0 == 5 { flag.set() } })
    let events = log.now
    #expect(events.read == [0, 1, 2, 3, 4, 5])
    #expect(events.written == Array(0..<events.written.count) && events.written.count <= 5)
    #expect(events.computed == events.written)
  }

  /// Whatever has been computed is written.
  @Test func stoppedWhileWriting() {
    let (log, flag) = (Log(), Flag())
    let computed = OverlappedPipeline.depth + 2
    run(
      100, log, shouldStop: { flag.value },
      write: { item in
        guard item == 2 else { return }
        #expect(log.comesTrue { $0.computed.count == 2 + computed })
        flag.set()
      })
    #expect(log.now.computed == Array(0..<2 + computed))
    #expect(log.now.written == log.now.computed)
  }

  // MARK: Without threads

  /// Where the system starts no thread, or one of the two, the caller does what is left of the work.
  @Test(arguments: [0, 1]) func missingThreadsAreTheCallers(started: Int) {
    let log = Log()
    run(
      20, log, threads: .limited(to: started),
      read: { if $0 % 3 == 1 { throw Failure(stage: "read", item: $0) } },
      compute: { if $0 % 3 == 2 { throw Failure(stage: "compute", item: $0) } })
    let events = log.now
    #expect(events.read == Array(0..<20) && events.written == Array(0..<20))
    #expect(
      events.results
        == (0..<20).map { item in
          switch item % 3 {
          case 1: .failure(Failure(stage: "read", item: item))
          case 2: .failure(Failure(stage: "compute", item: item))
          default: .success(10 * item + 1)
          }
        })
    let caller = ObjectIdentifier(Thread.current)
    #expect(events.threads["compute"] == [caller] && events.threads["write"] == [caller])
    #expect((events.threads["read"] == [caller]) == (started == 0))
  }

  @Test func withoutThreadsItemsGoOneByOne() {
    let (loaded, computed) = (Census(), Census())
    OverlappedPipeline.run(
      Array(0..<50), threads: .limited(to: 0), read: { _ in Picture(loaded) },
      compute: { _, _ in Picture(computed) }, write: { _, _ in })
    #expect(loaded.now.most == 1 && computed.now.most == 1)
    #expect(loaded.now.living == 0 && computed.now.living == 0)
  }

  @Test(arguments: [0, 1]) func stoppedWithoutThreads(started: Int) {
    let (log, flag) = (Log(), Flag())
    run(
      100, log, threads: .limited(to: started), shouldStop: { flag.value },
      compute: { if $0 == 3 { flag.set() } })
    #expect(log.now.computed == [0, 1, 2, 3] && log.now.written == [0, 1, 2, 3])
    if started == 0 { #expect(log.now.read == [0, 1, 2, 3]) }
    let other = Log()
    run(10, other, threads: .limited(to: started), shouldStop: { true })
    #expect(other.now.read.isEmpty && other.now.written.isEmpty)
  }
}
