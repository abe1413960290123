import FlattenKernels
import FlattenTensor

/// Turns score fields into what is wanted of every pixel of the picture, a band of rows at a time.
///
/// Scores are resized twice, from the coarse logits to the network's size and from there to the
/// picture's, as mmsegmentation does; the same label map as resizing everything first, without the
/// memory.
package struct PixelScores {
  /// What a sink receives.
  package enum Kind: Sendable {
    /// The network's scores; the mean of the probabilities where there are several fields.
    case logits
    /// Softmax over the classes, averaged over the fields.
    case probabilities
  }

  /// Receives bands of rows: first row, rows, and `[rows, width, classes]` values. Called from several
  /// threads, each band once.
  package typealias Sink = @Sendable (Int, Int, UnsafeBufferPointer<Float>) -> Void

  /// Rows that one task makes; fixed, so that the bits do not depend on the threads.
  package static let band = 16

  let fields: [ScoreField]
  let size: PixelSize
  let alignCorners: Bool

  package init(fields: [ScoreField], size: PixelSize, alignCorners: Bool) {
    self.fields = fields
    self.size = size
    self.alignCorners = alignCorners
  }

  /// Labels of all pixels; fills `confidence` with the winner's probability and feeds the sinks where
  /// asked.
  package func labels(
    threads: ThreadPool, memory: BufferPool, wantsConfidence: Bool, sinks: [(Kind, Sink)] = []
  ) -> (labels: LabelMap, confidence: [Float]?) {
    let pixels = size.height * size.width
    let bands = (size.height + Self.band - 1) / Self.band
    let classes = fields[0].classes
    var confidence = [Float](repeating: 0, count: wantsConfidence ? pixels : 0)
    let ids = [UInt16](unsafeUninitializedCapacity: pixels) { ids, written in
      confidence.withUnsafeMutableBufferPointer { confidence in
        guard let ids = ids.baseAddress else { return }
        let confident = wantsConfidence ? confidence.baseAddress : nil
        threads.run(bands) { index in
          let first = index * Self.band
          let rows = first..<min(first + Self.band, size.height)
          makeBand(
            rows, classes: classes, memory: memory, sinks: sinks, ids: ids + first * size.width,
            confidence: confident.map { $0 + first * size.width })
        }
      }
      written = pixels
    }
    return (
      LabelMap(width: size.width, height: size.height, ids: ids), wantsConfidence ? confidence : nil
    )
  }

  private func makeBand(
    _ rows: Range<Int>, classes: Int, memory: BufferPool, sinks: [(Kind, Sink)],
    ids: UnsafeMutablePointer<UInt16>, confidence: UnsafeMutablePointer<Float>?
  ) {
    let kernels = fk_active().pointee
    let count = rows.count * size.width
    let scores = Tensor(uninitialized: [count * classes], pool: memory)
    let values = scores.mutablePointer
    if fields.count == 1 {
      write(rows, of: fields[0], into: values, memory: memory)
    } else {
      let one = Tensor(uninitialized: [count * classes], pool: memory)
      values.update(repeating: 0, count: count * classes)
      for field in fields {
        write(rows, of: field, into: one.mutablePointer, memory: memory)
        kernels.softmax(one.mutablePointer, classes, count, classes, 1)
        kernels.add_scaled(values, one.pointer, 1, count * classes)
      }
      for index in 0..<count * classes { values[index] /= Float(fields.count) }
    }
    kernels.argmax(values, count, classes, ids)
    let band = UnsafeBufferPointer(start: UnsafePointer(values), count: count * classes)
    for (kind, sink) in sinks where kind == .logits { sink(rows.lowerBound, rows.count, band) }

    if confidence == nil && !sinks.contains(where: { $0.0 == .probabilities }) { return }
    if fields.count == 1 { kernels.softmax(values, classes, count, classes, 1) }
    for (kind, sink) in sinks where kind == .probabilities {
      sink(rows.lowerBound, rows.count, band)
    }
    if let confidence {
      for pixel in 0..<count { confidence[pixel] = values[pixel * classes + Int(ids[pixel])] }
    }
  }

  /// Writes the field's scores for some rows of the picture.
  private func write(
    _ rows: Range<Int>, of field: ScoreField, into out: UnsafeMutablePointer<Float>,
    memory: BufferPool
  ) {
    let length = size.width * field.classes
    let scratch = Tensor(uninitialized: [field.scratchCount], pool: memory)
    if field.size == size {
      for row in rows {
        field.write(
          row: row, into: out + (row - rows.lowerBound) * length, scratch: scratch.mutablePointer)
      }
      return
    }
    let vertical = LinearTable(
      from: field.size.height, to: size.height, alignCorners: alignCorners)
    let horizontal = LinearTable(
      from: field.size.width, to: size.width, alignCorners: alignCorners)
    // The two network rows that the current picture row lies between; the next one mostly shares them.
    let kept = Tensor(uninitialized: [2, field.size.width * field.classes], pool: memory)
    var held = [-1, -1]
    func networkRow(_ row: Int, sparing other: Int) -> UnsafePointer<Float> {
      let slot = held.firstIndex(of: row) ?? (held[0] == other ? 1 : 0)
      let address = kept.mutablePointer + slot * kept.shape[1]
      if held[slot] != row {
        field.write(row: row, into: address, scratch: scratch.mutablePointer)
        held[slot] = row
      }
      return UnsafePointer(address)
    }
    for row in rows {
      let upper = Int(vertical.first[row])
      let lower = Int(vertical.second[row])
      let upperRow = networkRow(upper, sparing: lower)
      let lowerRow = networkRow(lower, sparing: upper)
      horizontal.write(
        row, of: vertical, channels: field.classes, rows: { $0 == upper ? upperRow : lowerRow },
        into: out + (row - rows.lowerBound) * length)
    }
  }
}
