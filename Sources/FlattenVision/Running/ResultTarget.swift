import FlattenFiles
import Foundation

/// Where the results of pictures go.
public enum ResultTarget: Sendable, Hashable {
  /// A folder; results keep the pictures' names.
  case folder(String)
  /// One file, for one picture.
  case file(String)
  /// Standard output, for one picture; ``ReaderLeftError`` where nobody reads it any more.
  case standardOutput

  /// What a path on the command line means: `-` is standard output, a name with one of some suffixes a
  /// file unless there is a folder of that name, anything else a folder.
  package init(path: String, suffixes: [String] = [".png"]) {
    var isDirectory: ObjCBool = false
    let isFolder =
      path.hasSuffix("/")
      || FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        && isDirectory.boolValue
    if path == "-" {
      self = .standardOutput
    } else if !isFolder && suffixes.contains(where: path.lowercased().hasSuffix) {
      self = .file(path)
    } else {
      self = .folder(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
    }
  }

  /// Refuses a target that cannot be written to, before anything is computed.
  ///
  /// - Throws: `FileError` of kind `.unwritable`.
  func requireWritable() throws {
    switch self {
    case .standardOutput: return
    case .file(let path): try AtomicFile.requireWritable(path)
    case .folder(let path): try AtomicFile.requireWritableFolder(path)
    }
  }

  /// Makes the folder that a file goes to, where the target is a folder.
  func makeFolder(for path: String) throws {
    guard case .folder = self, let slash = path.lastIndex(of: "/"), slash != path.startIndex
    else { return }
    let folder = String(path[..<slash])
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: folder, kind: .unwritable, reason: "cannot make this folder")
    }
  }
}

/// What to do with a picture whose results exist already.
public enum ExistingResults: Sendable {
  /// It fails.
  case refuse
  /// It is left alone.
  case skip
  /// Its results are made again and replaced.
  case replace
}

/// Writes bytes to standard output.
///
/// - Throws: ``ReaderLeftError``, or `FileError` of kind `.unwritable`.
func writeStandardOutput(_ bytes: [UInt8]) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let wrote = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    if wrote > 0 {
      rest = rest.dropFirst(wrote)
    } else if errno != EINTR {
      if errno == EPIPE { throw ReaderLeftError() }
      throw FileError(path: "standard output", kind: .unwritable, errno: errno)
    }
  }
}
