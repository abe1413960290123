import Foundation

/// Memory that the system and the process's control groups still have. A system hands out addresses without it, and
/// kills the process when it is used.
package enum FreeMemory {
  /// The bytes that can be used, as far as the system tells; `nil` where it tells nothing.
  package static var bytes: Int? { bytes(root: "") }

  /// - Parameter root: the folder that stands for `/`; another one in tests.
  static func bytes(root: String) -> Int? {
    [ControlGroups(root: root).freeMemory, available(root: root)].compactMap { $0 }.min()
  }

  /// What the kernel says could be had without swapping.
  private static func available(root: String) -> Int? {
    guard let text = try? String(contentsOfFile: root + "/proc/meminfo", encoding: .utf8),
      // such as "MemAvailable:   12345678 kB"
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
      let kilobytes = Int(line.filter(\.isWholeNumber))
    else { return nil }
    return kilobytes << 10
  }
}
