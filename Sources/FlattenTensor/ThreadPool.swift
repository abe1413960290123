import Foundation

/// Worker threads that share out the independent pieces of an operator.
///
/// An operator splits its *output*, never a sum, into pieces that do not depend on the number of
/// threads; so the bits of a result do not either. The calling thread works too. Several threads may
/// call at once: each helps its own call to the end, the workers help whoever waits.
package final class ThreadPool: Sendable {
  /// Threads that compute, the caller among them.
  package let threads: Int
  private let board: JobBoard

  /// Makes a pool of `threads` threads in all; the workers end when the pool goes.
  package init(threads: Int) {
    precondition(threads >= 1, "a pool needs at least one thread, not \(threads)")
    self.threads = threads
    let board = JobBoard()
    self.board = board
    for _ in 1..<threads {
      let worker = Thread { board.work() }
      worker.stackSize = 4 << 20
      worker.start()
    }
  }

  deinit { board.close() }

  /// Calls `body` once for each of `0..<count`, on any thread and in any order; returns when all are
  /// done. A body may call again: the inner call's thread works on its pieces itself, so it ends.
  package func run(_ count: Int, _ body: @escaping (Int) -> Void) {
    if threads == 1 || count <= 1 {
      for index in 0..<max(count, 0) { body(index) }
      return
    }
    board.run(Job(count: count, body: body))
  }

  /// The number of processors this process may use: its affinity mask and its control group's quota.
  package static var availableProcessors: Int {
    let processors = max(ProcessInfo.processInfo.activeProcessorCount, 1)
    guard let text = try? String(contentsOfFile: "/sys/fs/cgroup/cpu.max", encoding: .utf8) else {
      return processors
    }
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]),
      quota > 0, period > 0
    else { return processors }
    return max(1, min(processors, Int((quota / period).rounded(.up))))
  }
}

/// One call of `ThreadPool.run`. Its counters are guarded by the board's lock.
private final class Job: @unchecked Sendable {
  let count: Int
  let body: (Int) -> Void
  var next = 0
  var done = 0

  init(count: Int, body: @escaping (Int) -> Void) {
    self.count = count
    self.body = body
  }
}

/// Where jobs wait for workers.
private final class JobBoard: @unchecked Sendable {
  private let condition = NSCondition()
  private var jobs: [Job] = []
  private var closed = false

  func run(_ job: Job) {
    condition.lock()
    jobs.append(job)
    condition.broadcast()
    help(job)
    while job.done < job.count { condition.wait() }
    jobs.removeAll { $0 === job }
    condition.unlock()
  }

  func work() {
    condition.lock()
    while !closed {
      if let job = jobs.first(where: { $0.next < $0.count }) {
        help(job)
      } else {
        condition.wait()
      }
    }
    condition.unlock()
  }

  /// Takes pieces of `job` until none is left. Called and left with the lock held.
  private func help(_ job: Job) {
    while job.next < job.count {
      let index = job.next
      job.next += 1
      condition.unlock()
      job.body(index)
      condition.lock()
      job.done += 1
      if job.done == job.count { condition.broadcast() }
    }
  }

  func close() {
    condition.lock()
    closed = true
    condition.broadcast()
    condition.unlock()
  }
}
