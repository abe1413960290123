import FlattenConfig
import FlattenFiles
import Foundation
import TestSupport
import Testing

/// The YAML files of the bad-inputs collection, which a plain clone does not have.
@Suite(.enabled(if: Fixtures.badInputs != nil, "the bad-inputs collection is not present"))
struct BadInputsTests {
  struct Entry: Sendable, CustomTestStringConvertible {
    let json: JSONValue
    var file: String { json["file"].text ?? "" }
    var testDescription: String { file }

    /// These three groups break a model's schema, not YAML.
    var isAboutSchema: Bool {
      ["yaml/key-", "yaml/type-", "yaml/value-"].contains { file.hasPrefix($0) }
    }
  }

  static let entries: [Entry] = {
    guard let folder = Fixtures.badInputs,
      let data = try? Data(contentsOf: folder.appending(path: "manifest.json")),
      let manifest = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    return manifest.list.filter { $0["kind"].text == "yaml" }.map { Entry(json: $0) }
  }()

  @Test func theCollectionHoldsYAML() {
    #expect(Self.entries.count > 50)
  }

  @Test(arguments: entries)
  func givesTheStatedResult(_ entry: Entry) throws {
    let folder = try #require(Fixtures.badInputs)
    let path = folder.appending(path: entry.file).path
    let clock = ContinuousClock()
    let start = clock.now
    let result = Result { try ConfigNode.load(path: path) }
    let seconds = entry.json["max_seconds"].number ?? 5
    #expect(clock.now - start < .seconds(seconds))

    if case .failure(let error) = result {
      let message = "\(error)"
      #expect(message.contains(entry.file))
      #expect(message.count <= 500)
      let bare = message.unicodeScalars.allSatisfy { $0.value >= 0x20 }
      #expect(bare, "a control character in the message")
      let says = entry.json["says"].list.compactMap(\.text)
      if !says.isEmpty, !entry.isAboutSchema {
        #expect(
          says.contains { message.lowercased().contains($0.lowercased()) }, "message: \(message)")
      }
    }
    switch entry.json["expect"].text {
    case "ok":
      let root = try result.get()
      for (path, wanted) in entry.json["values"].fields {
        let node = try #require(root.value(at: path), "\(path) is missing")
        try expectEqual(node, wanted)
      }
    case "error" where !entry.isAboutSchema:
      #expect(throws: ConfigError.self) { try result.get() }
    default: break  // either, as long as we got here
    }
  }

  private func expectEqual(_ node: ConfigNode, _ wanted: JSONValue) throws {
    switch wanted {
    case .null: #expect(node.isNull)
    case .bool(let value): #expect(try node.bool() == value)
    case .number(let value): #expect(try node.double() == value)
    case .string(let value): #expect(try node.string() == value)
    case .array(let items):
      let nodes = try node.list(count: items.count)
      for (node, item) in zip(nodes, items) { try expectEqual(node, item) }
    case .object: Issue.record("the manifest compares no maps")
    }
  }
}
