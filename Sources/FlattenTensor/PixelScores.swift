import FlattenKernels
import FlattenRegions

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Turns score fields into what is wanted of every pixel of the picture, a band of rows at a time.
///
/// Scores are resized twice, from the coarse logits to the network's size and from there to the
/// picture's, as mmsegmentation does; or once, where the field has the picture's size. The same label map as
/// resizing everything first, without the memory.
package struct PixelScores {
  /// The scores that a sink receives.
  package enum Kind: Sendable {
    /// The network's scores; the mean of the probabilities where there are several fields.
    case logits
    /// Softmax over the classes, averaged over the fields.
    case probabilities
  }

  /// Receives bands of rows: first row, rows, and `[rows, width, classes]` values. Called from several
  /// threads, each band once.
  package typealias Sink = @Sendable (Int, Int, Span<Float>) -> Void

  /// Rows that one task makes; fixed, so that the bits do not depend on the threads.
  package static let band = 16

  let fields: [ScoreField]
  let size: PixelSize
  let interpolation: Interpolation
  /// Of a model with one score a pixel: the probability above which a pixel is the object.
  let threshold: Float

  /// - Parameters:
  ///   - fields: as many classes each; one class is the object's score against the background.
  ///   - size: of the picture.
  ///   - threshold: with one class, the probability above which a pixel is the object, label 1.
  package init(
    fields: [ScoreField], size: PixelSize, interpolation: Interpolation, threshold: Float = 0.5
  ) {
    self.fields = fields
    self.size = size
    self.interpolation = interpolation
    self.threshold = threshold
  }

  /// Labels of all pixels; fills `confidence` with the winner's probability and feeds the sinks where
  /// asked.
  ///
  /// - Parameters:
  ///   - size: of the picture.
  ///   - next: gives, for the first row that is missing, scores that reach to another row.
  package static func labels(
    of size: PixelSize, threads: ThreadPool, memory: BufferPool, wantsConfidence: Bool,
    sinks: [(Kind, Sink)] = [], _ next: (_ row: Int) throws -> (scores: PixelScores, end: Int)
  ) rethrows -> (labels: LabelMap, confidence: [Float]?) {
    let pixels = size.height * size.width
    var confidence = [Float](repeating: 0, count: wantsConfidence ? pixels : 0)
    let ids = try [UInt16](unsafeUninitializedCapacity: pixels) { ids, written in
      try confidence.withUnsafeMutableBufferPointer { confidence in
        guard let ids = ids.baseAddress else { return }
        let confident = wantsConfidence ? confidence.baseAddress : nil
        var row = 0
        while row < size.height {
          let (scores, end) = try next(row)
          precondition(end > row && end <= size.height, "rows \(row) to \(end) of \(size.height)")
          let bands = (end - row + band - 1) / band
          threads.run(bands) { index in
            let first = row + index * band
            scores.makeBand(
              first..<min(first + band, end), memory: memory, sinks: sinks,
              ids: ids + first * size.width, confidence: confident.map { $0 + first * size.width })
          }
          row = end
        }
      }
      written = pixels
    }
    return (
      LabelMap(width: size.width, height: size.height, ids: ids), wantsConfidence ? confidence : nil
    )
  }

  /// The bytes that the threads take for their rows.
  package static func memoryNeed(
    threads: Int, fields: Int, classes: Int, width: Int, networkWidth: Int,
    _ interpolation: Interpolation, hasSinks: Bool
  ) -> Int {
    // A field's rows: those that are mixed and a source row, at the network's size and at the picture's.
    let mixed = interpolation == .bicubic ? 4 : 2
    let field = (mixed + 1) * networkWidth + mixed * width + networkWidth
    let scores = (hasSinks ? band : 1) * width * (fields > 1 ? 2 : 1)
    return threads * 4 * classes * (fields * field + scores)
  }

  private func makeBand(
    _ rows: Range<Int>, memory: BufferPool, sinks: [(Kind, Sink)],
    ids: UnsafeMutablePointer<UInt16>, confidence: UnsafeMutablePointer<Float>?
  ) {
    let classes = fields[0].classes
    var readers = fields.map { PictureRows($0, size: size, interpolation, memory) }
    // A row at a time, while its scores are in the cache; sinks get the whole band.
    let height = sinks.isEmpty ? 1 : rows.count
    let scores = Tensor(uninitialized: [height * size.width * classes], pool: memory)
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
      let offset = (first - rows.lowerBound) * size.width
      makeRows(
        first..<first + height, from: &readers, into: scores.mutablePointer, memory: memory,
        sinks: sinks, ids: ids + offset, confidence: confidence.map { $0 + offset })
    }
  }

  private func makeRows(
    _ rows: Range<Int>, from readers: inout [PictureRows],
    into values: UnsafeMutablePointer<Float>, memory: BufferPool, sinks: [(Kind, Sink)],
    ids: UnsafeMutablePointer<UInt16>, confidence: UnsafeMutablePointer<Float>?
  ) {
    if fields[0].classes == 1 {
      return makeBinaryRows(
        rows, from: &readers, into: values, memory: memory, sinks: sinks, ids: ids,
        confidence: confidence)
    }
    let kernels = fk_active().pointee
    let classes = fields[0].classes
    let pixels = rows.count * size.width
    let count = pixels * classes
    if fields.count == 1 {
      readers[0].write(rows, into: values)
    } else {
      let one = Tensor(uninitialized: [count], pool: memory)
      values.update(repeating: 0, count: count)
      for index in readers.indices {
        readers[index].write(rows, into: one.mutablePointer)
        kernels.softmax(one.mutablePointer, classes, pixels, classes, 1, nil)
        kernels.add_scaled(values, one.pointer, 1, count)
      }
      for index in 0..<count { values[index] /= Float(fields.count) }
    }
    kernels.argmax(values, pixels, classes, ids)
    let band = UnsafeBufferPointer(start: UnsafePointer(values), count: count)
    for (kind, sink) in sinks where kind == .logits {
      sink(rows.lowerBound, rows.count, band.span)
    }

    if confidence == nil && !sinks.contains(where: { $0.0 == .probabilities }) { return }
    if fields.count == 1 { kernels.softmax(values, classes, pixels, classes, 1, nil) }
    for (kind, sink) in sinks where kind == .probabilities {
      sink(rows.lowerBound, rows.count, band.span)
    }
    if let confidence {
      for pixel in 0..<pixels { confidence[pixel] = values[pixel * classes + Int(ids[pixel])] }
    }
  }
}

