import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct ThreadStarterTests {
  @Test func runsOnAnotherThread() {
    let caller = pthread_self()
    let isDone = DispatchSemaphore(value: 0)
    let isOther = Locked(false)
    #expect(
      ThreadStarter.system.start {
        let other = pthread_equal(pthread_self(), caller) == 0
        isOther.withLock { $0 = other }
        isDone.signal()
      })
    isDone.wait()
    #expect(isOther.withLock { $0 })
  }

  /// What a thread's body holds is let go when it has run.
  @Test func letsGoOfItsBody() {
    weak var gone: Locked<Int>?
    let isDone = DispatchSemaphore(value: 0)
    do {
      let held = Locked(0)
      gone = held
      #expect(
        ThreadStarter.system.start {
          held.withLock { $0 += 1 }
          isDone.signal()
        })
    }
    isDone.wait()
    for _ in 0..<1000 where gone != nil { usleep(1000) }
    #expect(gone == nil)
  }

  @Test func refusesAndThenDoesNotCall() {
    let calls = Locked(0)
    let isDone = DispatchSemaphore(value: 0)
    let starter = ThreadStarter.limited(to: 1)
    let answers = (0..<3).map { _ in
      starter.start {
        calls.withLock { $0 += 1 }
        isDone.signal()
      }
    }
    isDone.wait()
    #expect(answers == [true, false, false])
    usleep(20_000)
    #expect(calls.withLock { $0 } == 1)
  }
}
