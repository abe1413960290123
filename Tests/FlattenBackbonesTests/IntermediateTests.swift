import FlattenBackbones
import FlattenImage
import FlattenTensor
import TestSupport
import Testing

/// What models hand out on the way.
@Suite struct IntermediateTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func untrained(
    _ family: String, precision: Precision = .float32
  ) throws -> Backbone {
    try Backbone.untrained(
      config: SmallConfigs.file(family, in: folder), threads: 2, precision: precision)
  }

  private static let input = Tensor(
    [2, 70, 101, 3], (0..<2 * 70 * 101 * 3).map { Float($0 * 7919 % 1009) / 500 - 1 })

  @Test func namesCountFromZero() {
    #expect(
      IntermediateNames.all(blocks: [1, 2]) == [
        "stages.0.patch_embed", "stages.0.blocks.0.norm1", "stages.0.blocks.0.attn",
        "stages.0.blocks.0.norm2", "stages.0.blocks.0.mlp", "stages.0.blocks.0", "stages.0",
        "stages.1.patch_embed", "stages.1.blocks.0.norm1", "stages.1.blocks.0.attn",
        "stages.1.blocks.0.norm2", "stages.1.blocks.0.mlp", "stages.1.blocks.0",
        "stages.1.blocks.1.norm1", "stages.1.blocks.1.attn", "stages.1.blocks.1.norm2",
        "stages.1.blocks.1.mlp", "stages.1.blocks.1", "stages.1",
      ])
  }

  /// Each name is handed out once, in the order of the list, on its stage's grid; the stages' are the
  /// maps; and looking changes no bit, in either precision.
  @Test(arguments: SmallConfigs.names, Precision.allCases)
  func allNamesAreHandedOut(family: String, precision: Precision) throws {
    let backbone = try untrained(family, precision: precision)
    let names = backbone.intermediateNames
    let plain = try backbone(Self.input)
    var got: [Intermediate] = []
    let maps = try backbone(Self.input, handingOut: names.shuffled()) { got.append($0) }
    #expect(got.map(\.name) == names)
    #expect(maps.map(\.tensor.elements) == plain.map(\.tensor.elements))

    for intermediate in got {
      let stage = try #require(intermediate.name.split(separator: ".").dropFirst().first)
      let index = try #require(Int(stage))
      let map = maps[index]
      #expect(intermediate.map.tensor.shape == map.tensor.shape)
      #expect(intermediate.map.stride == map.stride)
      let isInBlock = intermediate.name.contains("blocks")
      #expect(
        intermediate.classToken?.shape
          == (family.hasSuffix("deit") && isInBlock ? [2, map.channels] : nil))
      if intermediate.name == "stages.\(stage)" {
        #expect(intermediate.map.tensor.elements == map.tensor.elements)
      }
    }
  }

  /// `blocks.1 = (blocks.0 + attn) + mlp`, to the bit; and one name alone gives what it gives among all. Blocks with
  /// positions by convolution add those as well.
  @Test(arguments: SmallConfigs.names.filter { !["ravlt", "mlla"].contains($0) })
  func branchesAreWhatBlocksAdd(family: String) throws {
    let backbone = try untrained(family)
    // The first stage that has two blocks with attention.
    let stage = family.hasSuffix("deit") ? 0 : family.hasPrefix("efficientvit") ? 3 : 1
    let block = "stages.\(stage).blocks."
    let names = [block + "0", block + "1.attn", block + "1.mlp", block + "1"]
    var got: [[Float]] = []
    _ = try backbone(Self.input, handingOut: names) { got.append($0.map.tensor.elements) }
    try #require(got.count == 4)
    let (before, attention, mlp, after) = (got[0], got[1], got[2], got[3])
    #expect(before.indices.allSatisfy { before[$0] + attention[$0] + mlp[$0] == after[$0] })
    #expect(attention.contains { abs($0) > 1e-5 } && mlp.contains { abs($0) > 1e-5 })
    for (name, expected) in zip(names, got) {
      var alone: [Float] = []
      _ = try backbone(Self.input, handingOut: [name]) { alone = $0.map.tensor.elements }
      #expect(alone == expected)
    }
  }

  /// DeiT's class token and patches are the parts of one sequence.
  @Test func classTokensAreSetApart() throws {
    let backbone = try untrained("deit")
    var norms: [Intermediate] = []
    _ = try backbone(Self.input, handingOut: ["stages.0.blocks.1.norm1"]) { norms.append($0) }
    let norm = try #require(norms.first)
    let token = try #require(norm.classToken?.elements)
    // Normed by itself each token has mean 0 and variance 1.
    for values in [Array(token.prefix(24)), Array(token.suffix(24)), norm.map[1, 2, 3]] {
      let mean = values.reduce(0, +) / 24
      #expect(abs(mean) < 1e-4 && abs(values.reduce(0) { $0 + $1 * $1 } / 24 - 1) < 1e-2)
    }
    #expect(Array(token.prefix(24)) == Array(token.suffix(24)) || token.count == 48)
  }

  @Test func unknownNamesAreRefused() throws {
    let backbone = try untrained("swin")
    let error = #expect(throws: BackboneError.self) {
      try backbone(Self.input, handingOut: ["stages.0", "stages.1.blocks.1.atn"])
    }
    guard case .unknownIntermediate("stages.1.blocks.1.atn", let known) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(known == backbone.intermediateNames)
    #expect(error?.description.contains("Did you mean 'stages.1.blocks.1.attn'?") == true)
  }

  private struct Stop: Error, Equatable {}

  /// A hook's error ends the call, and the next call is as good as the first.
  @Test func errorsOfHooksPass() throws {
    let backbone = try untrained("flatten_pvt")
    var calls = 0
    #expect(throws: Stop()) {
      try backbone(Self.input, handingOut: ["stages.0", "stages.1"]) { _ in
        calls += 1
        throw Stop()
      }
    }
    #expect(calls == 1)
    #expect(try backbone(Self.input).count == 4)
  }
}
