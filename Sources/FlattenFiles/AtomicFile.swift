import FlattenSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An atomic write: a file without a name in the target's folder, or one with a temporary name where the
/// system has no such files (all but Linux), which gets its name at ``commit()``.
///
/// A value that is dropped without a commit leaves nothing behind. Without a name nor does a process that is
/// killed, but for the moment in which a commit replaces another file. What has a temporary name then is
/// removed by the first process that writes into the folder later, see ``LeftOverFiles``; a program can have
/// it removed as it ends, by `fs_remove_temporaries_on`.
package final class AtomicFile {
  package let path: String
  /// The name before the commit; `nil` while the file has none.
  private var temporaryPath: String?
  private var descriptor: Int32

  /// Creates the temporary file in the target's folder, which must exist.
  ///
  /// - Parameter mayBeNameless: whether the file may be one without a name.
  /// - Throws: ``FileError`` of kind `.unwritable`, also where the path is a device, a pipe or a
  ///   socket: renaming would put a file in its place.
  package init(path: String, mayBeNameless: Bool = true) throws {
    var status = stat()
    if path.isEmpty || path.utf8.contains(0) {
      throw FileError(path: path, kind: .unwritable, reason: "not a file name")
    }
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      throw FileError(
        path: path, kind: .unwritable,
        reason: isFolder
          ? "is a folder, cannot write a file there" : "is not a regular file, cannot replace it")
    }
    self.path = path
    let folder = parentFolder(of: path)
    LeftOverFiles.remove(from: folder)
    descriptor = mayBeNameless ? Self.openNameless(in: folder) : -1
    guard descriptor < 0 else { return }
    var name = ""
    for _ in 0..<100 {
      name = "\(folder)/\(LeftOverFiles.newName())"
      descriptor = fs_create_temporary(name)
      if descriptor >= 0 || errno != EEXIST { break }
    }
    guard descriptor >= 0 else {
      let code = errno
      let reason = code == ENOENT ? "its folder does not exist" : systemReason(code)
      throw FileError(path: path, kind: .unwritable, reason: reason)
    }
    temporaryPath = name
  }

  deinit {
    if let temporaryPath { fs_remove_temporary(temporaryPath) }
    if descriptor >= 0 { close(descriptor) }
  }

  /// A file without a name, or a negative number where the system has none.
  private static func openNameless(in folder: String) -> Int32 {
    #if os(Linux)
      // O_TMPFILE, a macro that Swift does not see; giving the file its name needs /proc.
      let nameless = Int32(0o20_000_000) | O_DIRECTORY
      guard access("/proc/self/fd", X_OK) == 0 else { return -1 }
      return open(folder, nameless | O_WRONLY | O_CLOEXEC, 0o666)
    #else
      return -1
    #endif
  }

  /// Gives a nameless file a name that nothing has; whether that was possible.
  private func link(as name: String) -> Bool {
    #if os(Linux)
      let own = "/proc/self/fd/\(descriptor)"
      return linkat(AT_FDCWD, own, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0
    #else
      return false
    #endif
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

  /// Writes bytes at a position; a gap before it reads as zeros.
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

  /// Gives the file its name: in one step where nothing has it, else, by way of a temporary one, in the place
  /// of what does.
  package func commit() throws {
    guard fsync(descriptor) == 0 else {
      throw FileError(path: path, kind: .unwritable, errno: errno)
    }
    if temporaryPath == nil && !link(as: path) {
      let name = "\(parentFolder(of: path))/\(LeftOverFiles.newName())"
      guard fs_name_temporary(descriptor, name) else {
        throw FileError(path: path, kind: .unwritable, errno: errno)
      }
      temporaryPath = name
    }
    if let temporaryPath {
      guard fs_rename_temporary(temporaryPath, path) else {
        throw FileError(path: path, kind: .unwritable, errno: errno)
      }
    }
    temporaryPath = nil
    // Its errors have been those of fsync; until here it held the temporary name's lock.
    close(descriptor)
    descriptor = -1
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
  package convenience init(path: String, holding bytes: [UInt8], mayBeNameless: Bool = true) throws
  {
    try self.init(path: path, mayBeNameless: mayBeNameless)
    try write(bytes)
  }

  /// Checks that a path can be written, before hours are spent on what goes there.
  ///
  /// - Throws: ``FileError`` of kind `.unwritable`.
  package static func requireWritable(_ path: String) throws {
    _ = try AtomicFile(path: path)
  }

  /// Checks that a folder, or the first existing one above it, can be written. Makes nothing.
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

/// The folder that a path lies in.
func parentFolder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
