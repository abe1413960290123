/// The value of a scalar by YAML 1.2's core schema.
///
/// `yes`, `no`, `on`, `off`, `1_000`, `12:30` and `0b1` are text; `010` is ten; octal is written
/// `0o10`. Beyond the schema, `None` is null, as the published configs write it.
enum Scalar: Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int)
  /// Written as an integer, but beyond 64 bits.
  case hugeInt
  case float(Double)
  case text

  /// The value of an unquoted, untagged scalar.
  init(plain text: String) {
    switch text {
    case "", "~", "null", "Null", "NULL", "None": self = .null
    case "true", "True", "TRUE": self = .bool(true)
    case "false", "False", "FALSE": self = .bool(false)
    default: self = Self.number(Array(text.utf8)) ?? .text
    }
  }

  /// The value of a tagged scalar; `nil` where the text does not fit the tag, or the tag is not one
  /// of the core schema's.
  init?(text: String, plain: Bool, tag: String?) {
    let core = "tag:yaml.org,2002:"
    let resolved = Self(plain: text)
    switch tag {
    case nil: self = plain ? resolved : .text
    case "!", core + "str": self = .text
    case core + "null":
      guard case .null = resolved else { return nil }
      self = resolved
    case core + "bool":
      guard case .bool = resolved else { return nil }
      self = resolved
    case core + "int":
      switch resolved {
      case .int, .hugeInt: self = resolved
      default: return nil
      }
    case core + "float":
      switch resolved {
      case .float: self = resolved
      case .int(let value): self = .float(Double(value))
      default: return nil
      }
    default: return nil
    }
  }

  private static func number(_ text: [UInt8]) -> Scalar? {
    let signed = text.first == UInt8(ascii: "-") || text.first == UInt8(ascii: "+")
    let negative = text.first == UInt8(ascii: "-")
    let body = Array(signed ? text.dropFirst() : text[...])
    if body.starts(with: Array("0x".utf8)) || body.starts(with: Array("0o".utf8)) {
      let radix = body[1] == UInt8(ascii: "x") ? 16 : 8
      let digits = body.dropFirst(2)
      guard !signed, !digits.isEmpty, digits.allSatisfy({ isDigit($0, radix: radix) }) else {
        return nil
      }
      return Int(String(decoding: digits, as: UTF8.self), radix: radix).map(Scalar.int) ?? .hugeInt
    }
    let word = String(decoding: body, as: UTF8.self)
    if [".inf", ".Inf", ".INF"].contains(word) {
      return .float(negative ? -.infinity : .infinity)
    }
    if !signed, [".nan", ".NaN", ".NAN"].contains(word) { return .float(.nan) }

    // [-+]? ( . digits | digits ( . digits? )? ) ( [eE] [-+]? digits )?
    var rest = body[...]
    let whole = takeDigits(&rest)
    if rest.isEmpty {
      guard whole > 0 else { return nil }
      return Int(String(decoding: text, as: UTF8.self)).map(Scalar.int) ?? .hugeInt
    }
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      let fraction = takeDigits(&rest)
      guard whole + fraction > 0 else { return nil }
    } else if whole == 0 {
      return nil
    }
    if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
      rest.removeFirst()
      if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
      guard takeDigits(&rest) > 0 else { return nil }
    }
    guard rest.isEmpty else { return nil }
    return Double(String(decoding: text, as: UTF8.self)).map(Scalar.float)
  }

  /// Removes leading decimal digits and returns how many there were.
  private static func takeDigits(_ rest: inout ArraySlice<UInt8>) -> Int {
    let count = rest.prefix { isDigit($0, radix: 10) }.count
    rest = rest.dropFirst(count)
    return count
  }

  private static func isDigit(_ byte: UInt8, radix: Int) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "7"): true
    case UInt8(ascii: "8"), UInt8(ascii: "9"): radix > 8
    case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): radix == 16
    default: false
    }
  }
}
