#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An error of reading or writing a file: its path, the cause, and what to do.
public struct FileError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The kind of failure, from which the exit status follows.
  public enum Kind: Sendable {
    /// The file does not exist, is a folder or a device, or may not be opened.
    case unreadable
    /// The contents are damaged, hostile or of a kind that is not supported.
    case refused
    /// A picture of more pixels than the limit.
    case tooLarge
    /// The output could not be written.
    case unwritable
  }

  /// The path as it was given.
  public let path: String
  /// The kind of failure.
  public let kind: Kind
  /// One sentence: the cause and, where there is one, the remedy.
  public let reason: String

  /// Makes an error about a file.
  public init(path: String, kind: Kind, reason: String) {
    self.path = path
    self.kind = kind
    self.reason = reason
  }

  /// Makes an error from the C library's error number.
  package init(path: String, kind: Kind, errno code: Int32) {
    self.init(path: path, kind: kind, reason: systemReason(code))
  }

  /// `path: reason`, control characters escaped, at most 500 characters.
  public var description: String {
    "\(printable(path, limit: 200)): \(printable(reason, limit: 280))"
  }
}

/// The C library's sentence for an error number.
package func systemReason(_ code: Int32) -> String {
  switch code {
  case ENOENT: "no such file"
  case EACCES, EPERM: "permission denied"
  case ELOOP: "too many symbolic links"
  case ENOSPC: "no space left on the device"
  case ENAMETOOLONG: "the name is too long"
  default: String(cString: strerror(code)).lowercased()
  }
}

/// Text escaped for messages: control characters and line ends as `\n` or `\u{1b}`, at most `limit`
/// characters. A longer text ends in `...`; an escape sequence is never cut.
package func printable(_ text: String, limit: Int = 80) -> String {
  var result = ""
  var length = 0
  for scalar in text.unicodeScalars {
    let piece: String
    switch scalar {
    case "\n": piece = "\\n"
    case "\r": piece = "\\r"
    case "\t": piece = "\\t"
    case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value),
      "\u{2028}", "\u{2029}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
      piece = "\\u{" + String(scalar.value, radix: 16) + "}"
    default: piece = String(scalar)
    }
    if length + piece.count > limit - 3 { return result + "..." }
    result += piece
    length += piece.count
  }
  return result
}

/// `1 picture`, `2 pictures`.
///
/// - Parameter plural: where it is not the noun with an s.
package func counted(_ number: Int, _ noun: String, plural: String? = nil) -> String {
  "\(number) \(number == 1 ? noun : plural ?? noun + "s")"
}
