import FlattenFiles
import FlattenRegions
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct ResultsJournalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var path: String { folder.path("results.json") }
  private var journalPath: String { folder.path("results.json.partial") }

  private let facts = [
    ResultsJournal.Fact("config", "a=b\tc"), ResultsJournal.Fact("score", "0.05"),
  ]

  private func journal(
    _ existing: ExistingResults = .refuse, facts: [ResultsJournal.Fact]? = nil
  ) throws -> ResultsJournal {
    try ResultsJournal(path: path, facts: facts ?? self.facts, existing: existing)
  }

  /// Results of a picture: none, one, two, ... of them, some with what JSON escapes.
  private func results(_ number: Int) -> [String] {
    (0..<number % 4).map { "{\"image_id\": \(number), \"name\": \"a\\tb \\\"\($0)\\\" \u{E9}\"}" }
  }

  private let size = PixelSize(height: 3, width: 5)

  private func add(_ numbers: some Sequence<Int>, to journal: ResultsJournal) throws {
    for number in numbers { try journal.add(number, size: size, results: results(number)) }
  }

  private func bytes(_ path: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(filePath: path)))
  }

  /// The file that holds the results of some pictures.
  private func expected(_ numbers: some Sequence<Int>) -> String {
    "[" + numbers.flatMap(results).map { "\n\($0)" }.joined(separator: ",") + "\n]\n"
  }

  @Test func oneRun() throws {
    #expect(try ResultsJournal.check(path, .refuse))
    let journal = try journal()
    try add(0..<9, to: journal)
    #expect(try folder.names() == ["results.json.partial"])
    var sizes: [Int] = []
    try journal.finish { sizes = $0.map(\.number) }
    #expect(sizes == Array(0..<9))
    #expect(try folder.names() == ["results.json"])
    let text = String(decoding: try bytes(path), as: UTF8.self)
    #expect(text == expected(0..<9))
    let list = try JSONDecoder().decode([JSONValue].self, from: Data(text.utf8))
    #expect(list.map { $0["image_id"].int } == [1, 2, 2, 3, 3, 3, 5, 6, 6, 7, 7, 7])
  }

  /// Cut at every byte, and gone on with: the file is that of one run.
  @Test func cutAnywhere() throws {
    let first = try journal()
    try add(0..<6, to: first)
    let whole = try bytes(journalPath)
    try first.finish()
    let wanted = try bytes(path)
    for length in 0...whole.count {
      try Data(whole.prefix(length)).write(to: URL(filePath: journalPath))
      let again = try journal(.skip)
      let done = (0..<6).filter(again.holds)
      #expect(done == Array(0..<done.count))
      #expect(length < whole.count || done.count == 6)
      try add((0..<6).filter { !again.holds($0) }, to: again)
      try again.finish()
      #expect(try bytes(path) == wanted, "cut after \(length) bytes")
    }
  }

  /// A byte that changed makes its line and what follows worthless, nothing else.
  @Test func damagedAnywhere() throws {
    try add([3, 1, 2], to: try journal())
    let whole = try bytes(journalPath)
    let header = try #require(whole.firstIndex(of: 10)) + 1
    for index in whole.indices {
      var changed = whole
      changed[index] ^= 1
      try Data(changed).write(to: URL(filePath: journalPath))
      do {
        let again = try journal(.skip)
        #expect(index >= header)
        #expect(!again.holds(2), "byte \(index)")
        try add([3, 1, 2].filter { !again.holds($0) }, to: again)
        try again.finish()
        #expect(String(decoding: try bytes(path), as: UTF8.self) == expected([1, 2, 3]))
      } catch let error as FileError {
        #expect(index < header && error.path == journalPath, "byte \(index): \(error)")
      }
    }
  }

  @Test func otherOptionsAreNamed() throws {
    try add([0], to: try journal())
    let before = try bytes(journalPath)
    let error = #expect(throws: ResultsJournalError.self) {
      _ = try journal(.skip, facts: [facts[0], .init("score", "0.3")])
    }
    #expect(
      error
        == .differs(path: journalPath, fact: "score", found: "0.05", expected: "0.3"))
    #expect(throws: ResultsJournalError.self) { _ = try journal(.skip, facts: [facts[0]]) }
    #expect(try bytes(journalPath) == before)
    _ = try journal(.replace, facts: [facts[0]])
    #expect(try bytes(journalPath).count < before.count)
  }

  @Test func whatIsThereAlready() throws {
    var open: ResultsJournal? = try journal()
    #expect(throws: ResultsJournalError.unfinished(path: journalPath)) {
      _ = try ResultsJournal.check(path, .refuse)
    }
    #expect(throws: ResultsJournalError.busy(path: journalPath)) { _ = try journal(.skip) }
    try open?.finish()
    open = nil
    #expect(throws: ExistingResultError(path: path, canBeKept: true)) {
      _ = try ResultsJournal.check(path, .refuse)
    }
    #expect(try !ResultsJournal.check(path, .skip))
    #expect(try ResultsJournal.check(path, .replace))
    // A journal beside a file that is there is of a run that was to replace it.
    _ = try journal()
    #expect(try ResultsJournal.check(path, .skip))
  }

  /// Somebody else's file that has the name is not touched.
  @Test(arguments: ["notes\n", "no line end", "0123abcd\tmine\n", "\n"])
  func anotherFile(text: String) throws {
    _ = try folder.file("results.json.partial", Array(text.utf8))
    #expect(throws: FileError.self) { _ = try journal(.skip) }
    #expect(try bytes(journalPath) == Array(text.utf8))
  }
}
