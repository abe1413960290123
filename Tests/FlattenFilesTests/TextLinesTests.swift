import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct TextLinesTests {
  private func lines(_ bytes: [UInt8]) throws -> [String] {
    try TextLines(bytes, name: "list.txt").lines
  }

  @Test func linesAreTrimmed() throws {
    #expect(try lines(Array("a b.jpg\r\n\t c \n\n   \nd".utf8)) == ["a b.jpg", "c", "d"])
    #expect(try lines([]) == [])
  }

  /// The mark at the beginning is no text; the same character elsewhere is.
  @Test func aByteOrderMarkIsLeftOut() throws {
    #expect(try lines([0xEF, 0xBB, 0xBF] + Array("a\r\nb".utf8)) == ["a", "b"])
    #expect(try lines([0xEF, 0xBB, 0xBF]) == [])
    #expect(try lines(Array("a\n\u{FEFF}b".utf8)) == ["a", "\u{FEFF}b"])
  }

  @Test(
    arguments: [
      ([0xFF, 0xFE, 0x61, 0x00], "UTF-16"), ([0xFE, 0xFF, 0x00, 0x61], "UTF-16"),
      ([0x61, 0x00, 0x0A, 0x00], "UTF-16"), ([0x61, 0xE9, 0x0A], "is not UTF-8"),
    ] as [([UInt8], String)])
  func otherEncodingsAreNamed(bytes: [UInt8], says: String) {
    let error = #expect(throws: FileError.self) { try lines(bytes) }
    #expect(error?.kind == .refused && error?.path == "list.txt")
    #expect(error?.reason.contains(says) == true && error?.reason.contains("Save it") == true)
  }

  @Test func twoColumns() {
    for line in ["a.jpg b.png", "a.jpg \t b.png", "a.jpg, b.png", "a.jpg,b.png"] {
      let columns = TextLines.columns(of: line)
      #expect(columns?.0 == "a.jpg" && columns?.1 == "b.png", "\(line)")
    }
    let spaced = TextLines.columns(of: "my a.jpg\tmy b.png")
    #expect(spaced?.0 == "my a.jpg" && spaced?.1 == "my b.png")
    for line in ["a.jpg", "", "a b c", "a,b,c"] {
      #expect(TextLines.columns(of: line) == nil, "\(line)")
    }
  }
}
