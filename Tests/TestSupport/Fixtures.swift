import Foundation

/// Where the golden cases live, and how a test finds the ones it understands.
///
/// The folder is `FLATTEN_FIXTURES` where that is set, else the full set beside the repository, else
/// the part of it that is committed under `Tests/Fixtures`.
package enum Fixtures {
  /// The checkout's top folder.
  package static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Material that is not committed; absent in a plain clone.
  package static let shared = repository.deletingLastPathComponent().appending(path: "shared")

  package static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["FLATTEN_FIXTURES"] {
      return URL(filePath: path)
    }
    let full = shared.appending(path: "fixtures")
    if exists(full.appending(path: "index.json")) { return full }
    return repository.appending(path: "Tests/Fixtures")
  }()

  /// The folder of awkward and hostile files, or `nil` where it is not present.
  package static let badInputs: URL? = {
    let folder =
      ProcessInfo.processInfo.environment["FLATTEN_BADINPUTS"].map { URL(filePath: $0) }
      ?? shared.appending(path: "badinputs")
    return exists(folder.appending(path: "manifest.json")) ? folder : nil
  }()

  package static func exists(_ url: URL) -> Bool {
    FileManager.default.fileExists(atPath: url.path)
  }

  /// All cases of the given groups (`ops`, `attention`, ...) and kinds, in the index's order.
  ///
  /// A broken index fails the test that asks, by returning a case that cannot be read.
  package static func cases(groups: Set<String>? = nil, kinds: Set<String>? = nil) -> [FixtureCase]
  {
    cases(in: folder).filter { fixture in
      let group = String(fixture.id.prefix { $0 != "/" })
      return groups?.contains(group) ?? true && kinds?.contains(fixture.kind) ?? true
    }
  }

  /// What Tools/reference/families.py makes: cases of the backbone families, and key lists.
  package static let families = repository.appending(path: "Tests/FamilyFixtures")

  /// The cases of ``families`` of one kind.
  package static func familyCases(kind: String) -> [FixtureCase] {
    cases(in: families).filter { $0.kind == kind || $0.kind.isEmpty }
  }

  /// What Tools/reference/wide.py makes: segmentors wide enough for every way to convolve.
  package static var wideSegmentors: [FixtureCase] {
    cases(in: repository.appending(path: "Tests/WideFixtures"))
  }

  /// The segmentors of all sets.
  package static var segmentors: [FixtureCase] {
    cases(kinds: ["segmentor"]) + familyCases(kind: "segmentor") + wideSegmentors
  }

  private static func cases(in folder: URL) -> [FixtureCase] {
    guard let data = try? Data(contentsOf: folder.appending(path: "index.json")),
      let index = try? JSONDecoder().decode(JSONValue.self, from: data)
    else {
      let id = "index.json is missing or unreadable in \(folder.path)"
      return [FixtureCase(id: id, kind: "", in: folder)]
    }
    return index["cases"].list.map { entry in
      FixtureCase(id: entry["id"].text ?? "", kind: entry["kind"].text ?? "", in: folder)
    }
  }
}

/// One golden case: its description, and its tensors on request.
package struct FixtureCase: Sendable, CustomStringConvertible {
  package let id: String
  package let kind: String
  package let folder: URL

  package init(id: String, kind: String, in set: URL = Fixtures.folder) {
    self.id = id
    self.kind = kind
    folder = set.appending(path: id)
  }

  package var description: String { id }

  /// The contents of `case.json`.
  package func json() throws -> JSONValue {
    let data = try Data(contentsOf: folder.appending(path: "case.json"))
    return try JSONDecoder().decode(JSONValue.self, from: data)
  }

  /// The file that `case.json` lists under `files.<role>`, or `nil` where the case has none.
  package func file(_ role: String) throws -> URL? {
    try json()["files"][role].text.map { folder.appending(path: $0).standardizedFileURL }
  }

  /// The tensors of `files.<role>`; an empty table where the case has no such file.
  package func tensors(_ role: String) throws -> [String: FixtureTensor] {
    guard let file = try file(role) else { return [:] }
    return try FixtureTensor.read(file)
  }
}
