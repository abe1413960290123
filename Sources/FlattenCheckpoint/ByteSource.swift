import FlattenFiles

/// Where a checkpoint's bytes are: an open file, or memory that lives as long as the program.
///
/// Unchecked: neither the file's descriptor nor the static bytes ever change.
enum ByteSource: @unchecked Sendable {
  case file(FileReader)
  case memory(UnsafeRawBufferPointer)

  var size: Int {
    switch self {
    case .file(let reader): reader.size
    case .memory(let bytes): bytes.count
    }
  }

  /// Fills `buffer` from `offset` on; a range outside the source is refused.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    guard offset >= 0, offset <= size, buffer.count <= size - offset else {
      throw Refusal("ends at byte \(size), \(buffer.count) bytes were expected at byte \(offset)")
    }
    switch self {
    case .file(let reader): try reader.read(at: offset, into: buffer)
    case .memory(let bytes):
      let part = bytes[offset..<offset + buffer.count]
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
    }
  }

  /// The `count` bytes from `offset` on.
  func read(at offset: Int, count: Int) throws -> [UInt8] {
    // Before anything is allocated.
    guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
      throw Refusal("ends at byte \(size), \(count) bytes were expected at byte \(offset)")
    }
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try read(at: offset, into: $0) }
    return bytes
  }

  /// Calls `body` with the bytes of a range, piece after piece.
  func forEachPiece(
    at offset: Int, count: Int, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    if case .memory(let bytes) = self {
      guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
        throw Refusal("ends at byte \(size), \(count) bytes were expected at byte \(offset)")
      }
      return try body(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
    }
    let pieceSize = 1 << 18
    let piece = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(pieceSize, max(count, 1)), alignment: 64)
    defer { piece.deallocate() }
    var done = 0
    while done < count {
      let length = min(pieceSize, count - done)
      let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<length])
      try read(at: offset + done, into: part)
      try body(UnsafeRawBufferPointer(part))
      done += length
    }
  }
}

/// Little-endian integers of a few bytes that are in memory; beyond the end is a refusal.
struct ByteFields {
  let bytes: [UInt8]

  /// An unsigned number of 1 to 8 bytes.
  func unsigned(at offset: Int, bytes count: Int) throws -> UInt64 {
    guard offset >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      throw Refusal("a record is cut short")
    }
    return bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  func uint16(_ offset: Int) throws -> Int { Int(try unsigned(at: offset, bytes: 2)) }
  func uint32(_ offset: Int) throws -> Int { Int(try unsigned(at: offset, bytes: 4)) }

  /// A 64-bit size or position; more than 63 bits is a refusal.
  func uint64(_ offset: Int) throws -> Int {
    guard let value = Int(exactly: try unsigned(at: offset, bytes: 8)) else {
      throw Refusal("a size or position is beyond 63 bits")
    }
    return value
  }
}
