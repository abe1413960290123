/// Files that `numpy.load` reads: little-endian float32, C order.
package enum NumpyFile {
  /// The header of format version 1.0, a multiple of 64 bytes long.
  package static func header(shape: [Int]) -> [UInt8] {
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }"
    text += String(repeating: " ", count: (64 - (10 + text.utf8.count + 1) % 64) % 64) + "\n"
    let length = text.utf8.count
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
      + Array(text.utf8)
  }

  /// Writes an array, whole or not at all.
  ///
  /// - Throws: ``FileError`` of kind `.unwritable`.
  package static func write(_ values: [Float], shape: [Int], to path: String) throws {
    try staged(values, shape: shape, path: path).commit()
  }

  /// Writes an array into a file that appears when it is committed.
  ///
  /// - Throws: ``FileError`` of kind `.unwritable`.
  package static func staged(_ values: [Float], shape: [Int], path: String) throws -> AtomicFile {
    let file = try AtomicFile(path: path)
    try file.write(header(shape: shape))
    #if _endian(little)
      try values.withUnsafeBytes { try file.write($0) }
    #else
      try file.write(values.flatMap { Self.bytes(of: $0) })
    #endif
    return file
  }

  private static func bytes(of value: Float) -> [UInt8] {
    let pattern = value.bitPattern
    return (0..<4).map { UInt8(truncatingIfNeeded: pattern >> (8 * $0)) }
  }
}
