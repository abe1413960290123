import Foundation
import Testing

@testable import TestSupport

/// Sets of golden cases: that in use, and sets made on the spot.
@Suite struct FixturesTests {
  /// A set with a kind that no suite knows would pass untested.
  @Test(arguments: [Fixtures.folder, Fixtures.committed, Fixtures.further])
  func everyCaseHasATest(set: URL) throws {
    let cases = Fixtures.cases(in: set)
    let known = Fixtures.testedKinds.union(Fixtures.trainingKinds)
    for fixture in cases {
      #expect(known.contains(fixture.kind), "\(fixture.id) is of kind '\(fixture.kind)'")
      #expect(throws: Never.self) { try fixture.json() }
    }
    #expect(Set(cases.map(\.id)).count == cases.count)
  }

  @Test func theCommittedSetHasAllKinds() {
    #expect(Fixtures.lacking(Fixtures.testedKinds, in: Fixtures.committed).isEmpty)
  }

  /// Writes the index of a set and gives its folder.
  private func set(_ index: String, _ body: (URL) throws -> Void) throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("index.json", Array(index.utf8))
    try body(folder.url)
  }

  @Test func casesAreChosenByGroupAndKind() throws {
    try set(
      """
      {"cases": [{"id": "ops/a", "kind": "op"}, {"id": "other/b", "kind": "op"},
                 {"id": "ops/c", "kind": "loss"}]}
      """
    ) { folder in
      #expect(Fixtures.cases(in: folder).map(\.id) == ["ops/a", "other/b", "ops/c"])
      #expect(Fixtures.cases(groups: ["ops"], in: folder).map(\.id) == ["ops/a", "ops/c"])
      #expect(Fixtures.cases(kinds: ["op"], in: folder).map(\.id) == ["ops/a", "other/b"])
      #expect(Fixtures.cases(groups: ["ops"], kinds: ["op"], in: folder).map(\.id) == ["ops/a"])
      #expect(Fixtures.cases(kinds: ["mlp"], in: folder).isEmpty)
      #expect(Fixtures.lacking(["op", "mlp", "loss"], in: folder) == ["mlp"])
    }
  }

  /// Whoever asks for cases gets one that fails.
  @Test(arguments: ["{", "{}", "{\"cases\": []}", "[]"])
  func aBrokenIndexIsSeen(index: String) throws {
    try set(index) { folder in
      let cases = Fixtures.cases(groups: ["ops"], kinds: ["op"], in: folder)
      #expect(cases.count == 1)
      #expect(cases.first?.id.contains(folder.path) == true)
      #expect(throws: (any Error).self) { try cases.first?.json() }
      #expect(Fixtures.lacking(["op"], in: folder) == ["op"])
    }
  }
}
