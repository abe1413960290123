/// The lines of a text file that people write: a list of pictures, of names, of labels.
///
/// UTF-8, with or without the byte-order mark that some editors put at its beginning. Lines end as on any
/// system; spaces and tabs at their ends are no part of them, and empty lines are left out.
package struct TextLines: Sendable {
  /// The lines that hold something, in their order.
  package let lines: [String]

  /// Most bytes of a list.
  package static let sizeLimit = 64 << 20

  /// Reads a file.
  ///
  /// - Throws: ``FileError`` where it cannot be read, is larger than ``sizeLimit``, or is not UTF-8.
  package init(path: String) throws {
    try self.init(FileReader(path: path).readAll(limit: Self.sizeLimit), name: path)
  }

  /// Takes a file's bytes apart.
  ///
  /// - Parameter name: its name in errors.
  /// - Throws: ``FileError`` where they are not UTF-8.
  package init(_ bytes: [UInt8], name: String) throws {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]  // UTF-8's byte-order mark
    let content = bytes.starts(with: mark) ? bytes[mark.count...] : bytes[...]
    // Without a mark UTF-16 is told by the zeros that its Latin letters have.
    if content.starts(with: [0xFF, 0xFE]) || content.starts(with: [0xFE, 0xFF])
      || content.contains(0)
    {
      throw FileError(
        path: name, kind: .refused, reason: "is UTF-16 text, or no text. Save it as UTF-8")
    }
    guard let text = String(validating: content, as: UTF8.self) else {
      throw FileError(path: name, kind: .refused, reason: "is not UTF-8 text. Save it as UTF-8")
    }
    lines = text.split(whereSeparator: \.isNewline).map { Self.trimmed($0) }
      .filter { !$0.isEmpty }
  }

  /// A line as two columns, with blanks or a comma between them; `nil` where it does not have two.
  package static func columns(of line: String) -> (String, String)? {
    for isSeparator: (Character) -> Bool in [{ $0 == "\t" }, { $0 == "," }, { $0 == " " }] {
      let parts = line.split(whereSeparator: isSeparator).map { trimmed($0) }
        .filter { !$0.isEmpty }
      if parts.count == 2 { return (parts[0], parts[1]) }
    }
    return nil
  }

  /// Without spaces and tabs at both ends.
  private static func trimmed(_ text: Substring) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    var rest = text.drop(while: isBlank)
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    return String(rest)
  }
}
