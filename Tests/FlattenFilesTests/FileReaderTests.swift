import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct FileReaderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func readsByPosition() throws {
    let reader = try FileReader(path: try folder.file("file", [1, 2, 3, 4, 5]))
    #expect(reader.size == 5)
    #expect(try reader.read(at: 1, count: 3) == [2, 3, 4])
    #expect(try reader.readAll(limit: 5) == [1, 2, 3, 4, 5])
  }

  @Test func refusesWhatIsNotThere() throws {
    let reader = try FileReader(path: try folder.file("file", [1, 2, 3]))
    #expect(throws: FileError.self) { try reader.read(at: 2, count: 2) }
    #expect(throws: FileError.self) { try reader.read(at: -1, count: 1) }
    #expect(throws: FileError.self) { try reader.read(at: .max, count: .max) }
    #expect(throws: FileError.self) { try reader.readAll(limit: 2) }
  }

  @Test func aFileThatShrinksIsAnError() throws {
    let path = try folder.file("file", [1, 2, 3, 4])
    let reader = try FileReader(path: path)
    #expect(truncate(path, 2) == 0)
    let error = #expect(throws: FileError.self) { try reader.read(at: 0, count: 4) }
    #expect(error?.reason == "ends at byte 2, 2 bytes more were expected")
  }

  @Test(arguments: [
    ("/tmp", "is a folder, a file is wanted"), ("/dev/null", "is not a regular file"),
    ("/dev/zero", "is not a regular file"), ("/no/such/file", "no such file"),
    ("", "not a file name"),
  ])
  func refusesWhatIsNoFile(path: String, reason: String) {
    let error = #expect(throws: FileError.self) { try FileReader(path: path) }
    #expect(error?.reason == reason)
    #expect(error?.kind == .unreadable)
  }

  @Test func messagesEscapeControlCharacters() {
    let error = FileError(path: "a\nb\u{1B}[31m", kind: .refused, reason: "bad")
    #expect(error.description == "a\\nb\\u{1b}[31m: bad")
    let long = FileError(
      path: String(repeating: "x", count: 900), kind: .refused,
      reason: String(repeating: "y", count: 900))
    #expect(long.description.count <= 500)
  }
}
