import FlattenFiles
import Foundation
import TestSupport
import Testing

/// A tree of what a ``JSONStream`` reads, to compare it with what Foundation reads.
private func tree(_ json: inout JSONStream) throws -> JSONValue {
  switch try json.peek() {
  case .object:
    var fields: [String: JSONValue] = [:]
    try json.beginObject()
    while try json.nextKey() {
      let key = String(decoding: json.text, as: UTF8.self)
      fields[key] = try tree(&json)
    }
    return .object(fields)
  case .array:
    var items: [JSONValue] = []
    try json.beginArray()
    while try json.nextElement() { items.append(try tree(&json)) }
    return .array(items)
  case .text: return .string(try json.string())
  case .number: return .number(try json.number())
  case .bool: return .bool(try json.bool())
  case .null:
    _ = try json.skipNull()
    return .null
  }
}

private func tree(_ text: String) throws -> JSONValue {
  var json = JSONStream(Array(text.utf8), name: "text")
  let value = try tree(&json)
  try json.finish()
  return value
}

/// The reason for refusing a text, read as a tree or skipped; `nil` where it is accepted.
private func refusal(_ bytes: [UInt8], skipping: Bool) -> String? {
  do {
    var json = JSONStream(bytes, name: "text")
    if skipping { try json.skipValue() } else { _ = try tree(&json) }
    try json.finish()
    return nil
  } catch {
    return (error as? FileError)?.reason ?? "another error: \(error)"
  }
}

@Suite struct JSONStreamTests {
  @Test(arguments: [
    "{}", "[]", "0", "-0", "\"\"", "null", "true", "false", " \t\r\n[ 1 , 2 ]\n", "[[],[[]],{}]",
    #"{"a":{"b":[1,{"c":null}]},"d":"e","f":[true,false]}"#,
    #"["\"\\\/\b\f\n\r\t","\u00e9\u20AC\ud83d\ude00","é€😀","\u0000"]"#,
    "[1,1.5,-2.25,1e3,1E+3,1.5e-3,0.1,123456789.123456789,9007199254740993,1e-400]",
    #"{"a":1,"a":2}"#, #"{ "a" : 1 , "b" : 2 }"#,
  ])
  func rightTexts(_ text: String) throws {
    let expected = try JSONSerialization.jsonObject(
      with: Data(text.utf8), options: .fragmentsAllowed)
    if !text.hasPrefix(#"{"a":1,"a""#) {
      #expect(same(try tree(text), expected))
    }
    #expect(refusal(Array(text.utf8), skipping: true) == nil)
    #expect(refusal([0xEF, 0xBB, 0xBF] + Array(text.utf8), skipping: true) == nil)
  }

  private func same(_ value: JSONValue, _ other: Any) -> Bool {
    switch value {
    case .null: other is NSNull
    case .bool(let flag): (other as? NSNumber)?.boolValue == flag
    case .number(let number): (other as? NSNumber)?.doubleValue == number
    case .string(let text): (other as? String).map { Array($0.utf8) == Array(text.utf8) } ?? false
    case .array(let items):
      (other as? [Any]).map { $0.count == items.count && zip(items, $0).allSatisfy(same) } ?? false
    case .object(let fields):
      (other as? [String: Any]).map { table in
        table.count == fields.count
          && fields.allSatisfy { key, value in table[key].map { same(value, $0) } ?? false }
      } ?? false
    }
  }

