import Foundation

/// The control groups (cgroups) that this process is in, of both versions.
///
/// `/proc/self/cgroup` names its group in each hierarchy, `/proc/self/mountinfo` says where the hierarchies
/// are mounted; a container sees the part below its own group only. Without `/proc` the usual places are
/// looked at.
struct ControlGroups {
  /// The folder that stands for `/`; another one in tests.
  private let root: String

  init(root: String = "") { self.root = root }

  /// The smallest CPU quota of the group and of all above it, in processors; `nil` where there is none.
  var quota: Double? { smallest("cpu", quota) }

  /// The bytes that the group and all above it may still take, pages of files not counted, which are given up for
  /// others; `nil` where there is no limit.
  var freeMemory: Int? { smallest("memory", freeMemory) }

  /// The smallest of the numbers that the group and all above it have for a controller.
  private func smallest<Number: Comparable>(
    _ controller: String, _ number: (_ folder: String, _ version: Hierarchy.Version) -> Number?
  ) -> Number? {
    hierarchies(of: controller).flatMap { hierarchy in
      hierarchy.folders(of: group(in: hierarchy, controller)).compactMap {
        number($0, hierarchy.version)
      }
    }.min()
  }

  /// A tree of groups that limits what a controller stands for.
  private struct Hierarchy {
    enum Version { case one, two }

    let version: Version
    /// The group that is the mounted tree's root.
    let top: String
    /// The folder it is mounted at.
    let folder: String

    /// The folders of a group and of all above it, as far as they are mounted.
    func folders(of group: String) -> [String] {
      let top = top == "/" ? "" : top
      // A group outside of what is mounted: its limits cannot be seen, those of the mounted root can.
      let isInside = group == top || group.hasPrefix(top + "/")
      var names = (isInside ? group.dropFirst(top.count) : "").split(separator: "/")
      if names.contains("..") { names = [] }
      return (0...names.count).map {
        ([folder] + names.prefix($0).map(String.init)).joined(separator: "/")
      }
    }
  }

  /// Those that are mounted.
  private func hierarchies(of controller: String) -> [Hierarchy] {
    guard let table = text("/proc/self/mountinfo") else {
      return [
        Hierarchy(version: .two, top: "/", folder: "/sys/fs/cgroup"),
        Hierarchy(version: .one, top: "/", folder: "/sys/fs/cgroup/\(controller)"),
      ]
    }
    return table.split(separator: "\n").compactMap { line in
      // id, parent, device, root, mount point, options, any number of others, -, type, source, options
      let fields = line.split(separator: " ")
      guard let dash = fields.dropFirst(6).firstIndex(of: "-"), fields.count > dash + 3 else {
        return nil
      }
      let version: Hierarchy.Version
      switch fields[dash + 1] {
      case "cgroup2": version = .two
      case "cgroup" where fields[dash + 3].split(separator: ",").contains(Substring(controller)):
        version = .one
      default: return nil
      }
      return Hierarchy(version: version, top: plain(fields[3]), folder: plain(fields[4]))
    }
  }

  /// The name of this process's group, such as `/a/b`.
  private func group(in hierarchy: Hierarchy, _ controller: String) -> String {
    for line in (text("/proc/self/cgroup") ?? "").split(separator: "\n") {
      // number:controllers:name, where version 2 has the number 0 and no controllers
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let isTheOne =
        switch hierarchy.version {
        case .one: fields[1].split(separator: ",").contains(Substring(controller))
        case .two: fields[0] == "0" && fields[1].isEmpty
        }
      if isTheOne { return String(fields[2]) }
    }
    return "/"
  }

  /// The quota that a group itself has, in processors.
  private func quota(of folder: String, _ version: Hierarchy.Version) -> Double? {
    let fields: [Substring]?
    switch version {
    case .one:
      let names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
      fields = names.flatMap { words(of: "\(folder)/\($0)") }
    case .two: fields = words(of: "\(folder)/cpu.max")
    }
    // "max" or -1 where there is none.
    guard let fields, fields.count == 2, let quota = Double(fields[0]),
      let period = Double(fields[1]), quota > 0, period > 0, quota.isFinite
    else { return nil }
    return quota / period
  }

  /// The bytes that a group itself may still take.
  private func freeMemory(in folder: String, _ version: Hierarchy.Version) -> Int? {
    let (limit, usage, files) =
      switch version {
      case .one: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
      case .two: ("memory.max", "memory.current", "inactive_file")
      }
    // "max", or an enormous number, where there is none.
    guard let most = words(of: "\(folder)/\(limit)").first.flatMap({ Int($0) }), most < 1 << 60,
      let taken = words(of: "\(folder)/\(usage)").first.flatMap({ Int($0) })
    else { return nil }
    let statistics = words(of: "\(folder)/memory.stat")
    let place = statistics.firstIndex { $0 == files }
    let given = place.flatMap { $0 + 1 < statistics.count ? Int(statistics[$0 + 1]) : nil } ?? 0
    return max(0, most - taken + given)
  }

  private func words(of path: String) -> [Substring] {
    (text(path) ?? "").split(whereSeparator: \.isWhitespace)
  }

  private func text(_ path: String) -> String? {
    try? String(contentsOfFile: root + path, encoding: .utf8)
  }

  /// A path of the table of mounts, in which spaces and backslashes are octal numbers: `\040`.
  private func plain(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
