import Foundation

/// A value that one thread at a time may use.
///
/// Not `Synchronization.Mutex`, whose lock ThreadSanitizer does not see: it would report every use from
/// two threads, and hide a real race among the false ones.
package final class Locked<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var value: Value

  package init(_ value: sending Value) { self.value = value }

  /// Calls `body` with the value while no other thread has it. Must not be called from inside itself.
  package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body(&value)
  }
}
