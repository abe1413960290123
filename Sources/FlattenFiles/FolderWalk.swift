#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// All files below a folder, in an order that depends on their names alone.
package struct FolderWalk {
  /// Paths below the folder, sorted by bytes. Links to files are files; so is whatever else is not a
  /// folder, for its reader to judge.
  package private(set) var files: [String] = []
  /// How many names began with a dot and were left out, folders counting once.
  package private(set) var hidden = 0
  /// Folders that cannot be read, names that cannot be used; by their paths' bytes.
  package private(set) var problems: [Problem] = []

  /// A folder or a name that was left out, and why.
  package struct Problem: Sendable, Equatable {
    /// Why.
    package enum Kind: Sendable, Equatable {
      /// There is no such folder.
      case missing
      /// It is a file.
      case isFile
      /// It cannot be read; the system's reason.
      case unreadable(String)
      /// A file or folder whose name is not UTF-8.
      case name
    }

    /// Why.
    package let kind: Kind
    /// The folder, or the file with the name.
    package let path: String

    /// What is wrong with it.
    package var reason: String {
      switch kind {
      case .missing: "there is no such folder."
      case .isFile: "is a file, a folder is wanted."
      case .unreadable(let reason): "\(reason). A readable folder is wanted here."
      case .name: "the name is not UTF-8. Rename the file."
      }
    }

    /// The same as an error.
    package var error: FileError { FileError(path: path, kind: .unreadable, reason: reason) }
  }

  /// Whether the folder that is not entered lies below this one.
  package private(set) var hasLeftOut = false

  private let root: String
  private let leftOut: FileIdentity?
  private var visited: Set<FileIdentity> = []

  /// Walks a folder.
  ///
  /// Links to folders are followed, after all real folders, but no folder is entered twice: loops end.
  ///
  /// - Parameter leftOut: a folder that is not entered, whatever path leads to it, unless it is `root`.
  package init(_ root: String, leavingOut leftOut: FileIdentity? = nil) {
    self.root = root
    self.leftOut = leftOut
    var folders = [""]
    var links: [String] = []
    while let folder = folders.popLast() ?? links.popLast() {
      visit(folder, folders: &folders, links: &links)
      links.sort { $1.utf8.lexicographicallyPrecedes($0.utf8) }  // the smallest is last
    }
    problems.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    files.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private mutating func visit(
    _ folder: String, folders: inout [String], links: inout [String]
  ) {
    let path = folder.isEmpty ? root : "\(root)/\(folder)"
    guard let stream = opendir(path) else {
      problems.append(Problem(kind: kind(of: errno), path: path))
      return
    }
    defer { closedir(stream) }
    guard let identity = FileIdentity(descriptor: dirfd(stream)) else { return }
    if identity == leftOut, !folder.isEmpty {
      hasLeftOut = true
      return
    }
    guard visited.insert(identity).inserted else { return }
    var status = stat()

    while let entry = readdir(stream) {
      let bytes = nameBytes(entry)
      if bytes == [UInt8(ascii: ".")] || bytes == Array("..".utf8) { continue }
      if bytes.first == UInt8(ascii: ".") {
        hidden += 1
        continue
      }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        let shown = path + "/" + String(decoding: bytes, as: UTF8.self)
        problems.append(Problem(kind: .name, path: shown))
        continue
      }
      let below = folder.isEmpty ? name : "\(folder)/\(name)"
      let full = "\(root)/\(below)"
      guard stat(full, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        files.append(below)
        continue
      }
      let isLink = lstat(full, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
      if isLink { links.append(below) } else { folders.append(below) }
    }
  }
}

/// A directory entry's name, without the terminating zero.
func nameBytes(_ entry: UnsafeMutablePointer<dirent>) -> [UInt8] {
  withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
}

private func kind(of code: Int32) -> FolderWalk.Problem.Kind {
  switch code {
  case ENOENT: .missing
  case ENOTDIR: .isFile
  default: .unreadable(systemReason(code))
  }
}

/// What a path leads to, links followed.
package enum PathKind {
  case absent, folder, file

  package init(_ path: String) {
    var status = stat()
    if stat(path, &status) != 0 {
      self = .absent
    } else {
      self = status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
    }
  }
}
