#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An open regular file, read by position into memory of our own.
///
/// Never mapped: a mapped file that shrinks ends the process, a read of one is an error. Folders,
/// pipes and devices are refused without waiting on them. Reading by position is safe from several
/// threads.
package final class FileReader: Sendable {
  package let path: String
  /// Size in bytes when the file was opened.
  package let size: Int
  private let descriptor: Int32

  /// Opens a regular file.
  ///
  /// - Throws: ``FileError`` of kind `.unreadable`.
  package init(path: String) throws {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw FileError(path: path, kind: .unreadable, reason: "not a file name")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw FileError(path: path, kind: .unreadable, errno: errno)
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw FileError(path: path, kind: .unreadable, errno: code)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR:
      close(descriptor)
      throw FileError(path: path, kind: .unreadable, reason: "is a folder, a file is wanted")
    default:
      close(descriptor)
      throw FileError(path: path, kind: .unreadable, reason: "is not a regular file")
    }
    self.path = path
    self.descriptor = descriptor
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Fills `buffer` from `offset` on.
  ///
  /// - Throws: ``FileError`` where the file ends before the buffer is full.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < buffer.count {
      guard let base = buffer.baseAddress else { return }
      let got = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
      if got > 0 {
        done += got
      } else if got == 0 {
        throw FileError(
          path: path, kind: .refused,
          reason: "ends at byte \(offset + done), \(buffer.count - done) bytes more were expected")
      } else if errno != EINTR {
        throw FileError(path: path, kind: .unreadable, errno: errno)
      }
    }
  }

  /// The `count` bytes from `offset` on.
  package func read(at offset: Int, count: Int) throws -> [UInt8] {
    guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
      throw FileError(
        path: path, kind: .refused,
        reason: "has \(size) bytes, \(count) were expected at byte \(offset)")
    }
    var failure: (any Error)?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      do {
        try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
        written = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// The whole file.
  ///
  /// - Throws: ``FileError`` of kind `.refused` where it is larger than `limit` bytes.
  package func readAll(limit: Int) throws -> [UInt8] {
    guard size <= limit else {
      throw FileError(
        path: path, kind: .refused, reason: "is \(size) bytes, at most \(limit) are read")
    }
    return try read(at: 0, count: size)
  }
}
