import FlattenSystem
import Foundation

/// Temporary files that a killed process left behind.
///
/// A temporary name is `.flatten-seg.PROCESS.RANDOM`. Such a file is removed where it is a regular file of
/// this user, no process has that number, and nobody holds the file's lock, which its writer does to the end:
/// a writer may be in another container, where numbers mean other processes, or on another machine.
package enum LeftOverFiles {
  private static let prefix = ".flatten-seg."

  /// Folders that were cleared, each once.
  private static let cleared = ClearedFolders()

  /// A temporary name that nothing has.
  static func newName() -> String {
    let random = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    return "\(prefix)\(getpid()).\(random)"
  }

  /// Removes what is left in a folder; once for each folder, for folders may be large. Problems are nobody's.
  static func remove(from folder: String) {
    if cleared.insert(folder) { removeNow(from: folder) }
  }

  /// Removes what is left in a folder.
  package static func removeNow(from folder: String) {
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = String(decoding: nameBytes(entry), as: UTF8.self)
      guard let process = process(of: name), isGone(process) else { continue }
      _ = fs_remove_left_over(dirfd(stream), name)
    }
  }

  /// The number of the process that a temporary name is of; `nil` for any other name.
  package static func process(of name: String) -> pid_t? {
    guard name.hasPrefix(prefix) else { return nil }
    let parts = name.dropFirst(prefix.count).split(
      separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = parts[0].first, first != "0",
      parts[0].allSatisfy({ $0.isASCII && $0.isWholeNumber }), (1...20).contains(parts[1].count),
      parts[1].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
    else { return nil }
    return pid_t(parts[0])
  }

  /// Whether no other process has a number. Our own is none: in containers it is always the same, and our
  /// files are locked.
  private static func isGone(_ process: pid_t) -> Bool {
    process == getpid() || (kill(process, 0) != 0 && errno == ESRCH)
  }
}

/// A set that grows on any thread.
private final class ClearedFolders: @unchecked Sendable {
  private let lock = NSLock()
  private var folders: Set<String> = []

  /// Whether the folder was not in it.
  func insert(_ folder: String) -> Bool {
    lock.withLock { folders.insert(folder).inserted }
  }
}
