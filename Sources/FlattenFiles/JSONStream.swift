/// A pull parser of JSON (RFC 8259): whoever calls it asks for what must come next, and no tree is made.
///
/// The text is read in pieces and a token at a time, so memory does not grow with the file. It is strict: no
/// comments, no trailing commas, no NaN, no number that a Double cannot hold, no half characters. A value that
/// is skipped is checked as strictly as one that is read, and may nest ``deepest`` levels; what is read nests
/// as deep as the caller does. An object may have a key twice: callers that mind say so.
///
///     try json.beginObject()
///     while try json.nextKey() {
///       if json.textIs("id") { id = try json.integer() } else { try json.skipValue() }
///     }
///     try json.finish()
///
/// Errors name line, column and path (`annotations[17].bbox[2]`); they are found by reading the text once more
/// from its beginning, so that nothing is kept for them while all is well.
package struct JSONStream: ~Copyable {
  /// What comes next.
  package enum Kind: Sendable { case object, array, text, number, bool, null }

  /// Most levels of a value that is skipped.
  package static let deepest = 100
  /// Most bytes of a text.
  package static let textLimit = 1 << 26
  private static let pieceSize = 1 << 18

  private let source: JSONSource
  /// The piece of the text that is looked at.
  private var buffer: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  /// Bytes in the buffer, which a 0 follows: no loop has to ask for the end, as 0 is no part of any token.
  private var end = 0
  /// The next byte, an index of the buffer.
  private var position = 0
  /// The offset of the buffer's first byte in the text.
  private var origin = 0
  /// Whether an object or array was just entered.
  private var isAtFirst = false
  /// The last key or text, without escapes: a range of the buffer that the next token may overwrite.
  private var textStart = 0
  private var textEnd = 0
  /// Where the last value began, an offset in the text.
  package private(set) var valueOffset = 0

  /// Reads a file.
  package init(_ file: FileReader) { self.init(.file(file)) }

  /// Reads bytes in memory.
  ///
  /// - Parameter name: their name in errors.
  package init(_ bytes: [UInt8], name: String) { self.init(.memory(bytes, name: name)) }

  private init(_ source: JSONSource) {
    self.source = source
    capacity = max(64, min(Self.pieceSize, source.size + 1))
    buffer = .allocate(capacity: capacity)
    buffer[0] = 0
  }

  deinit { buffer.deallocate() }

  // MARK: Structure

  /// The kind of the next value.
  package mutating func peek() throws -> Kind {
    switch try significantByte() {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .text
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw unexpected("a value")
    }
  }

  /// Enters an object.
  package mutating func beginObject() throws {
    try expect(UInt8(ascii: "{"), "an object")
    isAtFirst = true
  }

  /// Enters an array.
  package mutating func beginArray() throws {
    try expect(UInt8(ascii: "["), "a list")
    isAtFirst = true
  }

  /// Reads the next key of the object, or leaves the object: false.
  package mutating func nextKey() throws -> Bool {
    var byte = try significantByte()
    if byte == UInt8(ascii: "}") {
      position += 1
      isAtFirst = false
      return false
    }
    if !isAtFirst {
      guard byte == UInt8(ascii: ",") else { throw unexpected("',' or '}'") }
      position += 1
      byte = try significantByte()
    }
    isAtFirst = false
    guard byte == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
    try scanText()
    // The key stays in the buffer while the colon is looked for.
    while buffer[position] != UInt8(ascii: ":") {
      let byte = buffer[position]
      if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
        position += 1
      } else if try position < end || !refill(keeping: textStart) {
        throw unexpected("':'")
      }
    }
    position += 1
    return true
  }

  /// Goes to the next element of the array, or leaves the array: false.
  package mutating func nextElement() throws -> Bool {
    let byte = try significantByte()
    if byte == UInt8(ascii: "]") {
      position += 1
      isAtFirst = false
      return false
    }
    if isAtFirst {
      isAtFirst = false
      return true
    }
    guard byte == UInt8(ascii: ",") else { throw unexpected("',' or ']'") }
    position += 1
    if try significantByte() == UInt8(ascii: "]") { throw unexpected("a value after ','") }
    return true
  }

  /// Requires that nothing follows.
  package mutating func finish() throws {
    let byte = try significantByte()
    guard byte == 0, isAtEnd else { throw unexpected("the end of the file") }
  }

  // MARK: Values

  /// The bytes of the key or text that was read last, valid until the next call.
  package var text: UnsafeBufferPointer<UInt8> { bytes(textStart, textEnd) }

  /// Whether the key or text that was read last is this.
  @inline(__always)
  package func textIs(_ word: StaticString) -> Bool {
    let text = text
    guard text.count == word.utf8CodeUnitCount else { return false }
    let start = word.utf8Start
    for index in 0..<text.count where text[index] != start[index] { return false }
    return true
  }

  /// A number.
  package mutating func number() throws -> Double {
    let token = try numberToken()
    guard let value = doubleValue(of: token) else {
      throw failure("the number is too large", at: valueOffset)
    }
    return value
  }

  /// A whole number, also one that is written as 12.0 or 1e3.
  package mutating func integer() throws -> Int {
    guard let value = try wholeNumber() else {
      throw failure("a whole number is wanted", at: valueOffset)
    }
    return value
  }

  /// A number as a whole one; `nil` where it is none or beyond 64 bits.
  package mutating func wholeNumber() throws -> Int? {
    let token = try numberToken()
    if token.isWhole, token.isComplete, let value = Int(exactly: token.mantissa) {
      return token.isNegative ? -value : value
    }
    guard let value = doubleValue(of: token) else {
      throw failure("the number is too large", at: valueOffset)
    }
    return abs(value) <= 0x1p53 ? Int(exactly: value) : nil
  }

  /// A text.
  package mutating func string() throws -> String {
    try readText()
    return String(decoding: text, as: UTF8.self)  // was validated
  }

  /// Reads a text, whose bytes are then ``text``.
  package mutating func readText() throws {
    guard try significantByte() == UInt8(ascii: "\"") else { throw unexpected("a text in quotes") }
    valueOffset = origin + position
    try scanText()
  }

  /// `true` or `false`.
  package mutating func bool() throws -> Bool {
    let byte = try significantByte()
    valueOffset = origin + position
    switch byte {
    case UInt8(ascii: "t"):
      try word("true")
      return true
    case UInt8(ascii: "f"):
      try word("false")
      return false
    default: throw unexpected("true or false")
    }
  }

  /// Reads `null` if it comes next.
  package mutating func skipNull() throws -> Bool {
    guard try significantByte() == UInt8(ascii: "n") else { return false }
    valueOffset = origin + position
    try word("null")
    return true
  }

  /// Skips a value of any kind.
  package mutating func skipValue() throws {
    var kinds: UInt128 = 0  // a bit a level, the innermost lowest: whether it is an object
    var depth = 0
    repeat {
      switch try significantByte() {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        let isObject = buffer[position] == UInt8(ascii: "{")
        guard depth < Self.deepest else {
          throw failure("nests more than \(Self.deepest) levels", at: origin + position)
        }
        position += 1
        depth += 1
        kinds = kinds << 1 | (isObject ? 1 : 0)
        isAtFirst = true
      case UInt8(ascii: "\""): try scanText()
      case UInt8(ascii: "t"): try word("true")
      case UInt8(ascii: "f"): try word("false")
      case UInt8(ascii: "n"): try word("null")
      default:
        let token = try numberToken()
        if !token.isSurelyFinite, doubleValue(of: token) == nil {
          throw failure("the number is too large", at: valueOffset)
        }
      }
      // To the next value of the innermost level that has one.
      while depth > 0, try !(kinds & 1 == 1 ? nextKey() : nextElement()) {
        depth -= 1
        kinds >>= 1
      }
    } while depth > 0
  }

  // MARK: Errors

  /// Where the next token begins, an offset in the text.
  package var offset: Int { origin + position }

  /// An error about a place of the text.
  package func failure(_ what: String, at offset: Int) -> FileError {
    let place = source.place(of: offset)
    return FileError(path: source.name, kind: .refused, reason: "\(place): \(what)")
  }

  private func unexpected(_ wanted: String) -> FileError {
    let here = origin + position
    if isAtEnd {
      return failure("the file ends where \(wanted) is wanted; is it cut short?", at: here)
    }
    var found = Array(bytes(position, min(end, position + 12)))
    while !found.isEmpty, String(validating: found, as: UTF8.self) == nil { found.removeLast() }
    let start = String(decoding: found, as: UTF8.self)
    if ["NaN", "Infinity", "-Infinity"].contains(where: start.hasPrefix) {
      return failure(
        "\(wanted) is wanted, found \(start.prefix { $0.isLetter || $0 == "-" }), which "
          + "JSON does not have", at: here)
    }
    let shown = found.isEmpty ? "the byte \(buffer[position])" : "'\(printable(start, limit: 24))'"
    return failure("\(wanted) is wanted, found \(shown)", at: here)
  }

  private var isAtEnd: Bool { position == end && origin + end == source.size }

  // MARK: Bytes

  /// The next byte that is no white space, which is not passed; 0 at the end.
  @inline(__always)
  private mutating func significantByte() throws -> UInt8 {
    while true {
      let byte = buffer[position]
      if byte > 0x20 { return byte }
      if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
        position += 1
      } else if position < end {
        return byte
      } else if try !refill(keeping: position) {
        return 0
      }
    }
  }

  @inline(__always)
  private mutating func expect(_ sign: UInt8, _ wanted: String) throws {
    guard try significantByte() == sign else { throw unexpected(wanted) }
    valueOffset = origin + position
    position += 1
  }

  private mutating func word(_ word: StaticString) throws {
    let length = word.utf8CodeUnitCount
    if end - position < length { _ = try refill(keeping: position) }
    for index in 0..<length where buffer[position + index] != word.utf8Start[index] {
      throw unexpected("a value")
    }
    position += length
  }

  /// Reads on; the byte `start` of the buffer becomes its first. False at the end of the text.
  ///
  /// A token that does not fit the buffer lets it grow.
  private mutating func refill(keeping start: Int) throws -> Bool {
    let kept = end - start
    let left = source.size - (origin + end)
    guard left > 0 else { return false }
    if kept > capacity / 2 {
      guard kept < Self.textLimit else {
        throw failure("is longer than \(Self.textLimit) bytes", at: origin + start)
      }
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: 2 * capacity)
      larger.update(from: buffer + start, count: kept)
      buffer.deallocate()
      buffer = larger
      capacity *= 2
    } else {
      buffer.update(from: buffer + start, count: kept)
    }
    origin += start
    position -= start
    textStart -= start
    textEnd -= start
    let count = min(left, capacity - 1 - kept)
    end = kept
    buffer[end] = 0
    try source.read(
      at: origin + kept, into: UnsafeMutableRawBufferPointer(start: buffer + kept, count: count))
    end = kept + count
    buffer[end] = 0
    // A byte-order mark at the beginning is no part of the text.
    if origin == 0, position == 0, buffer[0] == 0xEF, end >= 3, buffer[1] == 0xBB, buffer[2] == 0xBF
    {
      position = 3
    }
    return true
  }

  private func bytes(_ from: Int, _ to: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: buffer + from, count: to - from)
  }

  // MARK: Texts

  /// Passes the text that begins here and takes its escapes out of it.
  private mutating func scanText() throws {
    let start = origin + position
    var index = position + 1
    var hasEscapes = false
    var seen: UInt8 = 0
    while true {
      let byte = buffer[index]
      if byte == UInt8(ascii: "\"") { break }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        if index + 1 == end {
          index -= position
          guard try refill(keeping: position) else { throw cutText(start) }
          index += position
        }
        if buffer[index + 1] < 0x20 {
          throw failure("a control character after '\\'", at: origin + index)
        }
        seen |= buffer[index + 1]
        index += 2
      } else if byte >= 0x20 {
        seen |= byte
        index += 1
      } else if index < end {
        throw failure(
          "a control character (byte \(byte)) in a text; write it as an escape", at: origin + index)
      } else {
        index -= position
        guard try refill(keeping: position) else { throw cutText(start) }
        index += position
      }
    }
    textStart = position + 1
    textEnd = index
    position = index + 1
    if hasEscapes { try unescape(from: start) }
    if seen >= 0x80, String(validating: text, as: UTF8.self) == nil {
      throw failure("the text is not UTF-8", at: start)
    }
  }

  private func cutText(_ start: Int) -> FileError {
    failure("the text that begins here does not end; is the file cut short?", at: start)
  }

  /// Replaces the escapes of the text by what they stand for, which is never longer.
  private mutating func unescape(from offset: Int) throws {
    var (from, to) = (textStart, textStart)
    while from < textEnd {
      let byte = buffer[from]
      from += 1
      guard byte == UInt8(ascii: "\\") else {
        buffer[to] = byte
        to += 1
        continue
      }
      let escape = buffer[from]
      from += 1
      switch escape {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer[to] = escape
      case UInt8(ascii: "b"): buffer[to] = 0x08
      case UInt8(ascii: "f"): buffer[to] = 0x0C
      case UInt8(ascii: "n"): buffer[to] = 0x0A
      case UInt8(ascii: "r"): buffer[to] = 0x0D
      case UInt8(ascii: "t"): buffer[to] = 0x09
      case UInt8(ascii: "u"):
        for byte in String(try scalar(&from, in: offset)).utf8 {
          buffer[to] = byte
          to += 1
        }
        to -= 1
      default: throw failure("an unknown escape in the text", at: offset)
      }
      to += 1
    }
    textEnd = to
  }

  /// The character of an escape whose digits begin at `from`; two escapes where it is a pair.
  private func scalar(_ from: inout Int, in offset: Int) throws -> Unicode.Scalar {
    var code = try hexadecimal(&from, in: offset)
    if (0xD800..<0xDC00).contains(code), from + 1 < textEnd, buffer[from] == UInt8(ascii: "\\"),
      buffer[from + 1] == UInt8(ascii: "u")
    {
      from += 2
      let low = try hexadecimal(&from, in: offset)
      guard (0xDC00..<0xE000).contains(low) else { throw half(offset) }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw half(offset) }
    return scalar
  }

  private func half(_ offset: Int) -> FileError {
    failure("the text has half a character (a lone surrogate)", at: offset)
  }

  private func hexadecimal(_ from: inout Int, in offset: Int) throws -> UInt32 {
    guard textEnd - from >= 4 else { throw failure("an escape of the text is cut", at: offset) }
    var code: UInt32 = 0
    for index in from..<from + 4 {
      guard let digit = Character(Unicode.Scalar(buffer[index])).hexDigitValue,
        buffer[index] < 0x80
      else { throw failure("an escape of the text has a digit that is none", at: offset) }
      code = code << 4 | UInt32(digit)
    }
    from += 4
    return code
  }

  // MARK: Numbers

  /// A number as it is written: `mantissa * 10^exponent`, where all digits fitted.
  private struct NumberToken {
    var isNegative = false
    var mantissa: UInt64 = 0
    var exponent = 0
    /// Whether the mantissa has all digits.
    var isComplete = true
    /// Whether there is neither a point nor an exponent.
    var isWhole = true
    /// The token, a range of the buffer.
    var start = 0
    var end = 0
    /// What is missing at its end.
    var wanted: StaticString?

    /// Whether no look at the value is needed to know that a Double holds it.
    var isSurelyFinite: Bool { end - start < 300 && (isWhole || abs(exponent) < 30) }
  }

  /// Passes a number.
  @inline(__always)
  private mutating func numberToken() throws -> NumberToken {
    let byte = try significantByte()
    guard byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
      throw unexpected("a number")
    }
    while true {
      let token = try scanNumber()
      // A number that touches the end of what was read may go on.
      if token.end == end, try refill(keeping: position) { continue }
      if let wanted = token.wanted {
        if buffer[token.end] == UInt8(ascii: "I") { throw unexpected("a number") }
        throw failure("the number lacks \(wanted)", at: origin + token.end)
      }
      valueOffset = origin + position
      position = token.end
      return token
    }
  }

  @inline(__always)
  private func scanNumber() throws -> NumberToken {
    var token = NumberToken()
    token.start = position
    var index = position
    if buffer[index] == UInt8(ascii: "-") {
      token.isNegative = true
      index += 1
    }
    var mantissa: UInt64 = 0
    let first = index
    var digit = buffer[index] &- UInt8(ascii: "0")
    while digit < 10 {
      mantissa = mantissa &* 10 &+ UInt64(digit)
      index += 1
      digit = buffer[index] &- UInt8(ascii: "0")
    }
    var digits = index - first
    if digits == 0 { token.wanted = "a digit" }
    if digits > 1, buffer[first] == UInt8(ascii: "0") {
      throw failure("the number has a leading zero", at: origin + position)
    }
    var exponent = 0
    if buffer[index] == UInt8(ascii: ".") {
      token.isWhole = false
      index += 1
      let start = index
      digit = buffer[index] &- UInt8(ascii: "0")
      while digit < 10 {
        mantissa = mantissa &* 10 &+ UInt64(digit)
        index += 1
        digit = buffer[index] &- UInt8(ascii: "0")
      }
      if index == start { token.wanted = "a digit after its point" }
      exponent = start - index
      digits += index - start
    }
    // 19 digits fit in 64 bits, 20 may not; zeros before the first other digit are none.
    if digits > 19 { token.isComplete = digits - leadingZeros(from: first, to: index) <= 19 }
    if buffer[index] | 0x20 == UInt8(ascii: "e") {
      token.isWhole = false
      index += 1
      var isNegative = false
      if buffer[index] == UInt8(ascii: "+") || buffer[index] == UInt8(ascii: "-") {
        isNegative = buffer[index] == UInt8(ascii: "-")
        index += 1
      }
      let start = index
      var value = 0
      digit = buffer[index] &- UInt8(ascii: "0")
      while digit < 10 {
        value = min(value &* 10 &+ Int(digit), 1 << 30)
        index += 1
        digit = buffer[index] &- UInt8(ascii: "0")
      }
      if index == start { token.wanted = "a digit of its exponent" }
      exponent += isNegative ? -value : value
    }
    token.mantissa = mantissa
    token.exponent = exponent
    token.end = index
    return token
  }

  private func leadingZeros(from first: Int, to end: Int) -> Int {
    var zeros = 0
    for index in first..<end {
      if buffer[index] == UInt8(ascii: ".") { continue }
      guard buffer[index] == UInt8(ascii: "0") else { break }
      zeros += 1
    }
    return zeros
  }

  /// The Double that is nearest to a number; `nil` where it is beyond all.
  @inline(__always)
  private func doubleValue(of token: NumberToken) -> Double? {
    if token.isComplete, let size = Decimal.nearest(token.mantissa, token.exponent) {
      return token.isNegative ? -size : size
    }
    let text = String(decoding: bytes(token.start, token.end), as: UTF8.self)
    guard let value = Double(text), value.isFinite else { return nil }
    return value
  }
}