  @Test(arguments: [
    ("", "line 1, column 1 (byte 0): the file ends where a value is wanted; is it cut short?"),
    ("[1,\n 2,\n x]", "line 3, column 2 (byte 9), [2]: a value is wanted, found 'x]'"),
    (
      "[1,2",
      "line 1, column 5 (byte 4), [1]: the file ends where ',' or ']' is wanted; is it cut short?"
    ),
    ("[1,]", "line 1, column 4 (byte 3), [1]: a value after ',' is wanted, found ']'"),
    ("[1 2]", "line 1, column 4 (byte 3), [0]: ',' or ']' is wanted, found '2]'"),
    ("[1}", "line 1, column 3 (byte 2), [0]: ',' or ']' is wanted, found '}'"),
    (#"{"a":1]"#, "line 1, column 7 (byte 6), a: ',' or '}' is wanted, found ']'"),
    (#"{"a" 1}"#, "line 1, column 6 (byte 5): ':' is wanted, found '1}'"),
    (
      #"{"a"#,
      "line 1, column 2 (byte 1): the text that begins here does not end; is the file cut short?"
    ),
    (#"{a:1}"#, "line 1, column 2 (byte 1): a key in quotes is wanted, found 'a:1}'"),
    (#"{"a":1,}"#, "line 1, column 8 (byte 7): a key in quotes is wanted, found '}'"),
    (
      #"{"list":[{"box":[1,2,NaN]}]}"#,
      "line 1, column 22 (byte 21), list[0].box[2]: a value is wanted, found NaN, which JSON does not have"
    ),
    (
      "[-Infinity]",
      "line 1, column 2 (byte 1), [0]: a number is wanted, found -Infinity, which JSON does not have"
    ),
    ("[1e400]", "line 1, column 2 (byte 1), [0]: the number is too large"),
    ("[01]", "line 1, column 2 (byte 1), [0]: the number has a leading zero"),
    ("[1.]", "line 1, column 4 (byte 3), [0]: the number lacks a digit after its point"),
    ("[1e]", "line 1, column 4 (byte 3), [0]: the number lacks a digit of its exponent"),
    ("[+1]", "line 1, column 2 (byte 1), [0]: a value is wanted, found '+1]'"),
    ("[tru]", "line 1, column 2 (byte 1), [0]: a value is wanted, found 'tru]'"),
    ("{} {}", "line 1, column 4 (byte 3): the end of the file is wanted, found '{}'"),
    (
      #"["\ud800"]"#,
      "line 1, column 2 (byte 1), [0]: the text has half a character (a lone surrogate)"
    ),
    (
      #"["\udc00\ud800"]"#,
      "line 1, column 2 (byte 1), [0]: the text has half a character (a lone surrogate)"
    ),
    (
      #"["\u12g4"]"#,
      "line 1, column 2 (byte 1), [0]: an escape of the text has a digit that is none"
    ),
    (#"["\x"]"#, "line 1, column 2 (byte 1), [0]: an unknown escape in the text"),
    (
      "[\"a\tb\"]",
      "line 1, column 4 (byte 3), [0]: a control character (byte 9) in a text; write it as an escape"
    ),
    ("[1,\u{0}]", "line 1, column 4 (byte 3), [1]: a value is wanted, found '\\u{0}]'"),
    ("// comment\n1", "line 1, column 1 (byte 0): a value is wanted, found '// comment\\n1'"),
  ])
  func wrongTexts(_ text: String, _ reason: String) {
    #expect(refusal(Array(text.utf8), skipping: false) == reason)
    #expect(refusal(Array(text.utf8), skipping: true) != nil)
  }

  @Test func textsThatAreNotUTF8() {
    for bytes: [UInt8] in [
      [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3],
    ] {
      let text = [UInt8(ascii: "["), UInt8(ascii: "\"")] + bytes + Array("\"]".utf8)
      let reason = "line 1, column 2 (byte 1), [0]: the text is not UTF-8"
      #expect(refusal(text, skipping: false) == reason)
      #expect(refusal(text, skipping: true) == reason)
    }
  }

  @Test func nesting() {
    for sign in ["[", "{\"a\":"] {
      let text = Array(String(repeating: sign, count: 10_000).utf8)
      let reason = refusal(text, skipping: true) ?? ""
      #expect(reason.hasSuffix("nests more than 100 levels"))
    }
    let right = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
    #expect(refusal(Array(right.utf8), skipping: true) == nil)
  }

  /// A text that is cut anywhere is refused; one number by itself may be.
  @Test func cutTexts() {
    let text = Array(#"{"a":[1.5,-2e-3,true,null],"é":"\u00e9\"\\x","b":{"c":false}}"#.utf8)
    #expect(refusal(text, skipping: false) == nil)
    for length in 0..<text.count {
      #expect(refusal(Array(text[..<length]), skipping: false)?.contains("line 1") == true)
      #expect(refusal(Array(text[..<length]), skipping: true)?.contains("line 1") == true)
    }
  }

  /// Tokens of every kind across the border of two pieces, and texts larger than a piece.
  @Test func pieces() throws {
    let token = #"{"k\u0065y" : -123.456e-7, "t":"a\"\\\u20ac€", "n": null , "b":true}"#
    let value = try tree(token)
    let piece = 1 << 18
    for shift in 0..<token.utf8.count + 2 {
      let text = "[\"" + String(repeating: "x", count: piece - 8 - shift) + "\",\n" + token + "]"
      let both = try tree(text)
      #expect(both[1] == value)
      #expect(refusal(Array(text.utf8), skipping: true) == nil)
    }
    let long = String(repeating: "0123456789\\n", count: 200_000)
    #expect(try tree("[\"\(long)\",7]")[0].text?.utf8.count == 2_200_000)
    let digits = "0." + String(repeating: "3", count: 600_000)
    #expect(try tree("[\(digits),7]") == .array([.number(1.0 / 3), .number(7)]))
  }

  @Test func files() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a.json", Array("{\"a\": [1, 2, \"x\"]}".utf8))
    var json = JSONStream(try FileReader(path: path))
    try json.beginObject()
    #expect(try json.nextKey() && json.textIs("a"))
    try json.beginArray()
    #expect(try json.nextElement())
    #expect(try json.integer() == 1)
    #expect(try json.nextElement())
    #expect(try json.number() == 2)
    #expect(try json.nextElement())
    do {
      _ = try json.number()
      Issue.record("a text was read as a number")
    } catch let error as FileError {
      #expect(error.path == path && error.kind == .refused)
      #expect(
        error.reason == "line 1, column 14 (byte 13), a[2]: a number is wanted, found '\"x\"]}'")
    }
  }

  /// A mutation of a right text is read or refused, never more.
  @Test func mutations() throws {
    let text = Array(
      #"[{"id":1,"box":[1.5,2e3,-0.5],"s":"a\u00e9\ud83d\ude00\\"},null,[true,false]]"#.utf8)
    let signs = Array("[]{}\",:\\u019.-+eEtfn \u{0}é".utf8)
    var random = SeededGenerator(seed: 7)
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = text
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let sign = signs[Int.random(in: 0..<signs.count, using: &random)]
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = sign
        case 1: bytes.insert(sign, at: place)
        default: bytes.remove(at: place)
        }
      }
      let read = refusal(bytes, skipping: false)
      let skipped = refusal(bytes, skipping: true)
      #expect((read == nil) == (skipped == nil), "\(bytes)")
      let isRight = (try? JSONSerialization.jsonObject(with: Data(bytes))) != nil
      // Foundation accepts more: it is no judge of what is refused, but what it refuses is wrong.
      if read == nil {
        accepted += 1
        #expect(isRight, "\(String(decoding: bytes, as: UTF8.self))")
      }
    }
    #expect(accepted > 500)
  }
}

@Suite struct DecimalTests {
  /// The same Double as the C library's, for numbers of any length and size.
  @Test func numbers() throws {
    var random = SeededGenerator(seed: 11)
    func digits(_ count: Int) -> String {
      (0..<count).map { _ in String(Int.random(in: 0...9, using: &random)) }.joined()
    }
    for _ in 0..<200_000 {
      var text = Bool.random(using: &random) ? "-" : ""
      let whole = Int.random(in: 0...21, using: &random)
      text += whole == 0 ? "0" : "\(Int.random(in: 1...9, using: &random))" + digits(whole - 1)
      let fraction = Int.random(in: 0...21, using: &random)
      if fraction > 0 { text += "." + digits(fraction) }
      if Int.random(in: 0..<4, using: &random) == 0 {
        text += "e\(Int.random(in: -40...40, using: &random))"
      }
      try compare(text)
    }
    for _ in 0..<100_000 {
      let value = Double(bitPattern: UInt64.random(in: 0...(.max), using: &random))
      if value.isFinite { try compare("\(value)") }
      try compare("\(Double.random(in: 0..<1000, using: &random))")
    }
  }

  /// Halfway between two Doubles, and next to it.
  @Test func halves() throws {
    for exponent in 53...62 {
      for odd in [1, 3, 5, 1001] {
        let half =
          (UInt64(1) << 53 + UInt64(odd)) << UInt64(exponent - 53)
          | (exponent > 53 ? 1 << UInt64(exponent - 54) : 0)
        for number in [half &- 1, half, half &+ 1] {
          try compare("\(number)")
          try compare("\(number).0")
          try compare("0.\(number)")
          try compare("\(number)e-5")
          try compare("\(number)e7")
        }
      }
    }
    // 2^-k of few digits, and sums that end halfway.
    for text in [
      "9007199254740993", "9007199254740992.5", "0.5000000000000000555",
      "0.50000000000000005551115123125782702",
      "1.00000000000000011102230246251565", "4.9406564584124654e-324", "1.7976931348623157e308",
      "2.2250738585072011e-308",
    ] { try compare(text) }
  }

  private func compare(_ text: String) throws {
    var json = JSONStream(Array(text.utf8), name: "number")
    let value = try json.number()
    let expected = strtod(text, nil)
    #expect(value.bitPattern == expected.bitPattern, "\(text): \(value), not \(expected)")
  }
}
