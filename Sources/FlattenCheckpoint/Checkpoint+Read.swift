import FlattenFiles
import FlattenTensor

extension Checkpoint {
  /// Limit of elements of an expanded view (stride 0); weights of models are not expanded.
  private static let repeatedElementsLimit = 1 << 24

  /// The tensor's elements in single precision, as one axis: files may have more axes than
  /// `Tensor`.
  package func read(_ entry: TensorEntry) throws -> Tensor {
    try Self.naming(name) { try checkRepetition(entry) }
    return try Tensor([entry.elementCount]) { try read(entry, into: $0) }
  }

  /// Writes a tensor's elements, row-major and in single precision.
  ///
  /// - Parameters:
  ///   - buffer: of the tensor's number of elements; may be uninitialised.
  ///   - threads: share out the reading of a large tensor.
  package func read(
    _ entry: TensorEntry, into buffer: UnsafeMutableBufferPointer<Float>,
    on threads: ThreadPool = LoadingContext.plain.threads
  ) throws {
    precondition(
      buffer.count == entry.elementCount,
      "\(buffer.count) elements for '\(entry.name)' \(entry.shape)")
    try Self.naming(name) {
      let type = try elementType(of: entry)
      try checkRepetition(entry)
      if type == .float32 {
        if threads.threads > 1 && entry.isContiguous && !needsVerification(entry.storage) {
          try copy(entry, to: UnsafeMutableRawBufferPointer(buffer), on: threads)
        } else {
          try copy(entry, to: UnsafeMutableRawBufferPointer(buffer))
        }
      } else if entry.isContiguous {
        var done = 0
        try forEachPiece(entry) { bytes in
          let count = bytes.count / type.byteSize
          type.convert(
            bytes,
            to: UnsafeMutableBufferPointer(rebasing: buffer[done..<done + count]))
          done += count
        }
      } else {
        let bytes = try gathered(entry)
        bytes.withUnsafeBytes { type.convert($0, to: buffer) }
      }
    }
    noteNonFinite(entry, UnsafeBufferPointer(buffer), on: threads)
  }

  /// The elements of an integer or truth tensor, row-major.
  package func readIntegers(_ entry: TensorEntry) throws -> [Int64] {
    guard let values = entry.elementType?.integers(try readBytes(entry)) else {
      throw FileError(
        path: name, kind: .refused,
        reason: "'\(shortened(entry.name))' does not hold integers of 64 bits")
    }
    return values
  }

  /// The elements as stored, little-endian, row-major.
  package func readBytes(_ entry: TensorEntry) throws -> [UInt8] {
    try Self.naming(name) {
      try checkRepetition(entry)
      return try gathered(entry)
    }
  }

  /// Compares every checksum of the file that has not been compared yet, which reads all of it.
  package func verify() throws {
    try Self.naming(name) {
      for storage in storages.indices { try verify(storage) }
    }
  }

  // MARK: Elements as stored

  private func checkRepetition(_ entry: TensorEntry) throws {
    let stored = storages[entry.storage].byteCount / entry.type.byteSize
    guard entry.elementCount <= max(stored, Self.repeatedElementsLimit) else {
      throw Refusal(
        "'\(shortened(entry.name))' repeats \(stored) stored elements to \(entry.elementCount), "
          + "too many to be weights")
    }
  }

  private func elementType(of entry: TensorEntry) throws -> ElementType {
    guard let type = entry.elementType else { throw Refusal(notReading: entry) }
    return type
  }

