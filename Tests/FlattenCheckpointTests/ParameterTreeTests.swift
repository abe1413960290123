import FlattenFiles
import FlattenTensor
import Foundation
import Testing

@testable import FlattenCheckpoint

/// Tensors in memory, filled with their index in the list.
private final class FakeSource: ParameterSource {
  let name = "fake.pth"
  let parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)]

  init(_ parameters: [(String, [Int])], integers: [String] = []) {
    parameterShapes = parameters.map { ($0.0, $0.1, !integers.contains($0.0)) }
  }

  func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    let index = parameterShapes.firstIndex { $0.name == name } ?? -1
    buffer.initialize(repeating: Float(index))
  }
}

@Suite struct ParameterTreeTests {
  @Test func scopesReachTensorsByUpstreamName() throws {
    let source = FakeSource([("a.block1.0.w", [2, 3]), ("a.block1.1.w", [2]), ("b", [])])
    let tree = ParameterTree(source: source)
    let block = tree.root.scope("a").scope("block1")
    #expect(block.scope(1).path == "a.block1.1")
    #expect(block.keys() == ["0.w", "1.w"])
    #expect(tree.root.keys().count == 3)
    #expect(block.scope(0).shape(of: "w") == [2, 3])
    #expect(block.scope("0").contains("w"))
    #expect(!block.contains("0"))
    #expect(try block.scope(1).tensor("w", [2]).elements == [1, 1])
    #expect(try block.tensorIfPresent("0.w", [2, 3])?.shape == [2, 3])
    #expect(try block.tensorIfPresent("2.w", [1]) == nil)
    #expect(try tree.root.tensor("b", []).elements == [2])
    try tree.finish(ignoring: [])
    #expect(tree.parameterCount == 9)
    #expect(tree.requested.map(\.name) == ["a.block1.1.w", "a.block1.0.w", "b"])
  }

