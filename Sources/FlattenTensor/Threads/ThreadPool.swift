import FlattenKernels
import Foundation
import Synchronization

/// Worker threads that share out the independent pieces of an operator.
///
/// An operator splits its *output*, never a sum, into pieces that do not depend on the number of
/// threads; so the bits of a result do not either. The calling thread works too. Several threads may
/// call at once: each helps its own call to the end, the workers help whoever waits.
///
/// A pass makes more than a hundred calls, many of them for microseconds of work. So pieces are handed
/// out without a lock, and who has nothing to do looks about for some microseconds before it sleeps.
package final class ThreadPool: Sendable {
  /// Threads that compute, the caller among them.
  package let threads: Int
  /// Threads that were asked for; more where the system did not start all of them.
  package let wantedThreads: Int
  private let board: JobBoard

  /// Makes a pool of `threads` threads in all, or of as many as the system starts; the workers end when the
  /// pool goes.
  package init(threads: Int, starter: ThreadStarter = .system) {
    precondition(threads >= 1, "a pool needs at least one thread, not \(threads)")
    let board = JobBoard(patience: threads <= Processors.available ? JobBoard.patience : 0)
    self.board = board
    wantedThreads = threads
    var started = 1
    while started < threads && starter.start({ board.work() }) { started += 1 }
    self.threads = started
  }

  /// What to tell of a pool that is smaller than it was to be.
  package var shortage: String? {
    guard threads < wantedThreads else { return nil }
    return
      "\(threads) of \(wantedThreads) threads could be started and compute; a limit on processes or "
      + "memory stops the system from starting more"
  }

  deinit { board.close() }

  /// Calls `body` once for each of `0..<count`, on any thread and in any order; returns when all are
  /// done. A body may call again: the inner call's thread works on its pieces itself, so it ends.
  package func run(_ count: Int, _ body: (Int) -> Void) {
    if threads == 1 || count <= 1 {
      for index in 0..<max(count, 0) { body(index) }
      return
    }
    board.run(count, body)
  }
}

/// One call of `ThreadPool.run`, in a place that later calls use again.
///
/// Unchecked: `count` and `body` are written before `door` opens; helpers read them until the last has
/// left.
private final class Job: @unchecked Sendable {
  /// The number of helpers inside, and in its upper bits the state.
  private let door = Atomic(0)
  /// Pieces that nobody has taken; below zero where several asked for the last one.
  private let left = Atomic(0)
  private var count = 0
  private var body: ((Int) -> Void)?

  private static let isTaken = 1 << 60
  private static let isOpen = 1 << 61
  private static let isAwaited = 1 << 62
  private static let helpers = isTaken - 1

  // MARK: The caller

  /// Whether the place was free and now belongs to this caller.
  func take() -> Bool {
    door.compareExchange(expected: 0, desired: Self.isTaken, ordering: .acquiring).exchanged
  }

  /// Lets helpers in.
  func open(_ count: Int, _ body: @escaping (Int) -> Void) {
    self.count = count
    self.body = body
    left.store(count, ordering: .relaxed)
    door.store(Self.isTaken | Self.isOpen, ordering: .releasing)
  }

  /// Lets nobody in any more.
  func close() { door.bitwiseAnd(~Self.isOpen, ordering: .relaxed) }

  /// Whether all helpers have left. As they leave when no piece is left, all pieces are done then.
  var isEmpty: Bool { door.load(ordering: .acquiring) & Self.helpers == 0 }

  /// Has the last helper to leave say so.
  func await() { door.bitwiseOr(Self.isAwaited, ordering: .relaxed) }

  /// Gives the place back.
  func giveBack() {
    body = nil
    door.store(0, ordering: .releasing)
  }

  // MARK: A helper

  /// Whether there was work to be had, a moment ago.
  var hasWork: Bool { left.load(ordering: .relaxed) > 0 }