extension PixelScores {
  /// The same for one score a pixel: `sigmoid(score)` is the object's probability.
  private func makeBinaryRows(
    _ rows: Range<Int>, from readers: inout [PictureRows],
    into values: UnsafeMutablePointer<Float>, memory: BufferPool, sinks: [(Kind, Sink)],
    ids: UnsafeMutablePointer<UInt16>, confidence: UnsafeMutablePointer<Float>?
  ) {
    let pixels = rows.count * size.width
    let probabilities = Tensor(uninitialized: [2 * pixels], pool: memory)
    let pair = probabilities.mutablePointer
    pair.update(repeating: 0, count: 2 * pixels)
    for index in readers.indices {
      readers[index].write(rows, into: values)
      for pixel in 0..<pixels { pair[2 * pixel + 1] += 1 / (1 + exp(-values[pixel])) }
    }
    for pixel in 0..<pixels {
      let object = pair[2 * pixel + 1] / Float(fields.count)
      pair[2 * pixel] = 1 - object
      pair[2 * pixel + 1] = object
      // With several fields the scores are the mean of the probabilities, as those of several classes are.
      if fields.count > 1 { values[pixel] = object }
      ids[pixel] = object > threshold ? 1 : 0
      confidence?[pixel] = pair[2 * pixel + Int(ids[pixel])]
    }
    for (kind, sink) in sinks {
      let band =
        kind == .logits
        ? UnsafeBufferPointer(start: UnsafePointer(values), count: pixels)
        : UnsafeBufferPointer(start: probabilities.pointer, count: 2 * pixels)
      sink(rows.lowerBound, rows.count, band.span)
    }
  }
}

/// One field's scores `[size.width, classes]` at the picture's size, for rows from top to bottom.
private struct PictureRows {
  private var network: ScoreField.Rows
  /// From the network's size to the picture's; none where they are equal.
  private var resize: ResizedRows?
  private let length: Int

  init(
    _ field: ScoreField, size: PixelSize, _ interpolation: Interpolation, _ memory: BufferPool
  ) {
    network = field.rows(memory: memory)
    length = size.width * field.classes
    if field.size != size {
      resize = ResizedRows(
        vertical: ResizeTable(from: field.size.height, to: size.height, interpolation),
        horizontal: ResizeTable(from: field.size.width, to: size.width, interpolation),
        sourceWidth: field.size.width, channels: field.classes, pool: memory)
    }
  }

  mutating func write(_ rows: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    for (index, row) in rows.enumerated() {
      let target = out + index * length
      if resize == nil {
        network.write(row, into: target)
      } else {
        resize?.write(row, into: target) { source, memory in
          network.write(source, into: memory)
          return UnsafePointer(memory)
        }
      }
    }
  }
}
