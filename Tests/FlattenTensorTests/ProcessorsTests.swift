import Foundation
import TestSupport
import Testing

@testable import FlattenTensor

@Suite struct ProcessorsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Writes files as a system would have them, and asks for the quota.
  private func quota(_ files: [String: String]) throws -> Double? {
    for (path, text) in files {
      let file = folder.url.appending(path: path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: false, encoding: .utf8)
    }
    return ControlGroups(root: folder.url.path).quota
  }

  private let mounts = """
    22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
    26 22 0:24 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate

    """

  @Test func thisProcessHasAProcessor() {
    #expect(Processors.available >= 1)
    #expect(Processors.available <= ProcessInfo.processInfo.processorCount)
  }

  @Test func quotasAreRoundedUpAndNeverExceedTheMask() {
    #expect(Processors.count(8, quota: nil) == 8)
    #expect(Processors.count(8, quota: 0.25) == 1)
    #expect(Processors.count(8, quota: 1) == 1)
    #expect(Processors.count(8, quota: 1.5) == 2)
    #expect(Processors.count(8, quota: 100) == 8)
    #expect(Processors.count(0, quota: nil) == 1)
    #expect(Processors.count(3, quota: .infinity) == 3)
  }

  @Test func aNestedGroupsQuota() throws {
    let found = try quota([
      "proc/self/cgroup": "0::/user.slice/job.scope\n", "proc/self/mountinfo": mounts,
      "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
      "sys/fs/cgroup/user.slice/job.scope/cpu.max": "150000 100000\n",
    ])
    #expect(found == 1.5)
  }

  /// The tightest of all groups above counts, wherever it stands.
  @Test(arguments: ["a", "a/b", "a/b/c"]) func aQuotaAbove(tight: String) throws {
    var files = ["proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": mounts]
    for group in ["a", "a/b", "a/b/c"] {
      files["sys/fs/cgroup/\(group)/cpu.max"] = group == tight ? "20000 10000\n" : "30000 10000\n"
    }
    #expect(try quota(files) == 2)
  }

  /// A container sees its own group as the root.
  @Test func aQuotaOfTheRoot() throws {
    let found = try quota([
      "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mounts,
      "sys/fs/cgroup/cpu.max": "200000 100000\n",
    ])
    #expect(found == 2)
  }

  @Test func noQuota() throws {
    let found = try quota([
      "proc/self/cgroup": "0::/job\n", "proc/self/mountinfo": mounts,
      "sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/job/cpu.max": "max 100000\n",
    ])
    #expect(found == nil)
  }

  @Test func versionOne() throws {
    let files = [
      "proc/self/cgroup": "12:pids:/x\n5:cpu,cpuacct:/outer/inner\n0::/x\n",
      "proc/self/mountinfo": """
      30 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
      31 25 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
      32 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw

      """,
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpu,cpuacct/outer/cpu.cfs_quota_us": "300000\n",
      "sys/fs/cgroup/cpu,cpuacct/outer/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpu,cpuacct/outer/inner/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu,cpuacct/outer/inner/cpu.cfs_period_us": "100000\n",
      // Of another hierarchy and of another group.
      "sys/fs/cgroup/cpuset/cpu.cfs_quota_us": "100000\n",
      "sys/fs/cgroup/cpuset/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/unified/other/cpu.max": "100000 100000\n",
    ]
    #expect(try quota(files) == 3)
  }

  /// A container without a name space of groups: names are the host's, and its own part alone is mounted.
  @Test func aMountThatBeginsAtAGroup() throws {
    let found = try quota([
      "proc/self/cgroup": "0::/docker/1f/job\n",
      "proc/self/mountinfo": "26 22 0:24 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
      "sys/fs/cgroup/cpu.max": "300000 100000\n", "sys/fs/cgroup/job/cpu.max": "100000 100000\n",
    ])
    #expect(found == 1)
  }

  /// A group outside of what is mounted: the mounted root's quota is the best that is known.
  @Test(arguments: ["/other", "/docker/1", "/docker/1f2", "/../x"]) func aGroupOutside(
    group: String
  ) throws {
    let found = try quota([
      "proc/self/cgroup": "0::\(group)\n",
      "proc/self/mountinfo": "26 22 0:24 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
      "sys/fs/cgroup/cpu.max": "300000 100000\n",
      "sys/fs/other/cpu.max": "100000 100000\n", "sys/fs/cgroup/2/cpu.max": "100000 100000\n",
    ])
    #expect(found == 3)
  }

  @Test func aMountWithASpaceInItsName() throws {
    let found = try quota([
      "proc/self/cgroup": "0::/a\n",
      "proc/self/mountinfo": "26 22 0:24 / /my\\040groups\\134x rw - cgroup2 cgroup rw\n",
      "my groups\\x/a/cpu.max": "400000 100000\n",
    ])
    #expect(found == 4)
  }

  /// Without /proc the usual places are looked at.
  @Test func withoutProc() throws {
    #expect(try quota([:]) == nil)
    #expect(try quota(["sys/fs/cgroup/cpu.max": "500000 100000\n"]) == 5)
    #expect(
      try quota([
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      ]) == 2)
  }

  @Test(arguments: [
    "", "\n", "max", "100000", "0 100000", "100000 0", "-5 1", "x y", "1 2 3", "inf 1",
  ])
  func whatIsNoQuotaIsNone(text: String) throws {
    let found = try quota([
      "proc/self/cgroup": "0::/a:b\nnonsense\n", "proc/self/mountinfo": mounts + "1 2 - x\n- - -\n",
      "sys/fs/cgroup/a:b/cpu.max": text,
    ])
    #expect(found == nil)
  }
}
