import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenBackbones

/// Blocks and whole backbones of all families, stage by stage.
@Suite struct GoldenBackboneTests {
  /// Those of the families with focused linear attention, and of their parents.
  static let ownCases =
    Fixtures.cases(kinds: ["backbone"]) + Fixtures.familyCases(kind: "backbone")
  static let cases = ownCases + Golden.literatureNetworks(kind: "backbone")

  private static let counters = [
    IgnoredKeys(pattern: "*.num_batches_tracked", reason: "a training counter")
  ]

  static let blockKinds: Set = [
    "block_pvt", "block_pvt_plain", "block_pvt_v2", "block_pvt_v2_plain",
  ]
  static let blocks = Fixtures.cases(kinds: blockKinds)

  @Test func noKindIsMissing() {
    #expect(Fixtures.lacking(Self.blockKinds.union(["backbone"])).isEmpty)
    #expect(Fixtures.lackingLiterature(kinds: Self.literatureKinds.union(["backbone"])).isEmpty)
  }

  @Test(arguments: cases) func backboneAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let text = Golden.backboneSection(golden.parameters).configText
    let configuration = try BackboneConfiguration(ConfigNode.parse(text, name: fixture.id))
    let tree = try golden.weights { configuration.translating($0, below: "") }
    let backbone = try configuration.make(for: .densePrediction, from: tree.root)
    try tree.finish(ignoring: configuration.ignoredKeys + Self.counters)

    let x = try golden.map()
    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    var stem: Tensor?
    pass.observer = { observation in
      if case .intermediate("stages.0.patch_embed", let map, _) = observation { stem = map }
    }
    let maps = backbone(x, pass)
    #expect(maps.count == golden.expected.keys.count { $0.hasPrefix("stage") })
    if golden.expected["stem"] != nil {
      #expect(golden.mismatch(map: "stem", try #require(stem)) == nil)
    }
    for (index, map) in maps.enumerated() {
      #expect(map.shape[3] == backbone.featureInfo[index].channels)
      #expect(golden.mismatch(map: "stage\(index + 1)", map) == nil)
    }
    // The tables resized for this size are kept: a second call must give the same bits.
    for threads in [3, 1] {
      let again = backbone(x, ForwardPass(threads: ThreadPool(threads: threads)))
      #expect(zip(maps, again).allSatisfy { $0.elements == $1.elements })
    }
  }

  /// A file does not tell RALA from softmax: with the wrong attention in any stages it loads as well as with the right
  /// one, and the maps from there on are others.
  @Test(
    arguments: Golden.literatureNetworks(kind: "backbone").filter {
      (try? $0.json()["params"]["type"].text) == "RAVLT"
    }, [[0, 1, 2, 3], [2, 3], [3]])
  func theWrongAttentionLoads(with fixture: FixtureCase, stages: [Int]) throws {
    let golden = try Golden(fixture)
    func maps(swapping stages: [Int]) throws -> [Tensor] {
      let flags = golden.parameters["flags"].list.enumerated().map { stage, flag in
        stages.contains(stage) ? JSONValue.string(flag.text == "l" ? "v" : "l") : flag
      }
      let section = Golden.backboneSection(golden.parameters.replacing(["flags": .array(flags)]))
      let c = try BackboneConfiguration(ConfigNode.parse(section.configText, name: fixture.id))
      let tree = try golden.weights { c.translating($0, below: "") }
      let backbone = try c.make(for: .densePrediction, from: tree.root)
      try tree.finish(ignoring: c.ignoredKeys + Self.counters)
      return backbone(try golden.map(), ForwardPass(threads: ThreadPool(threads: 2)))
    }
    let (right, wrong) = (try maps(swapping: []), try maps(swapping: stages))
    for (stage, (a, b)) in zip(right, wrong).enumerated() {
      let largest = a.elements.map(abs).max() ?? 0
      let difference = zip(a.elements, b.elements).map { abs($0 - $1) }.max() ?? 0
      #expect(b.isFinite)
      if stage < stages[0] {
        #expect(difference == 0, "stage \(stage + 1)")
      } else if a.grid.count > 1 {
        // Of a single token both are the value itself; of few they may differ little, but far more than by rounding.
        #expect(difference > 1e-3 * largest, "stage \(stage + 1)")
      }
    }
  }

  static let literatureKinds: Set = ["block_ravlt", "block_mlla", "block_vvt", "block_inline"]

  /// Blocks of the literature's networks, for inference and part by part.
  @Test(arguments: Fixtures.literatureCases(kinds: literatureKinds))
  func literatureBlockAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let grid = Grid(try #require(p["H"].int), try #require(p["W"].int))
    let (channels, heads) = (try #require(p["dim"].int), try #require(p["num_heads"].int))
    let tree = try golden.weights()
    let block: TransformerBlock
    var ignored: [IgnoredKeys] = []
    switch fixture.kind {
    case "block_ravlt":
      var c = RAVLTConfiguration(embedDims: [channels], heads: [heads], depths: [1])
      c.mlpRatios = [try #require(p["mlp_ratio"].number)]
      c.hasLayerScale = [p["layerscale"] == .bool(true)]
      c.isSoftmax = [p["flag"].text == "v"]
      block = try TransformerBlock(ravlt: c, stage: 0, block: 0, from: tree.root)
    case "block_mlla":
      var c = MLLAConfiguration(embedDim: channels, depths: [1], heads: [heads])
      c.common.mlpRatio = try #require(p["mlp_ratio"].number)
      block = try TransformerBlock(mlla: c, stage: 0, block: 0, from: tree.root)
      ignored = [IgnoredKeys(pattern: "attn.rope.rotations", reason: "computed")]
    default:
      var c = PyramidConfiguration(
        embedDims: [channels], heads: [heads], mlpRatios: [try #require(p["mlp_ratio"].int)],
        depths: [1])
      let isInline = fixture.kind == "block_inline"
      let options = "{type: vicinity, reduction: \(p["fr_ratio"].int ?? 0)}"
      c.attention = [
        isInline
          ? AttentionChoice("inline")
          : AttentionChoice(
            "vicinity", options: AttentionOptions(try ConfigNode.parse(options, name: fixture.id)))
      ]
      let site = c.site(stage: 0, block: 0, nativeGrid: grid)
      block =
        try isInline
        ? TransformerBlock(pvt: c, at: site, from: tree.root)
        : TransformerBlock(pvtV2: c, at: site, from: tree.root)
    }
    try tree.finish(ignoring: ignored)
    let isMap = golden.inputs["x"]?.shape.count == 4
    let x = isMap ? try golden.map().asTokens : try golden.input()
    var first: [Float] = []
    for (threads, purpose) in [(2, Purpose.inference), (1, .inference), (3, .inspection)] {
      var memory = StageMemory()
      let pass = ForwardPass(threads: ThreadPool(threads: threads), purpose: purpose)
      let y = block(x, grid: grid, memory: &memory, pass)
      let problem =
        isMap ? golden.mismatch(map: "y", y.asMap(grid)) : golden.mismatch("y", y)
      #expect(problem == nil, "\(threads) threads")
      if first.isEmpty { first = y.elements }
      #expect(y.elements == first, "\(threads) threads")
    }
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
