import FlattenSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A folder of files that appears as a whole: it is filled under a temporary name, and gets its own at ``commit()``,
/// in the place of an earlier one.
///
/// A value that is dropped without a commit leaves nothing behind; what a killed process left is removed by the first
/// that writes beside it later, as ``LeftOverFiles`` are.
package final class AtomicFolder {
  package let path: String
  private var temporaryPath: String
  private let descriptor: Int32
  /// Whether a file of an earlier folder may go; its name is given.
  private let isOwn: (String) -> Bool

  /// Begins a folder beside where it will be; the folder around it must exist.
  ///
  /// - Parameter isOwn: which files of an earlier folder may go, by their names.
  /// - Throws: ``FileError`` of kind `.unwritable`, also where a file has the name, or a folder with anything else.
  package init(path: String, replacing isOwn: @escaping (String) -> Bool) throws {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw FileError(path: path, kind: .unwritable, reason: "not a folder's name")
    }
    self.path = path
    self.isOwn = isOwn
    try Self.requireReplaceable(path, isOwn)
    let folder = parentFolder(of: path)
    LeftOverFiles.remove(from: folder)
    var (name, folderDescriptor): (String, Int32) = ("", -1)
    for _ in 0..<100 {
      name = "\(folder)/\(LeftOverFiles.newName())"
      folderDescriptor = fs_create_temporary_folder(name)
      if folderDescriptor >= 0 || errno != EEXIST { break }
    }
    temporaryPath = folderDescriptor >= 0 ? name : ""
    descriptor = folderDescriptor
    guard descriptor >= 0 else {
      throw FileError(path: path, kind: .unwritable, errno: errno)
    }
  }

  deinit {
    if !temporaryPath.isEmpty { _ = fs_remove_folder_of_files(temporaryPath) }
    if descriptor >= 0 { close(descriptor) }
  }

  /// Puts a file into the folder.
  ///
  /// - Parameter name: without a slash.
  package func write(_ bytes: [UInt8], to name: String) throws {
    do {
      try AtomicFile.write(bytes, to: "\(temporaryPath)/\(name)")
    } catch let error as FileError {
      throw FileError(path: "\(path)/\(name)", kind: error.kind, reason: error.reason)
    }
  }

  /// Gives the folder its name.
  package func commit() throws {
    try Self.requireReplaceable(path, isOwn)
    var status = stat()
    if lstat(path, &status) == 0 {
      guard fs_exchange(temporaryPath, path) else {
        throw FileError(path: path, kind: .unwritable, errno: errno)
      }
      _ = fs_remove_folder_of_files(temporaryPath)
    } else {
      guard rename(temporaryPath, path) == 0 else {
        throw FileError(path: path, kind: .unwritable, errno: errno)
      }
    }
    temporaryPath = ""
    let folder = open(parentFolder(of: path), O_RDONLY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  /// Refuses to replace what no earlier run has written.
  private static func requireReplaceable(_ path: String, _ isOwn: (String) -> Bool) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR, let stream = opendir(path) else {
      throw FileError(
        path: path, kind: .unwritable, reason: "is no folder, a folder would be written there")
    }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = String(decoding: nameBytes(entry), as: UTF8.self)
      if name == "." || name == ".." || isOwn(name) || LeftOverFiles.process(of: name) != nil {
        continue
      }
      throw FileError(
        path: path, kind: .unwritable,
        reason: "holds '\(printable(name))', which is no result of an earlier run. Choose another "
          + "output")
    }
  }
}
