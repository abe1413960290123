import FlattenRegions
import FlattenTensor
import Foundation
import Testing

@testable import FlattenVision

@Suite struct MemoryGateTests {
  private let size = PixelSize(height: 3, width: 4)

  @Test func whatNoSystemHasIsRefused() throws {
    let gate = MemoryGate(over: BufferPool())
    for windowsHelp in [false, true] {
      #expect(
        throws: InferenceError.pictureTooLarge(size, bytes: 1 << 50, windowsHelp: windowsHelp)
      ) {
        _ = try gate.enter(1 << 50, for: size, windowsHelp: windowsHelp)
      }
    }
    // A refusal holds nobody up.
    _ = try gate.enter(1 << 20, for: size, windowsHelp: false)
  }

  /// What two cannot have at once they have one after the other.
  @Test func largePicturesWaitForEachOther() throws {
    // More than half of all addresses that a process has.
    let bytes = 80 << 40
    let gate = MemoryGate(over: BufferPool())
    let small = 40 << 20
    let order = Locked<[String]>([])
    var first: MemoryGate.Pass? = try gate.enter(small, for: size, windowsHelp: false)
    let entered = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      // Refused, but only when it is alone.
      let refusal = Result {
        try gate.enter(bytes, for: PixelSize(height: 1, width: 1), windowsHelp: false)
      }
      order.withLock { $0.append((try? refusal.get()) == nil ? "refused" : "entered") }
      entered.signal()
    }
    #expect(entered.wait(timeout: .now() + 0.2) == .timedOut)
    order.withLock { $0.append("left") }
    withExtendedLifetime(first) {}
    first = nil
    #expect(entered.wait(timeout: .now() + 20) == .success)
    #expect(order.withLock { $0 } == ["left", "refused"])
  }

  /// Idle memory of earlier pictures is given back before a picture is refused.
  @Test func idleMemoryIsGivenBack() {
    let pool = BufferPool()
    _ = Tensor(uninitialized: [16 << 20], pool: pool)
    #expect(pool.heldBytes > 0)
    let gate = MemoryGate(over: pool)
    #expect(throws: InferenceError.self) {
      _ = try gate.enter(1 << 50, for: size, windowsHelp: false)
    }
    #expect(pool.heldBytes == 0)
  }
}
