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

  @Test(arguments: [
    "", "{", "{}", "[]", "null", #"{"a":null}"#, #"{"a":{}}"#, #"{"__metadata__":{"k":"v"}}"#,
    #" {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}x"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#,
    #"{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0061":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#,
    #"{"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[18446744073709551618],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#,
    #"{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"\x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
  ])
  func badHeaders(header: String) {
    let error = #expect(throws: FileError.self) { try open(header) }
    if let error { #expect(isShort(error, naming: "header"), "\(error)") }
  }

  @Test func headersThatAreNotText() {
    #expect(throws: FileError.self) {
      try open("{\"a\u{0}\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}")
    }
    for length in [UInt64.max, UInt64.max - 7, 1 << 63, 100_000_001, 9] {
      let bytes = withUnsafeBytes(of: length.littleEndian, Array.init) + Array("{}      ".utf8)
      #expect(throws: FileError.self) {
        try bytes.withUnsafeBytes { try Checkpoint.open(staticBytes: $0, name: "header") }
      }
    }
  }
}
