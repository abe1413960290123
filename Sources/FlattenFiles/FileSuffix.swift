/// Suffixes of file names, compared whatever the case of their letters: `.JPG` is `.jpg`.
package enum FileSuffix {
  /// A name, or a path, without the longest of the suffixes that it ends in; `nil` where it ends in none, or
  /// nothing of its last component would be left.
  package static func stem(of name: String, without suffixes: [String]) -> String? {
    let bytes = Array(name.utf8)
    let fitting = suffixes.map { Array($0.utf8) }.filter { suffix in
      guard bytes.count > suffix.count else { return false }
      let start = bytes.count - suffix.count
      return bytes[start - 1] != UInt8(ascii: "/")
        && zip(bytes[start...], suffix).allSatisfy { lowercased($0) == lowercased($1) }
    }
    guard let longest = fitting.map(\.count).max() else { return nil }
    return String(validating: bytes.dropLast(longest), as: UTF8.self)
  }

  /// The file of a stem and a suffix or, where there is none, those whose file type is written in capitals or
  /// in small letters: `a.PNG` for `a.png`.
  ///
  /// - Returns: existing paths of different files, folders included; at most one where the names are exact.
  package static func existing(_ stem: String, _ suffix: String) -> [String] {
    if PathKind(stem + suffix) != .absent { return [stem + suffix] }
    var seen: Set<FileIdentity> = []
    return variants(of: suffix).map { stem + $0 }.filter { path in
      FileIdentity(path: path).map { seen.insert($0).inserted } ?? false
    }
  }

  /// The file at a path or, where there is none, those whose suffix is written otherwise.
  package static func existing(_ path: String) -> [String] {
    let name = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    guard let dot = path[name...].lastIndex(of: "."), dot > name else {
      return existing(path, "")
    }
    return existing(String(path[..<dot]), String(path[dot...]))
  }

  /// A suffix with its file type, and as a whole, in small letters, in capitals, and with a capital first.
  private static func variants(of suffix: String) -> [String] {
    let dot = suffix.lastIndex(of: ".") ?? suffix.startIndex
    let (start, type) = (suffix[..<dot], suffix[dot...])
    return [
      start + type.lowercased(), start + type.uppercased(),
      start + type.prefix(2).uppercased() + type.dropFirst(2).lowercased(),
      suffix.lowercased(), suffix.uppercased(),
    ].map { String($0) }
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
  }
}
