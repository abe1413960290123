import FlattenFiles
import FlattenTensor

/// Scores of all classes for all pixels, `[classes, height, width]`, written band by band as they are
/// made, so that they are never in memory at once.
package final class NumpyScoreFile: Sendable {
  package let path: String
  private let file: Locked<AtomicFile?>
  private let failure = Locked<(any Error)?>(nil)
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
    self.file = Locked(file)
    headerCount = header.count
    self.classes = classes
    self.height = height
    self.width = width
  }

  /// Takes a band of rows, `[rows, width, classes]`, from any thread.
  package func write(firstRow: Int, rows: Int, _ values: Span<Float>) {
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
