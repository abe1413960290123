#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that appears whole or not at all: written beside its name, renamed at ``commit()``.
///
/// A value that is dropped without a commit leaves nothing behind.
package final class AtomicFile {
  package let path: String
  private let temporaryPath: String
  private var descriptor: Int32

  /// Creates the temporary file in the target's folder, which must exist.
  ///
  /// - Throws: ``FileError`` of kind `.unwritable`.
  package init(path: String) throws {
    var status = stat()
    if path.isEmpty || path.utf8.contains(0) {
      throw FileError(path: path, kind: .unwritable, reason: "not a file name")
    }
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw FileError(
        path: path, kind: .unwritable, reason: "is a folder, cannot write a file there")
    }
    self.path = path
    let folder = parentFolder(of: path)
    var template = Array("\(folder)/.flatten-seg.\(getpid()).XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    temporaryPath = template.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
    guard descriptor >= 0 else {
      let code = errno
      let reason = code == ENOENT ? "its folder does not exist" : systemReason(code)
      throw FileError(path: path, kind: .unwritable, reason: reason)
    }
    let mask = umask(0)
    umask(mask)
    fchmod(descriptor, 0o666 & ~mask)
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      unlink(temporaryPath)
    }
  }

  /// Appends bytes.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      guard let base = bytes.baseAddress else { return }
      #if canImport(Darwin)
        let wrote = Darwin.write(descriptor, base + done, bytes.count - done)
      #elseif canImport(Glibc)
        let wrote = Glibc.write(descriptor, base + done, bytes.count - done)
      #else
        let wrote = Musl.write(descriptor, base + done, bytes.count - done)
      #endif
      if wrote >= 0 {
        done += wrote
      } else if errno != EINTR {
        throw FileError(path: path, kind: .unwritable, errno: errno)
      }
    }
  }

  /// Appends bytes.
  package func write(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try write($0) }
  }

  /// Writes bytes at a position; what lies between is zero.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      guard let base = bytes.baseAddress else { return }
      let wrote = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
      if wrote >= 0 {
        done += wrote
      } else if errno != EINTR {
        throw FileError(path: path, kind: .unwritable, errno: errno)
      }
    }
  }

  /// Makes the file appear under its name, replacing what was there.
  package func commit() throws {
    guard fsync(descriptor) == 0 else {
      throw FileError(path: path, kind: .unwritable, errno: errno)
    }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0, rename(temporaryPath, path) == 0 else {
      let code = errno
      unlink(temporaryPath)
      throw FileError(path: path, kind: .unwritable, errno: code)
    }
    let folder = open(parentFolder(of: path), O_RDONLY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  /// Writes a whole file.
  package static func write(_ bytes: [UInt8], to path: String) throws {
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
  }

  /// A file that holds `bytes` and appears when it is committed.
  package convenience init(path: String, holding bytes: [UInt8]) throws {
    try self.init(path: path)
    try write(bytes)
  }

  /// Refuses a path that cannot be written, before the work is done whose result goes there.
  ///
  /// - Throws: ``FileError`` of kind `.unwritable`.
  package static func requireWritable(_ path: String) throws {
    _ = try AtomicFile(path: path)
  }

  /// The same for a folder that is made when it is needed: nothing is made now.
  package static func requireWritableFolder(_ path: String) throws {
    var status = stat()
    var nearest = path
    while stat(nearest, &status) != 0 {
      let code = errno
      let parent = parentFolder(of: nearest)
      guard code == ENOENT, parent != nearest else {
        throw FileError(path: path, kind: .unwritable, errno: code)
      }
      nearest = parent
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      let what = nearest == path ? "is" : "cannot be made: '\(printable(nearest))' is"
      throw FileError(
        path: path, kind: .unwritable, reason: "\(what) a file, a folder is wanted here")
    }
    guard access(nearest, W_OK | X_OK) == 0 else {
      throw FileError(path: path, kind: .unwritable, errno: errno)
    }
  }

  /// Writes a whole text file in UTF-8.
  package static func write(_ text: String, to path: String) throws {
    try write(Array(text.utf8), to: path)
  }
}

private func parentFolder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