  @Test func allProblemsAreReportedTogether() throws {
    let source = FakeSource(
      [
        ("decode_head.conv_seg.weight", [19, 4]), ("count", [1]), ("left.one", [3]),
        ("left.two", [3]), ("norm.num_batches_tracked", []),
      ], integers: ["count", "norm.num_batches_tracked"])
    let tree = ParameterTree(source: source)
    let placeholder = try tree.root.tensor("decode_head.conv_seg.weight", [150, 4])
    #expect(placeholder.elements == [Float](repeating: 0, count: 600))
    for _ in 0..<2 { _ = try tree.root.tensor("absent", [5]) }
    _ = try tree.root.tensor("count", [1])
    let error = #expect(throws: ParameterError.self) {
      try tree.finish(
        ignoring: [IgnoredKeys(pattern: "*.num_batches_tracked", reason: "training counter")],
        looksLike: { $0.contains("left.one") ? "a left one" : nil })
    }
    #expect(
      error?.problems == [
        .shape(name: "decode_head.conv_seg.weight", found: [19, 4], expected: [150, 4]),
        .missing(name: "absent", expected: [5]), .type(name: "count"),
        .leftOver(name: "left.one", shape: [3]), .leftOver(name: "left.two", shape: [3]),
      ])
    #expect(
      error?.description == """
        fake.pth: 'decode_head.conv_seg.weight' is [19, 4], the config wants [150, 4];
          'count' holds integers, the config wants floating-point numbers;
          the file lacks 'absent' [5];
          the config has no place for 'left.one' [3], 'left.two' [3]. \
        The file looks like a left one. \
        Use the config these weights were trained with, or set classes: 19.
        """)
  }

  @Test func longListsAreCut() {
    let tree = ParameterTree(source: FakeSource((0..<25).map { ("k\($0)", [1]) }))
    let error = #expect(throws: ParameterError.self) { try tree.finish(ignoring: []) }
    #expect(error?.problems.count == 25)
    #expect(error?.description.contains("'k9' [1] and 15 more") == true)
  }

  @Test(arguments: [
    ("*.num_batches_tracked", "a.b.num_batches_tracked", true),
    ("*.num_batches_tracked", "num_batches_tracked", false),
    ("norm.*", "norm.weight", true), ("norm.*", "norm.", true), ("norm.*", "norm1.weight", false),
    ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXcYb", false), ("*", "", true), ("", "a", false),
    ("layers.*.attn_mask", "layers.0.blocks.1.attn_mask", true),
  ])
  func patterns(pattern: String, key: String, isMatch: Bool) {
    #expect(IgnoredKeys(pattern: pattern, reason: "").matches(key) == isMatch)
  }

  @Test func randomParametersDependOnNameShapeAndSeed() throws {
    func values(
      _ seed: UInt64, _ name: String, _ shape: [Int], _ initially: InitialValues = .fanIn
    ) throws -> [Float] {
      try ParameterTree.random(seed: seed).root.tensor(name, shape, initially: initially).elements
    }
    let weights = try values(1, "q.weight", [64, 64])
    #expect(try values(1, "q.weight", [64, 64]) == weights)
    #expect(try values(2, "q.weight", [64, 64]) != weights)
    #expect(try values(1, "k.weight", [64, 64]) != weights)
    // Computed apart from this code; every platform must give these bits.
    #expect(Array(weights.prefix(4)) == Self.pinned)

    let deviation = Float(1) / 8
    #expect(weights.allSatisfy { abs($0) <= 2 * deviation })
    let variance = weights.reduce(0) { $0 + $1 * $1 } / Float(weights.count)
    // A normal cut off at two deviations has the variance 0.774.
    #expect(abs(variance / (deviation * deviation) - 0.774) < 0.05)
    #expect(abs(weights.reduce(0, +)) / Float(weights.count) < 0.01)

    #expect(try values(1, "norm.weight", [3], .ones) == [1, 1, 1])
    #expect(try values(1, "q.bias", [2], .zeros) == [0, 0])
    let table = try values(1, "pos_embed1", [1, 50, 8], .normal(deviation: 0.02))
    #expect(table.allSatisfy { abs($0) <= 0.04 } && table.contains { abs($0) > 0.01 })
  }

  private static let pinned: [Float] = [0.08269042, -0.1457124, -0.028121948, 0.024912626]

  @Test func randomTreesCanBeWrittenAndReadBack() throws {
    let tree = ParameterTree.random(seed: 3)
    let shapes: [(String, [Int])] = [
      ("a.weight", [4, 3]), ("a.bias", [4]), ("n.running_var", [2]),
    ]
    let made = try shapes.map { try tree.root.tensor($0.0, $0.1).elements }
    #expect(tree.parameterCount == 16)
    try withTemporaryFile { path in
      try tree.write(to: path, metadata: [("seed", "3")])
      let read = ParameterTree(source: try Checkpoint.open(path: path))
      for ((name, shape), elements) in zip(shapes, made) {
        #expect(try read.root.tensor(name, shape).elements == elements)
      }
      try read.finish(ignoring: [])
    }
  }

  /// A thousand tensors of 4 MB that live at once are one: all zeros of a size lie in one place.
  @Test func countingNeedsNoMemory() throws {
    let tree = ParameterTree.shapesOnly()
    let tensors = try (0..<1000).map { index in
      try tree.root.scope(index).tensor("w", index % 2 == 0 ? [1000, 1000] : [10, 100_000])
    }
    #expect(tree.parameterCount == 1_000_000_000)
    #expect(Set(tensors.map(\.pointer)).count == 1)
    #expect(tensors[0].shape == [1000, 1000] && tensors[1].shape == [10, 100_000])
    #expect(tensors[0].elements.allSatisfy { $0 == 0 })
    let other = try tree.root.tensor("other", [7])
    #expect(other.pointer != tensors[0].pointer && other.elements == Array(repeating: 0, count: 7))
    #expect(tree.root.contains("anything") && tree.root.shape(of: "anything") == nil)
    try tree.finish(ignoring: [])
  }

  @Test func namesAreComparedByBytes() throws {
    let tree = ParameterTree(source: FakeSource([("caf\u{E9}", [1]), ("b", [1])]))
    #expect(tree.root.contains("caf\u{E9}"))
    #expect(!tree.root.contains("cafe\u{301}"))
  }
}
