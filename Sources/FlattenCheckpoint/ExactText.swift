/// Text as a dictionary key, compared byte by byte.
///
/// `String` compares by canonical equivalence: two tensor names that differ only in their Unicode
/// normal form would be one key, and one of the two tensors would be lost.
struct ExactText: Hashable, Sendable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: ExactText, right: ExactText) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(0xFF as UInt8)
  }
}

/// Whether `text` begins with the bytes of `prefix`.
func hasBytePrefix(_ text: String, _ prefix: String) -> Bool {
  text.utf8.starts(with: prefix.utf8)
}

/// Whether `text` ends with the bytes of `suffix`.
func hasByteSuffix(_ text: String, _ suffix: String) -> Bool {
  text.utf8.reversed().starts(with: suffix.utf8.reversed())
}

/// `text` without its first `count` bytes, which must end a character.
func droppingBytes(_ count: Int, of text: String) -> String {
  String(decoding: text.utf8.dropFirst(count), as: UTF8.self)
}
