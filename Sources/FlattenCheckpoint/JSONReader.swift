/// A reader of the JSON that weights come with, step by step: whoever calls it knows what must come next.
///
/// It is ours because the usual ones keep one of two equal keys, turn 2.0 into 2, and compare names by
/// canonical equivalence.
struct JSONReader {
  private let bytes: [UInt8]
  /// What is read, for messages: "the header".
  private let subject: String
  private var index = 0

  init(_ bytes: [UInt8], subject: String) {
    self.bytes = bytes
    self.subject = subject
  }

  /// Whether only bytes of a kind are left.
  func isRest(_ isAllowed: (UInt8) -> Bool) -> Bool { bytes[index...].allSatisfy(isAllowed) }

  /// Skips a value of any kind, up to some levels.
  mutating func skipValue(levels: Int = 16) throws {
    guard levels > 0 else { throw damaged("nests too deep") }
    skipSpace()
    guard index < bytes.count else { throw damaged("is cut short") }
    switch bytes[index] {
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "{"): try object { reader, _ in try reader.skipValue(levels: levels - 1) }
    case UInt8(ascii: "["):
      try expect("[")
      if skip("]") { return }
      repeat { try skipValue(levels: levels - 1) } while skip(",")
      try expect("]")
    default:
      let start = index
      while index < bytes.count, Self.isPlain(bytes[index]) { index += 1 }
      guard index > start else { throw damaged("has something else where a value is wanted") }
    }
  }

  /// Whether a byte may be part of a number, of true, false or null.
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  /// An object; `member` reads the value of each key. No key may occur twice.
  mutating func object(
    _ member: (inout JSONReader, String) throws -> Void
  ) throws {
    try expect("{")
    if skip("}") { return }
    var keys: Set<ExactText> = []
    repeat {
      let key = try string()
      guard keys.insert(ExactText(key)).inserted else {
        throw damaged("has the key '\(shortened(key))' twice")
      }
      try expect(":")
      try member(&self, key)
    } while skip(",")
    try expect("}")
  }

  /// A list of texts, of so many at most.
  mutating func strings(atMost most: Int) throws -> [String] {
    try expect("[")
    if skip("]") { return [] }
    var values: [String] = []
    repeat {
      guard values.count < most else { throw damaged("has a list of more than \(most)") }
      values.append(try string())
    } while skip(",")
    try expect("]")
    return values
  }

  mutating func integers(atMost limit: Int) throws -> [Int] {
    try expect("[")
    if skip("]") { return [] }
    var values: [Int] = []
    repeat {
      guard values.count < limit else { throw damaged("has a list that is too long") }
      values.append(try integer())
    } while skip(",")
    try expect("]")
    return values
  }

  /// Digits only: no sign, point, exponent or leading zero.
  private mutating func integer() throws -> Int {
    skipSpace()
    let start = index
    var value = 0
    while index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) {
      value = try checkedProduct(value, 10, "a number of \(subject)")
      value = try checkedSum(value, Int(bytes[index] & 15), "a number of \(subject)")
      index += 1
    }
    guard index > start, bytes[start] != UInt8(ascii: "0") || index == start + 1 else {
      throw damaged("has something else where a whole number is wanted")
    }
    return value
  }

  mutating func string() throws -> String {
    try expect("\"")
    var text: [UInt8] = []
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw damaged("is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): try escape(&text)
      case 0..<0x20: throw damaged("has a control character in a text")
      default: text.append(byte)
      }
    }
    throw damaged("is cut short")
  }

  private mutating func escape(_ text: inout [UInt8]) throws {
    guard index < bytes.count else { throw damaged("is cut short") }
    let byte = bytes[index]
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code), index + 1 < bytes.count,
        bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u")
      {
        index += 2
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw damaged("has half a character") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw damaged("has half a character") }
      text += Array(String(scalar).utf8)
    default: throw damaged("has an unknown escape in a text")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard bytes.count - index >= 4 else { throw damaged("is cut short") }
    var code: UInt32 = 0
    for byte in bytes[index..<index + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw damaged("has an unknown escape in a text")
      }
      code = code << 4 | UInt32(digit)
    }
    index += 4
    return code
  }

  private mutating func skipSpace() {
    while index < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) { index += 1 }
  }

  /// Skips a sign if it comes next.
  private mutating func skip(_ sign: Unicode.Scalar) -> Bool {
    skipSpace()
    guard index < bytes.count, bytes[index] == UInt8(ascii: sign) else { return false }
    index += 1
    return true
  }

  private mutating func expect(_ sign: Unicode.Scalar) throws {
    guard skip(sign) else { throw damaged("lacks '\(sign)'") }
  }

  func damaged(_ what: String) -> Refusal {
    Refusal("\(subject) \(what), near its byte \(index)")
  }
}