  /// Whether the helper is inside.
  func enter() -> Bool {
    var seen = door.load(ordering: .relaxed)
    while seen & Self.isOpen != 0 {
      let (isDone, now) = door.weakCompareExchange(
        expected: seen, desired: seen + 1, successOrdering: .acquiring, failureOrdering: .relaxed)
      if isDone { return true }
      seen = now
    }
    return false
  }

  /// Returns whether a sleeping caller has to be told that this was the last helper.
  func leave() -> Bool {
    let now = door.subtract(1, ordering: .acquiringAndReleasing).newValue
    return now & Self.helpers == 0 && now & Self.isAwaited != 0
  }

  // MARK: Both

  /// Does pieces until none is left.
  func work() {
    guard let body else { return }
    while true {
      let piece = count - left.subtract(1, ordering: .relaxed).oldValue
      if piece >= count { return }
      body(piece)
    }
  }
}

/// Where workers look for jobs.
private final class JobBoard: Sendable {
  /// How often one looks again before going to sleep: some tens of microseconds, as long as the
  /// system takes to wake a thread.
  static let patience = 1500

  private let patience: Int
  /// More calls at once, or deeper ones inside each other, do without help.
  private let jobs = (0..<16).map { _ in Job() }
  /// Counts the calls, so that a worker that found nothing knows whether to look again.
  private let calls = Atomic(0)
  private let isClosed = Atomic(false)
  private let sleepers = Atomic(0)
  private let workCame = NSCondition()
  private let helpersLeft = NSCondition()

  init(patience: Int) { self.patience = patience }

  // MARK: The caller

  func run(_ count: Int, _ body: (Int) -> Void) {
    guard let job = jobs.first(where: { $0.take() }) else {
      for index in 0..<count { body(index) }
      return
    }
    withoutActuallyEscaping(body) { body in
      job.open(count, body)
      announce(count - 1)
      job.work()
      job.close()
      waitForHelpers(of: job)
      job.giveBack()
    }
  }

  /// Has up to `wanted` workers look for work.
  private func announce(_ wanted: Int) {
    // Either this thread sees the sleeper or the sleeper sees the call: both orders are one.
    calls.add(1, ordering: .sequentiallyConsistent)
    let asleep = sleepers.load(ordering: .sequentiallyConsistent)
    if asleep == 0 { return }
    workCame.lock()
    if wanted >= asleep {
      workCame.broadcast()
    } else {
      for _ in 0..<wanted { workCame.signal() }
    }
    workCame.unlock()
  }

  private func waitForHelpers(of job: Job) {
    for _ in 0..<patience {
      if job.isEmpty { return }
      fk_pause()
    }
    if job.isEmpty { return }
    helpersLeft.lock()
    job.await()
    while !job.isEmpty { helpersLeft.wait() }
    helpersLeft.unlock()
  }

  func close() {
    isClosed.store(true, ordering: .releasing)
    announce(.max)
  }

  // MARK: A worker

  func work() {
    while true {
      let seen = calls.load(ordering: .acquiring)
      if isClosed.load(ordering: .acquiring) { return }
      if !help() && !isCalled(since: seen) { sleep(since: seen) }
    }
  }

  /// Helps all who want it; returns whether anyone did.
  private func help() -> Bool {
    var hasHelped = false
    for job in jobs where job.hasWork && job.enter() {
      job.work()
      hasHelped = true
      if job.leave() {
        helpersLeft.lock()
        helpersLeft.broadcast()
        helpersLeft.unlock()
      }
    }
    return hasHelped
  }

  /// Whether a call comes within some microseconds.
  private func isCalled(since seen: Int) -> Bool {
    for _ in 0..<patience {
      if calls.load(ordering: .relaxed) != seen { return true }
      fk_pause()
    }
    return false
  }

  private func sleep(since seen: Int) {
    workCame.lock()
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while calls.load(ordering: .sequentiallyConsistent) == seen { workCame.wait() }
    sleepers.subtract(1, ordering: .relaxed)
    workCame.unlock()
  }
}
