import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// Blocks of the Swin and CSwin families of the golden set.
@Suite struct GoldenWindowBlockTests {
  static let kinds: Set = ["block_swin", "block_cswin", "patch_merging", "merge_block"]
  static let cases = Fixtures.cases(kinds: kinds)

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(Self.kinds).isEmpty) }

  @Test(arguments: cases) func blockAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let tree = try golden.weights()
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    let x = try golden.input()
    let y: Tensor
    var memory = StageMemory()
    switch fixture.kind {
    case "block_swin":
      let grid = Grid(
        try #require(p["input_resolution"][0].int), try #require(p["input_resolution"][1].int))
      y = try swinBlock(p, grid, from: tree.root)(x, grid: grid, memory: &memory, pass)
    case "block_cswin":
      let side = try #require(p["resolution"].int)
      let c = try configuration(p, side: side)
      let block = try TransformerBlock(
        cswin: c, at: c.site(stage: 0, block: 0), from: tree.root)
      y = block(x, grid: Grid(side, side), memory: &memory, pass)
    case "patch_merging":
      let grid = Grid(
        try #require(p["input_resolution"][0].int), try #require(p["input_resolution"][1].int))
      let merging = try PatchMerging(try #require(p["dim"].int), normEpsilon: 1e-5, from: tree.root)
      y = merging(x.asMap(grid), pass).asTokens
    default:
      let merging = try MergeBlock(
        in: try #require(p["dim"].int), out: try #require(p["dim_out"].int), normEpsilon: 1e-5,
        from: tree.root)
      y = merging(x.asMap(try #require(Grid(squareOf: x.shape[1]))), pass).asTokens
    }
    try tree.finish(ignoring: [
      IgnoredKeys(pattern: "*attn_mask", reason: "follows from the map's size"),
      IgnoredKeys(pattern: "*relative_position_index", reason: "follows from the window's size"),
    ])

    for (expected, layer) in [
      ("after_norm1", "norm1"), ("attn_out", "attn.proj"),
    ] where golden.expected[expected] != nil {
      let output = try #require(tap.outputs[layer])
      let shape = golden.expected[expected]?.shape ?? []
      #expect(golden.mismatch(expected, output.reshaped(shape)) == nil)
    }
    #expect(golden.mismatch("y", y) == nil)
  }

  private func swinBlock(
    _ p: JSONValue, _ grid: Grid, from tree: ParameterScope
  ) throws -> TransformerBlock {
    let window = try #require(p["window_size"].int)
    let (dim, heads) = (try #require(p["dim"].int), try #require(p["num_heads"].int))
    let hidden = dim * (try #require(p["mlp_ratio"].int))
    let isLinear = p["attn_type"].text == "L"
    let isWhole = isLinear && min(grid.height, grid.width) <= window
    let span: WindowedAttention.Span =
      isWhole
      ? .wholeMap(native: grid)
      : .windows(side: window, shift: try #require(p["shift_size"].int), smallMaps: .cut)
    let mixing = FocusedMixing.Configuration(
      channels: dim, heads: heads, nativeGrid: isWhole ? grid : Grid(window, window),
      focusingFactor: try #require(p["focusing_factor"].int),
      kernel: try #require(p["kernel_size"].int))
    return try TransformerBlock(
      dim, normEpsilon: 1e-5, name: "block", from: tree,
      attention: {
        try WindowedAttention(span, from: $0.scope("attn")) { scope -> any WindowMixer in
          isLinear
            ? try FocusedWindowAttention(mixing, qkvBias: true, from: scope)
            : try WindowAttention(
              channels: dim, heads: heads, window: window, qkvBias: true, from: scope)
        }
      },
      mlp: { try MLP(dim, hidden: hidden, from: $0.scope("mlp")) })
  }

  /// A model whose first stage is the block's: the last stage where the case says so.
  private func configuration(_ p: JSONValue, side: Int) throws -> CSwinConfiguration {
    let stages = p["last_stage"] == .bool(true) ? 1 : 2
    func all<Value>(_ value: Value) -> [Value] { Array(repeating: value, count: stages) }
    var c = CSwinConfiguration(
      embedDim: try #require(p["dim"].int), depths: all(1),
      heads: all(try #require(p["num_heads"].int)),
      splitSizes: all(try #require(p["split_size"].int)),
      attention: all(p["attn_type"].text == "L" ? .focused : .softmax))
    c.common.imageSize = 4 * side
    c.common.mlpRatio = try #require(p["mlp_ratio"].number)
    c.common.focusingFactor = try #require(p["focusing_factor"].int)
    c.common.kernel = try #require(p["kernel_size"].int)
    return c
  }
}
