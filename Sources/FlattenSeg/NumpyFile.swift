import FlattenFiles
import Synchronization

/// Files that `numpy.load` reads: little-endian float32, C order.
package enum NumpyFile {
  /// The header of format version 1.0, a multiple of 64 bytes long.
  static func header(shape: [Int]) -> [UInt8] {
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }"
    text += String(repeating: " ", count: (64 - (10 + text.utf8.count + 1) % 64) % 64) + "\n"
    let length = text.utf8.count
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
      + Array(text.utf8)
  }

  /// Writes an array, whole or not at all.
  ///
  /// - Throws: `FileError` of kind `.unwritable`.
  package static func write(_ values: [Float], shape: [Int], to path: String) throws {
    try staged(values, shape: shape, path: path).commit()
  }

  /// Writes an array into a file that appears when it is committed.
  ///
  /// - Throws: `FileError` of kind `.unwritable`.
  static func staged(_ values: [Float], shape: [Int], path: String) throws -> AtomicFile {
    let file = try AtomicFile(path: path)
    try file.write(header(shape: shape))
    #if _endian(little)
      try values.withUnsafeBytes { try file.write($0) }
    #else
      try file.write(values.flatMap { Self.bytes(of: $0) })
    #endif
    return file
  }

  static func bytes(of value: Float) -> [UInt8] {
    let pattern = value.bitPattern
    return (0..<4).map { UInt8(truncatingIfNeeded: pattern >> (8 * $0)) }
  }
}

/// Scores of all classes for all pixels, `[classes, height, width]`, written band by band as they are
/// made, so that they are never in memory at once.
package final class NumpyScoreFile: Sendable {
  package let path: String
  private let file: Mutex<AtomicFile?>
  private let failure = Mutex<(any Error)?>(nil)
  private let headerCount: Int
  private let classes: Int
  private let height: Int
  private let width: Int

  /// - Throws: `FileError` of kind `.unwritable`.
  package init(path: String, classes: Int, height: Int, width: Int) throws {
    let file = try AtomicFile(path: path)
    let header = NumpyFile.header(shape: [classes, height, width])
    try file.write(header)
    self.path = path
    self.file = Mutex(file)
    headerCount = header.count
    self.classes = classes
    self.height = height
    self.width = width
  }

  /// Takes a band of rows, `[rows, width, classes]`, from any thread.
  package func write(firstRow: Int, rows: Int, _ values: UnsafeBufferPointer<Float>) {
    let pixels = rows * width
    var plane = [UInt8](repeating: 0, count: pixels * 4)
    for index in 0..<classes {
      plane.withUnsafeMutableBytes { bytes in
        for pixel in 0..<pixels {
          bytes.storeBytes(
            of: values[pixel * classes + index].bitPattern.littleEndian, toByteOffset: pixel * 4,
            as: UInt32.self)
        }
      }
      let offset = headerCount + (index * height + firstRow) * width * 4
      file.withLock { file in
        do {
          try plane.withUnsafeBytes { try file?.write($0, at: offset) }
        } catch {
          failure.withLock { $0 = $0 ?? error }
        }
      }
    }
  }

  /// Makes the file appear.
  package func commit() throws {
    if let failure = failure.withLock({ $0 }) { throw failure }
    try file.withLock { try $0?.commit() }
  }
}
