import FlattenTensor
import Foundation

/// Three stages over a list of items: reading and writing overlap with computing.
///
/// One thread reads ahead, the caller's thread computes (with its own pool beneath), one thread
/// writes. Queues are short, so memory stays bounded whatever the number of items. Results arrive at
/// the writer in the order of the items. Where the system starts no thread the caller's reads and writes as
/// well, one item after the other.
package enum OverlappedPipeline {
  /// Items that may wait between two stages.
  static let depth = 2

  /// Runs all items through the stages.
  ///
  /// - Parameters:
  ///   - shouldStop: asked before each item is read and before it is computed; what is being
  ///     computed or written then is finished, what was only read ahead is left undone.
  ///   - read, compute: an error they throw reaches `write` as the item's result.
  ///   - write: called for every item that was not left undone, in order, on one thread.
  ///   - threads: starts the two threads.
  package static func run<Item: Sendable, Loaded: Sendable, Computed: Sendable>(
    _ items: [Item], threads: ThreadStarter = .system,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    read: @escaping @Sendable (Item) throws -> Loaded,
    compute: (Item, Loaded) throws -> Computed,
    write: @escaping @Sendable (Item, Result<Computed, any Error>) -> Void
  ) {
    let loaded = BoundedQueue<(Item, Result<Loaded, any Error>)>(capacity: depth)
    let computed = BoundedQueue<(Item, Result<Computed, any Error>)>(capacity: depth)
    let written = DispatchSemaphore(value: 0)
    let isReadAhead = threads.start {
      for item in items {
        if shouldStop() { break }
        loaded.push((item, Result { try read(item) }))
      }
      loaded.finish()
    }
    let isWrittenBehind = threads.start {
      while let (item, result) = computed.pop() { write(item, result) }
      written.signal()
    }
    var unread = items[...]
    func next() -> (Item, Result<Loaded, any Error>)? {
      if isReadAhead { return loaded.pop() }
      if shouldStop() { return nil }
      return unread.popFirst().map { item in (item, Result { try read(item) }) }
    }
    while let (item, result) = next() {
      if shouldStop() { continue }
      let outcome = result.flatMap { value in Result { try compute(item, value) } }
      if isWrittenBehind {
        computed.push((item, outcome))
      } else {
        write(item, outcome)
      }
    }
    guard isWrittenBehind else { return }
    computed.finish()
    written.wait()
  }
}

/// A queue between two threads that makes the faster one wait.
private final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private let capacity: Int
  private var elements: [Element] = []
  private var isFinished = false

  init(capacity: Int) { self.capacity = capacity }

  func push(_ element: Element) {
    condition.lock()
    while elements.count >= capacity { condition.wait() }
    elements.append(element)
    condition.broadcast()
    condition.unlock()
  }

  /// No more elements will come.
  func finish() {
    condition.lock()
    isFinished = true
    condition.broadcast()
    condition.unlock()
  }

  /// The next element, or `nil` after the last.
  func pop() -> Element? {
    condition.lock()
    defer { condition.unlock() }
    while elements.isEmpty && !isFinished { condition.wait() }
    guard !elements.isEmpty else { return nil }
    condition.broadcast()
    return elements.removeFirst()
  }
}
