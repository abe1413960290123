import FlattenBackbones
import FlattenConfig
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// Blocks and whole backbones of all families, stage by stage.
@Suite struct GoldenBackboneTests {
  static let cases =
    Fixtures.cases(kinds: ["backbone"]) + Fixtures.familyCases(kind: "backbone")

  static let blockKinds: Set = [
    "block_pvt", "block_pvt_plain", "block_pvt_v2", "block_pvt_v2_plain",
  ]
  static let blocks = Fixtures.cases(kinds: blockKinds)

  @Test func noKindIsMissing() {
    #expect(Fixtures.lacking(Self.blockKinds.union(["backbone"])).isEmpty)
  }

  @Test(arguments: cases) func backboneAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let type = try #require(golden.parameters["type"].text)
    let family = try #require(Golden.families[type])
    let text = golden.parameters.replacing(["type": .string(family)]).configText
    let configuration = try BackboneConfiguration(ConfigNode.parse(text, name: fixture.id))
    let tree = try golden.weights { configuration.translating($0, below: "") }
    let backbone = try configuration.make(for: .densePrediction, from: tree.root)
    try tree.finish(ignoring: configuration.ignoredKeys)

    let x = try golden.map()
    let maps = backbone(x, ForwardPass(threads: ThreadPool(threads: 2)))
    #expect(maps.count == golden.expected.keys.count { $0.hasPrefix("stage") })
    for (index, map) in maps.enumerated() {
      #expect(map.shape[3] == backbone.featureInfo[index].channels)
      #expect(golden.mismatch(map: "stage\(index + 1)", map) == nil)
    }
    // The tables resized for this size are kept: a second call must give the same bits.
    let again = backbone(x, ForwardPass(threads: ThreadPool(threads: 3)))
    #expect(zip(maps, again).allSatisfy { $0.elements == $1.elements })
  }

  @Test(arguments: blocks) func blockAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let isV2 = fixture.kind.hasPrefix("block_pvt_v2")
    let grid = Grid(try #require(p["H"].int), try #require(p["W"].int))
    var c = PyramidConfiguration(
      embedDims: [try #require(p["dim"].int)], heads: [try #require(p["num_heads"].int)],
      mlpRatios: [try #require(p["mlp_ratio"].int)], depths: [1])
    c.attention = [p["attn_type"].text == "L" ? .focused : .softmax]
    c.reductionRatios = [try #require(p["sr_ratio"].int)]
    c.linearReductionRatios = c.reductionRatios
    c.common.focusingFactor = p["focusing_factor"].int ?? 3
    c.common.kernel = p["kernel_size"].int ?? 5
    c.hasPooledKeys = p["linear"] == .bool(true)
    let site = c.site(stage: 0, block: 0, nativeGrid: grid)
    var memory = StageMemory()

    let tree = try golden.weights()
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    let x = try golden.input()
    let y: Tensor
    if isV2 {
      y = try TransformerBlock(pvtV2: c, at: site, from: tree.root)(
        x, grid: grid, memory: &memory, pass)
    } else {
      y = try TransformerBlock(pvt: c, at: site, from: tree.root)(
        x, grid: grid, memory: &memory, pass)
    }
    try tree.finish(ignoring: [])
    let first = try #require(tap.outputs["norm1"])
    #expect(golden.mismatch("after_norm1", first) == nil)
    #expect(golden.mismatch("y", y) == nil)
  }
}