  private func gathered(_ entry: TensorEntry) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: entry.byteCount)
    try bytes.withUnsafeMutableBytes { try copy(entry, to: $0) }
    return bytes
  }

  private func copy(_ entry: TensorEntry, to target: UnsafeMutableRawBufferPointer) throws {
    guard !target.isEmpty else { return }
    guard entry.isContiguous else {
      try verify(entry.storage)
      return try copyStrided(entry, to: target)
    }
    let storage = storages[entry.storage]
    let start = storage.offset + entry.offset * entry.type.byteSize
    let isWhole = target.count == storage.byteCount
    if !isWhole { try verify(entry.storage) }
    // Piece by piece, so that the checksum finds the bytes still in the cache.
    let pieceSize = 1 << 18
    var checksum = Checksum()
    let wantsChecksum = isWhole && needsVerification(entry.storage)
    var done = 0
    while done < target.count {
      let piece = UnsafeMutableRawBufferPointer(
        rebasing: target[done..<min(done + pieceSize, target.count)])
      try source(of: entry.storage).read(at: start + done, into: piece)
      if wantsChecksum { checksum.update(UnsafeRawBufferPointer(piece)) }
      done += piece.count
    }
    if wantsChecksum { try finishVerification(entry.storage, checksum) }
  }

  /// Copies elements in row-major order without a checksum, in pieces shared out to threads.
  private func copy(
    _ entry: TensorEntry, to target: UnsafeMutableRawBufferPointer, on threads: ThreadPool
  ) throws {
    let start = storages[entry.storage].offset + entry.offset * entry.type.byteSize
    let pieceSize = 1 << 18
    let source = source(of: entry.storage)
    let failure = Locked<(any Error)?>(nil)
    threads.run((target.count + pieceSize - 1) / pieceSize) { index in
      let done = index * pieceSize
      do {
        try source.read(
          at: start + done,
          into: UnsafeMutableRawBufferPointer(
            rebasing: target[done..<min(done + pieceSize, target.count)]))
      } catch {
        failure.withLock { $0 = $0 ?? error }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  /// Calls `body` with whole elements of a contiguous tensor, piece after piece.
  private func forEachPiece(
    _ entry: TensorEntry, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let storage = storages[entry.storage]
    let isWhole = entry.byteCount == storage.byteCount
    if !isWhole { try verify(entry.storage) }
    let wantsChecksum = isWhole && needsVerification(entry.storage)
    var checksum = Checksum()
    try source(of: entry.storage).forEachPiece(
      at: storage.offset + entry.offset * entry.type.byteSize, count: entry.byteCount
    ) { bytes in
      if wantsChecksum { checksum.update(bytes) }
      try body(bytes)
    }
    if wantsChecksum { try finishVerification(entry.storage, checksum) }
  }

  /// Copies a view whose elements do not lie in row-major order.
  ///
  /// Walks the axes in the order of their strides, so that the storage is read (nearly) forward
  /// through a small window whatever the order of the axes is.
  private func copyStrided(_ entry: TensorEntry, to target: UnsafeMutableRawBufferPointer) throws {
    let size = entry.type.byteSize
    let storage = storages[entry.storage]
    let source = source(of: entry.storage)
    let targetStrides = TensorEntry.contiguousStrides(entry.shape)
    let axes = entry.shape.indices.filter { entry.shape[$0] > 1 }
      .sorted { entry.strides[$0] > entry.strides[$1] }
    var position = [Int](repeating: 0, count: axes.count)
    var from = entry.offset
    var to = 0
    var window: [UInt8] = []
    var windowStart = 0

    while true {
      let byte = from * size
      if byte < windowStart || byte + size > windowStart + window.count {
        windowStart = byte
        window = try source.read(
          at: storage.offset + byte, count: min(1 << 16, storage.byteCount - byte))
      }
      for offset in 0..<size { target[to * size + offset] = window[byte - windowStart + offset] }

      // The next element: one step of an odometer whose last wheel is the smallest stride.
      var wheel = axes.count - 1
      while wheel >= 0 {
        let axis = axes[wheel]
        position[wheel] += 1
        from += entry.strides[axis]
        to += targetStrides[axis]
        if position[wheel] < entry.shape[axis] { break }
        from -= entry.strides[axis] * entry.shape[axis]
        to -= targetStrides[axis] * entry.shape[axis]
        position[wheel] = 0
        wheel -= 1
      }
      if wheel < 0 { return }
    }
  }

  // MARK: Checksums and numbers

  private func needsVerification(_ storage: Int) -> Bool {
    storages[storage].checksum != nil && !state.withLock { $0.verified.contains(storage) }
  }

  private func verify(_ storage: Int) throws {
    guard needsVerification(storage) else { return }
    try storages[storage].verify(source(of: storage))
    state.withLock { _ = $0.verified.insert(storage) }
  }

  private func finishVerification(_ storage: Int, _ checksum: Checksum) throws {
    try storages[storage].check(checksum)
    state.withLock { _ = $0.verified.insert(storage) }
  }

  private func noteNonFinite(
    _ entry: TensorEntry, _ values: UnsafeBufferPointer<Float>, on threads: ThreadPool
  ) {
    guard !areFinite(values, threads) else { return }
    state.withLock { state in
      if !state.nonFinite.contains(where: { ExactText($0) == ExactText(entry.name) }) {
        state.nonFinite.append(entry.name)
      }
    }
  }
}
