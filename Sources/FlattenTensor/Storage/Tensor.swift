import FlattenKernels
import Synchronization

/// A dense float32 array, row-major, the last axis contiguous.
///
/// Feature maps are `[B, H, W, C]` and token sequences `[B, N, C]`; the two share memory, so turning
/// one into the other (``reshaped(_:)``) costs nothing. A tensor is immutable once made: operators
/// write a new one. Copies share storage.
public struct Tensor: Sendable {
  /// The extent of each axis; an empty list is a scalar.
  public let shape: Shape
  package let storage: TensorStorage

  /// Makes a tensor whose elements `fill` writes; it must write all of them.
  ///
  /// - Parameters:
  ///   - shape: extents, each at least 0.
  ///   - pool: where the memory comes from and returns to; `nil` takes it from the system.
  ///   - fill: receives the uninitialised elements, row-major.
  package init(
    _ shape: Shape, pool: BufferPool? = nil,
    fill: (UnsafeMutableBufferPointer<Float>) throws -> Void
  ) rethrows {
    self.init(uninitialized: shape, pool: pool)
    try fill(storage.buffer)
  }

  /// Makes a tensor whose elements are not yet written; an operator's output before it runs.
  package init(uninitialized shape: Shape, pool: BufferPool? = nil) {
    self.shape = shape
    let count = shape.elementCount
    storage = pool?.storage(count: count) ?? TensorStorage(count: count)
  }

  /// Makes a tensor from its elements in row-major order.
  ///
  /// - Precondition: `elements.count` is the product of `shape`.
  public init(_ shape: Shape, _ elements: [Float]) {
    let count = shape.elementCount
    precondition(
      elements.count == count, "\(elements.count) elements for shape \(shape), wanted \(count)")
    self.init(shape) { _ = $0.initialize(from: elements) }
  }

  /// Makes a tensor of zeros.
  package init(zeros shape: Shape) {
    self.init(shape) { $0.initialize(repeating: 0) }
  }

  private init(shape: Shape, sharing storage: TensorStorage) {
    self.shape = shape
    self.storage = storage
  }

  /// The number of elements.
  public var count: Int { storage.buffer.count }

  /// Whether the memory is only counted: there are no elements, and nothing may be written.
  var isCounted: Bool { storage.isCounted }

  /// The elements as an array, row-major. Copies.
  public var elements: [Float] { withUnsafeBuffer { Array($0) } }

  /// Calls `body` with the elements, row-major, without a copy. The buffer must not outlive the call.
  ///
  /// Where a model's memory is only counted, which is done before a picture of a new size is computed, all
  /// elements are 0.
  public func withUnsafeBuffer<Result>(
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    if isCounted {
      return try [Float](repeating: 0, count: count).withUnsafeBufferPointer(body)
    }
    return try withExtendedLifetime(storage) { try body(UnsafeBufferPointer(storage.buffer)) }
  }

  /// Calls `body` with the elements, row-major, without a copy.
  public func withSpan<Result>(_ body: (Span<Float>) throws -> Result) rethrows -> Result {
    try withUnsafeBuffer { try body($0.span) }
  }

  /// The same elements under another shape of equal count; shares memory.
  public func reshaped(_ shape: Shape) -> Tensor {
    precondition(
      shape.elementCount == count, "cannot see \(self.shape) as \(shape): element counts differ")
    return Tensor(shape: shape, sharing: storage)
  }

  /// The first element's address, for kernels. Valid while the tensor lives.
  package var pointer: UnsafePointer<Float> { UnsafePointer(mutablePointer) }

  /// The first element's address, for the operator that is making this tensor.
  package var mutablePointer: UnsafeMutablePointer<Float> { storage.pointer }
}

/// Whether none of the values is NaN or infinite.
package func areFinite(_ values: UnsafeBufferPointer<Float>, _ threads: ThreadPool) -> Bool {
  guard let start = values.baseAddress else { return true }
  let piece = 1 << 16
  let isBad = Atomic(false)
  threads.run((values.count + piece - 1) / piece) { index in
    let first = index * piece
    if fk_active().pointee.all_finite(start + first, min(piece, values.count - first)) == 0 {
      isBad.store(true, ordering: .relaxed)
    }
  }
  return !isBad.load(ordering: .relaxed)
}

extension Tensor {
  /// Whether no element is NaN or infinite.
  package var isFinite: Bool { fk_active().pointee.all_finite(pointer, count) != 0 }

  /// The same, on all threads of a pool.
  package func isFinite(_ threads: ThreadPool) -> Bool {
    withUnsafeBuffer { areFinite($0, threads) }
  }

  /// The same elements in other memory.
  package func copied(to pool: BufferPool?) -> Tensor {
    Tensor(shape, pool: pool) { out in
      withUnsafeBuffer { _ = out.update(fromContentsOf: $0) }
    }
  }

  /// Some rows and columns of a map `[B, H, W, C]`, copied.
  package func window(
    top: Int, left: Int, height: Int, width: Int, pool: BufferPool? = nil
  ) -> Tensor {
    let (batch, sourceHeight, sourceWidth, channels) = mapShape("window")
    precondition(
      top >= 0 && left >= 0 && top + height <= sourceHeight && left + width <= sourceWidth,
      "rows \(top)+\(height), columns \(left)+\(width) of \(shape)")
    if height == sourceHeight && width == sourceWidth { return self }
    return Tensor([batch, height, width, channels], pool: pool) { out in
      guard let out = out.baseAddress else { return }
      for row in 0..<batch * height {
        let source = (row / height * sourceHeight + top + row % height) * sourceWidth + left
        (out + row * width * channels).update(
          from: pointer + source * channels, count: width * channels)
      }
    }
  }
}
