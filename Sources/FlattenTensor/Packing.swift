/// What the preparation of weights may use.
package struct Packing: Sendable {
  /// Share out the work; who prepares weights is one of them.
  package let threads: ThreadPool
  /// Where prepared weights stay; `nil` takes each from the system.
  package let memory: BufferPool?
  /// Where weights as they are stored lie until they are prepared.
  package let staging: BufferPool?

  /// How weights are stored for products.
  package let precision: Precision

  /// One thread, memory from the system, float32.
  package static let plain = plain(.float32)

  /// One thread, and memory from the system.
  package static func plain(_ precision: Precision) -> Packing {
    Packing(
      threads: ThreadPool(threads: 1), memory: nil, staging: nil, precision: precision)
  }

  /// The threads of a pool, and two pools of memory. In pools the pages are large and, where weights
  /// are thrown away, soon used again: new pages are what costs most time in loading.
  package init(threads: ThreadPool, _ precision: Precision) {
    self.init(
      threads: threads, memory: BufferPool(), staging: BufferPool(), precision: precision)
  }

  /// The same for what is prepared later: it does not hold the memory that is for loading.
  package var afterLoading: Packing {
    Packing(threads: threads, memory: memory, staging: nil, precision: precision)
  }

  private init(
    threads: ThreadPool, memory: BufferPool?, staging: BufferPool?, precision: Precision
  ) {
    self.precision = precision
    self.threads = threads
    self.memory = memory
    self.staging = staging
  }
}
