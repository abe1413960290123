import FlattenFiles

/// An error in a configuration: file, line and key, found and expected value, and what to do.
///
///     swin.yaml:8: 'MODEL.SWIN.EMBED_DIM' is the number 96.5, expected a whole number from 1 to
///     65536. Change line 8.
public struct ConfigError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file's name as it was given.
  public let file: String
  /// The 1-based line; `nil` where the error has none.
  public let line: Int?
  /// Dotted path of the key (`MODEL.SWIN.DEPTHS[2]`); empty where the error has none.
  public let key: String
  /// The value found, as a phrase that follows the key: "is the text 'wide'".
  public let found: String
  /// The value expected ("a whole number from 1 to 64"); empty where `found` says enough.
  public let expected: String
  /// One sentence: what to do.
  public let remedy: String

  /// Makes an error from its facts.
  public init(
    file: String, line: Int?, key: String = "", found: String, expected: String = "",
    remedy: String
  ) {
    self.file = file
    self.line = line
    self.key = key
    self.found = found
    self.expected = expected
    self.remedy = remedy
  }

  /// `file:line: 'key' found, expected this. Remedy.`, control characters escaped, at most 500
  /// characters.
  public var description: String {
    var text = printable(file, limit: 160)
    if let line { text += ":\(line)" }
    text += ": "
    if !key.isEmpty { text += "'\(printable(key, limit: 100))' " }
    text += printable(found, limit: 160)
    if !expected.isEmpty { text += ", expected \(printable(expected, limit: 120))" }
    text += ". \(remedy)"
    return printable(text, limit: 500)
  }
}
