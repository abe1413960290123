import FlattenCheckpoint
import FlattenConfig
import FlattenModels
import FlattenTensor
import TestSupport
import Testing

/// DeiT some of whose blocks skip their attention, against the official classification forward.
@Suite struct SkippedAttentionTests {
  static let cases = Fixtures.literatureCases(kinds: ["classifier"]).filter {
    (try? $0.json()["params"]["type"].text) == "SkipAt"
  }

  @Test func aCaseIsThere() {
    #expect(Fixtures.lackingLiterature(kinds: ["classifier"]).isEmpty)
  }

  @Test(arguments: cases) func classifierAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let configuration = try ClassifierConfiguration(
      p.replacing([
        "type": .string("DeiT"), "skip_indices": Optional<JSONValue>.none,
        "skip_attention": .array([p["skip_indices"]]),
      ]), name: fixture.id)
    for threads in 1...3 {
      let tree = try golden.weights()
      let model = try ImageClassifier.load(configuration, from: tree.root)
      try tree.finish(ignoring: ImageClassifier.ignoredKeys(configuration))
      let (features, logits) = model(try golden.map(), ForwardPass(threadCount: threads))
      #expect(golden.mismatch("features", features) == nil)
      #expect(golden.mismatch("logits", logits) == nil)
    }
  }

  /// A file of full size loads, and its dead weights are all that is left over.
  @Test func theKeysOfTheReleasedModelLoad() throws {
    let file = Fixtures.literature.appending(path: "keys/skipat_tiny.txt")
    guard Fixtures.exists(file) else { return }
    let list = try FormulaParameters(list: file, isEmpty: true)
    let configuration = try ClassifierConfiguration(
      ConfigNode.parse(
        """
        backbone: {type: deit, variant: tiny, skip_attention: [[3, 4, 5, 6, 7, 8]]}
        classifier: {num_classes: 1000}
        """, name: "skipat"))
    let tree = ParameterTree(source: list)
    _ = try ImageClassifier(configuration, from: tree.root)
    try tree.finish(ignoring: ImageClassifier.ignoredKeys(configuration))
    let read = Set(tree.requested.map(\.name))
    let left = list.parameterShapes.map(\.name).filter { !read.contains($0) }
    #expect(left.count == 6 * 6)
    #expect(left.allSatisfy { $0.contains(".norm1.") || $0.contains(".attn.") })
  }
}
