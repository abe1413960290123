import FlattenFiles

extension ConfigNode {
  /// Limit of a file's size in bytes: no configuration is that large.
  package static let sizeLimit = 4 << 20

  /// Whether a text is the name of a YAML file, rather than of something built in.
  package static func isFileName(_ text: String) -> Bool {
    FileSuffix.stem(of: text, without: [".yaml", ".yml"]) != nil
  }

  /// Reads a YAML file: one document, a map at the top, within the limits of ``parse(_:name:)``.
  ///
  /// - Throws: ``FileError`` where the file cannot be read, ``ConfigError`` where it cannot be used.
  package static func load(path: String) throws -> ConfigNode {
    let bytes = try FileReader(path: path).readAll(limit: sizeLimit)
    switch StrayContent(firstBytes: bytes) {
    case let stray? where stray == .gitLFSPointer || stray == .webPage:
      throw FileError(
        path: path, kind: .refused, reason: stray.refusal(insteadOf: "a YAML file"))
    default: return try parse(bytes, name: path)
    }
  }

  /// Reads one YAML document from UTF-8 bytes.
  ///
  /// Refused are: other encodings, control characters, a second document, a top that is not a map,
  /// duplicate keys, keys that are not text, merge keys, tags beyond the core schema, aliases
  /// without or inside their anchor, more than 64 levels, and aliases that expand to more than 10
  /// 000 values or 64 times the size of the text. Memory and time stay in proportion to the text.
  ///
  /// - Parameter name: the document's name in messages.
  /// - Throws: ``ConfigError``.
  package static func parse(_ bytes: [UInt8], name: String) throws -> ConfigNode {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]  // UTF-8's byte-order mark
    let bytes = bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes
    try checkText(bytes, name: name)
    var composer = YAMLComposer(file: name, size: bytes.count)
    do {
      try YAMLEvent.read(bytes) { try composer.take($0) }
    } catch let syntax as YAMLSyntaxError {
      throw ConfigError(
        file: name, line: syntax.line, found: "the text is no YAML (\(syntax.problem))",
        remedy: remedy(for: syntax, in: bytes))
    }
    return ConfigNode(file: name, path: "", tree: try composer.finish())
  }

  /// Reads one YAML document from a string.
  package static func parse(_ text: String, name: String) throws -> ConfigNode {
    try parse(Array(text.utf8), name: name)
  }

  private static func checkText(_ bytes: [UInt8], name: String) throws {
    func refuse(_ line: Int?, _ found: String) -> ConfigError {
      ConfigError(file: name, line: line, found: found, remedy: "Save it as plain UTF-8 text.")
    }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw refuse(nil, "the text is in UTF-16")
    }
    var line = 1
    for byte in bytes {
      switch byte {
      case 0x0A: line += 1
      case 0x09, 0x0D: break
      case 0..<0x20, 0x7F:
        throw refuse(line, "holds the control character 0x\(String(byte, radix: 16))")
      default: break
      }
    }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw refuse(firstInvalidLine(bytes), "the text is not UTF-8")
    }
  }

  /// The line of the first bytes that are not UTF-8.
  private static func firstInvalidLine(_ bytes: [UInt8]) -> Int? {
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    return lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }.map { $0 + 1 }
  }

  private static func remedy(for syntax: YAMLSyntaxError, in bytes: [UInt8]) -> String {
    guard let number = syntax.line else { return "Correct the text." }
    let lines = bytes.split(separator: 0x0A, maxSplits: number, omittingEmptySubsequences: false)
    if number <= lines.count {
      let indentation = lines[number - 1].prefix { $0 == 0x20 || $0 == 0x09 }
      if indentation.contains(0x09) {
        return "Line \(number) is indented with a tab: use spaces."
      }
    }
    if syntax.problem.contains("mapping values are not allowed") {
      return "Correct the indentation of line \(number), or put its value in quotes."
    }
    return "Correct line \(number) or the one before it."
  }
}
