import Foundation
import TestSupport
import Testing

@testable import FlattenTensor

@Suite struct FreeMemoryTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Writes files as a system would have them, and asks for the free memory.
  private func bytes(_ files: [String: String]) throws -> Int? {
    for (path, text) in files {
      let file = folder.url.appending(path: path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: false, encoding: .utf8)
    }
    return FreeMemory.bytes(root: folder.url.path)
  }

  private let two = "26 22 0:24 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
  private let one = """
    27 22 0:25 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
    28 22 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu

    """

  @Test func thisSystemHasMemory() {
    #if os(Linux)
      #expect((FreeMemory.bytes ?? 0) > 1 << 20)
    #endif
  }

  @Test func nothingIsKnown() throws {
    #expect(try bytes([:]) == nil)
    #expect(try bytes(["proc/meminfo": "MemTotal:  12 kB\n"]) == nil)
  }

  @Test func whatTheKernelSays() throws {
    let text = "MemTotal:       24000000 kB\nMemFree:  90 kB\nMemAvailable:    1000 kB\n"
    #expect(try bytes(["proc/meminfo": text]) == 1_024_000)
  }

  /// The smallest of the group's, of those above it and of the kernel's; pages of files can be had.
  @Test func versionTwo() throws {
    let group = "sys/fs/cgroup/a/b"
    let files = [
      "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": two,
      "\(group)/memory.max": "5000000\n", "\(group)/memory.current": "4000000\n",
      "\(group)/memory.stat": "anon 1000\ninactive_file 300000\nactive_file 5\n",
      "sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "4000000\n",
    ]
    #expect(try bytes(files) == 1_300_000)
    let above = [
      "sys/fs/cgroup/a/memory.max": "4500000\n", "proc/meminfo": "MemAvailable: 100000 kB\n",
    ]
    #expect(try bytes(files.merging(above) { $1 }) == 500_000)
    #expect(try bytes(["proc/meminfo": "MemAvailable: 10 kB\n"]) == 10_240)
  }

  @Test func versionOne() throws {
    let group = "sys/fs/cgroup/memory/job"
    let files = [
      "proc/self/cgroup": "4:memory:/job\n3:cpu:/other\n", "proc/self/mountinfo": one,
      "\(group)/memory.limit_in_bytes": "3000000\n",
      "\(group)/memory.usage_in_bytes": "3500000\n",
      "\(group)/memory.stat": "cache 9\ntotal_inactive_file 400000\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "3500000\n",
    ]
    #expect(try bytes(files) == 0, "more is taken than allowed, as after a limit was lowered")
    let less = ["\(group)/memory.usage_in_bytes": "1000000\n"]
    #expect(try bytes(files.merging(less) { $1 }) == 2_400_000)
  }
}
