import FlattenFiles
import Testing

@testable import FlattenCheckpoint

@Suite struct SafetensorsHeaderTests {
  private func open(_ header: String, data: Int = 8) throws -> Checkpoint {
    let bytes =
      withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + header.utf8
      + [UInt8](repeating: 0, count: data)
    return try bytes.withUnsafeBytes { try Checkpoint.open(staticBytes: $0, name: "header") }
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{ "a" : {"shape":[ 2 ],"data_offsets":[0 , 8],"dtype":"F32"} , "__metadata__":{"k":"v"}}   "#,
    #"{"\u0061\ud83d\ude00":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#,
    #"{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}"#,
  ])
  func goodHeaders(header: String) throws {
    #expect(try open(header).entries.isEmpty == false)
  }

  /// Headers that are refused, each for its own reason.
  private static let bad: [(header: String, reason: String)] = [
    ("", "the header does not begin with '{'"),
    ("{", "the header lacks '\"'"),
    ("{}", "holds no tensors"),
    ("[]", "the header does not begin with '{'"),
    ("null", "the header does not begin with '{'"),
    (#"{"a":null}"#, "the header lacks '{'"),
    (#"{"a":{}}"#, "'a' lacks its dtype, shape or data_offsets"),
    (
      #"{"a":{"dtype":"F32","shape":[2]}}"#, "'a' lacks its dtype, shape or data_offsets"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}"#,
      "'a' lacks its dtype, shape or data_offsets"
    ),
    (#"{"__metadata__":{"k":"v"}}"#, "holds no tensors"),
    (
      #" {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "the header does not begin with '{'"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}x"#,
      "the header goes on after its end"
    ),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},}"#, "the header lacks '\"'"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, "the header lacks '}'"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8"#, "the header lacks ']'"),
    (#"{"a":{"dtype":"F3"#, "the header is cut short"),
    (#"{"a" {"dtype":"F32"}}"#, "the header lacks ':'"),
    (
      #"{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}"#,
      "the header has the key 'shape' twice"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0061":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#,
      "the header has the key 'a' twice"
    ),
    (#"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, "the header lacks ']'"),
    (
      #"{"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}"#,
      "the header has something else where a whole number is wanted"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
      "the header has something else where a whole number is wanted"
    ),
    (
      #"{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}"#,
      "the header has something else where a whole number is wanted"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}"#,
      "the header has something else where a whole number is wanted"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
      "'a' needs 12 bytes for F32 [3], its offsets are 0 and 8"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      "goes on for 4 bytes after its last tensor"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      "'a' begins at byte 4 of the data, 0 is expected"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
      "'a' begins at byte 8 of the data, 0 is expected"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, "is cut short: 'a' lacks bytes"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "'b' begins at byte 0 of the data, 4 is expected"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#,
      "the header has a list that is too long"
    ),
    (
      #"{"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}}"#,
      "'a' has the element type 'f32', which is not read"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[18446744073709551618],"data_offsets":[0,8]}}"#,
      "a number of the header is beyond 64 bits"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
      "the size of 'a' is beyond 64 bits"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#,
      "the header has the unknown field 'x'"
    ),
    (
      #"{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "the header has half a character"
    ),
    (
      #"{"\ud800\u0061":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "the header has half a character"
    ),
    (
      #"{"\x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "the header has an unknown escape in a text"
    ),
    (
      #"{"\u00g1":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "the header has an unknown escape in a text"
    ),
    (
      #"{"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "the header lacks '\"'"
    ),
    (
      "{\"a\u{0}\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
      "the header has a control character in a text"
    ),
  ]

  @Test(arguments: bad) func badHeaders(header: String, reason: String) throws {
    let error = try #require(#expect(throws: FileError.self) { try open(header) })
    #expect(error.kind == .refused && isShort(error, naming: "header"), "\(error)")
    // Where the text itself is damaged, the place follows.
    let parts = error.reason.split(separator: ", near its byte ")
    #expect(parts.first.map(String.init) == reason)
    if parts.count > 1 {
      let place = try #require(Int(parts[1]))
      #expect((0...header.utf8.count).contains(place))
    }
  }

  @Test func thePlaceOfADamageIsTold() {
    let error = #expect(throws: FileError.self) { try open(#"{"a":null}"#) }
    #expect(error?.reason == "the header lacks '{', near its byte 5")
  }

  @Test func namesMustBeUTF8() {
    var bytes = Array(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.utf8)
    bytes[2] = 0xFF
    let file =
      withUnsafeBytes(of: UInt64(bytes.count).littleEndian, Array.init) + bytes
      + [UInt8](repeating: 0, count: 8)
    let error = #expect(throws: FileError.self) {
      try file.withUnsafeBytes { try Checkpoint.open(staticBytes: $0, name: "header") }
    }
    #expect(error?.reason.hasPrefix("the header is not UTF-8") == true)
  }

  /// Lengths that a header or the file cannot have, before anything of it is read.
  @Test(
    arguments: [.max, .max - 7, 1 << 63, 1 << 62, 100_000_001, 100_000_000, 9] as [UInt64])
  func badLengths(length: UInt64) {
    let bytes = withUnsafeBytes(of: length.littleEndian, Array.init) + Array("{}      ".utf8)
    let error = #expect(throws: FileError.self) {
      try bytes.withUnsafeBytes { try Checkpoint.open(staticBytes: $0, name: "header") }
    }
    let reason =
      length > 100_000_000
      ? "the header is too large: \(length) bytes, at most 100000000 are read"
      : "is cut short: the header has \(length) bytes, the file 16"
    #expect(error?.reason == reason)
  }
}
