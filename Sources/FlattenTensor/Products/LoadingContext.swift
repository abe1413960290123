/// Threads, memory, precision and purpose with which a model is loaded.
package struct LoadingContext: Sendable {
  /// Share out the work of preparing weights; the loading thread is one of them.
  package let threads: ThreadPool
  /// Where prepared weights stay; `nil` takes each from the system.
  package let memory: BufferPool?
  /// Where weights as they are stored lie until they are prepared.
  package let staging: BufferPool?
  /// How weights are stored for products.
  package let precision: Precision
  /// What the model is loaded for.
  package let purpose: Purpose

  /// One thread, memory from the system, float32.
  package static let plain = plain(.float32)

  /// One thread, and memory from the system.
  package static func plain(
    _ precision: Precision, purpose: Purpose = .inference
  ) -> LoadingContext {
    LoadingContext(
      threads: ThreadPool(threads: 1), memory: nil, staging: nil, precision: precision,
      purpose: purpose)
  }

  /// The threads of a pool, and two pools of memory. In pools the pages are large and, where weights
  /// are thrown away, soon used again: new pages are what costs most time in loading.
  package init(threads: ThreadPool, _ precision: Precision, purpose: Purpose = .inference) {
    self.init(
      threads: threads, memory: BufferPool(),
      staging: purpose == .training ? nil : BufferPool(), precision: precision, purpose: purpose)
  }

  /// The same with weights in float32: where small errors of a product become large.
  package var inFloat32: LoadingContext {
    LoadingContext(
      threads: threads, memory: memory, staging: staging, precision: .float32, purpose: purpose)
  }

  private init(
    threads: ThreadPool, memory: BufferPool?, staging: BufferPool?, precision: Precision,
    purpose: Purpose
  ) {
    self.threads = threads
    self.memory = memory
    self.staging = staging
    self.precision = precision
    self.purpose = purpose
  }
}
