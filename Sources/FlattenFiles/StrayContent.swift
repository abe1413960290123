/// What often lies in a file in place of what its name promises, told by how it begins: a pointer of
/// Git LFS, a web page, a server's error message, nothing at all.
package enum StrayContent: Equatable, Sendable {
  case empty
  case gitLFSPointer
  case webPage
  /// A JSON text, by its beginning.
  case json(String)
  /// Any other text, by its beginning.
  case text(String)

  /// How many bytes of the beginning are looked at.
  package static let length = 256

  /// - Parameter bytes: the first ``length`` bytes of the file, or all of a shorter one.
  package init?(firstBytes bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes.prefix(Self.length))
    guard !bytes.isEmpty else {
      self = .empty
      return
    }
    guard let text = Self.text(of: bytes) else { return nil }
    let start = text.prefix(80).lowercased()
    if start.hasPrefix("version https://git-lfs") || start.hasPrefix("version https://hawser") {
      self = .gitLFSPointer
    } else if Self.pageBeginnings.contains(where: start.hasPrefix) {
      self = .webPage
    } else if start.hasPrefix("{") || start.hasPrefix("[") {
      self = .json(printable(text, limit: 60))
    } else {
      self = .text(printable(text, limit: 60))
    }
  }

  private static let pageBeginnings = [
    "<!doctype", "<!--", "<html", "<head", "<body", "<title", "<script", "<?xml", "<error",
  ]

  /// The text that the bytes are, without a byte order mark and white space before it; `nil` where they
  /// are none. The last character may be cut.
  private static func text(of bytes: [UInt8]) -> String? {
    let isText = bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0A, 0x0D].contains($0) }
    guard isText else { return nil }
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    let content = start.drop { $0 <= 0x20 }
    let text = (0..<4).lazy.compactMap {
      String(validating: content.dropLast($0), as: UTF8.self)
    }.first
    return text.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// What the file is, and what to do, as a clause that follows its name.
  ///
  /// - Parameter wanted: what it should be: "a checkpoint".
  package func refusal(insteadOf wanted: String) -> String {
    switch self {
    case .empty: "is empty, \(wanted) is wanted. Copy or download it again"
    case .gitLFSPointer:
      "is a Git LFS pointer, not \(wanted). Fetch the file itself with 'git lfs pull'"
    case .webPage:
      "is a web page, not \(wanted). Download the file itself, not the page that shows it"
    case .json(let beginning):
      "is a JSON text, not \(wanted): '\(beginning)'. If it is a server's error message, download "
        + "the file again"
    case .text(let beginning): "is a text, not \(wanted): '\(beginning)'"
    }
  }
}
