import Foundation
import TestSupport
import Testing

/// Libraries name facts; which option or command helps is for the program to say.
@Suite struct LibraryTextsTests {
  private static let sources = Fixtures.repository.appending(path: "Sources")

  /// Swift and C files of all targets but the program.
  private func files() throws -> [URL] {
    let all = try #require(
      FileManager.default.enumerator(at: Self.sources, includingPropertiesForKeys: nil))
    return all.compactMap { $0 as? URL }.filter {
      ["swift", "c", "h", "inc"].contains($0.pathExtension)
        && !$0.path.hasPrefix(Self.sources.appending(path: "flatten-seg").path + "/")
    }
  }

  @Test func noTextOfALibraryNamesAnOptionOrACommand() throws {
    let literal = /"(?:[^"\\]|\\.)*"/
    let option = /(^|[^-\w])--[a-z]|'flatten-seg [a-z]/
    var literals = 0
    for file in try files() {
      let text = try String(contentsOf: file, encoding: .utf8)
      for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
        .enumerated()
      where !line.drop(while: \.isWhitespace).hasPrefix("//") {
        for found in line.matches(of: literal) {
          literals += 1
          let content = found.output.dropFirst().dropLast()
          #expect(
            content.firstMatch(of: option) == nil,
            "\(file.lastPathComponent):\(index + 1): \(content)")
        }
      }
    }
    #expect(literals > 1000)
    #expect("give --overwrite to".contains(option) && "use 'flatten-seg classify'".contains(option))
  }
}
