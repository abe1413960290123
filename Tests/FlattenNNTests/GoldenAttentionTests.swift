import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// Every attention case of the PVT families against our layers, and the steps in between.
@Suite struct GoldenAttentionTests {
  static let cases = Fixtures.cases(
    kinds: ["fla_pvt", "fla_pvt_v2", "sra_pvt", "sra_pvt_v2"])

  @Test func theSetIsNotEmpty() {
    #expect(!Self.cases.isEmpty, "no attention cases in \(Fixtures.folder.path)")
  }

  @Test(arguments: cases) func attentionAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let grid = Grid(try #require(p["H"].int), try #require(p["W"].int))
    let channels = try #require(p["dim"].int)
    let heads = try #require(p["num_heads"].int)
    let ratio = try #require(p["sr_ratio"].int)
    let reduction: KeyReduction =
      p["linear"].bool == true ? .pooled(size: 7) : ratio > 1 ? .strided(ratio: ratio) : .none
    let qkvBias = p["qkv_bias"].bool ?? true
    let tree = try golden.weights()
    let kernel = p["kernel_size"].int

    let attention: any TokenAttention
    if fixture.kind.hasPrefix("fla") {
      attention = try FocusedLinearAttention(
        FocusedLinearAttention.Configuration(
          channels: channels, heads: heads, reduction: reduction, nativeGrid: grid,
          focusingFactor: try #require(p["focusing_factor"].int), kernel: try #require(kernel),
          qkvBias: qkvBias, normEpsilon: 1e-5),
        from: tree.root)
    } else {
      attention = try SpatialReductionAttention(
        channels: channels, heads: heads, reduction: reduction, qkvBias: qkvBias,
        normEpsilon: 1e-5, from: tree.root)
    }
    try tree.finish(ignoring: [])

    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    let tap = OutputTap(pass)
    let x = try golden.input()
    let y = attention(x, grid: grid, residual: nil, pass)

    let names = [
      "q": "q", "kv": "kv", "kv_source": "norm",
      "proj_in": fixture.kind.hasPrefix("fla") ? "dwc" : ".attention",
    ]
    for (expected, layer) in names.sorted(by: { $0.key < $1.key })
    where golden.expected[expected] != nil {
      // Without a reduction keys and values come from x itself; PVTv2's pooled keys pass a GELU.
      let source = layer == "norm" ? tap.outputs[".act"] ?? tap.outputs[layer] ?? x : nil
      let output = try #require(source ?? tap.outputs[layer], "no output of '\(layer)'")
      let shape = golden.expected[expected]?.shape ?? []
      #expect(golden.mismatch(expected, output.reshaped(shape)) == nil)
    }
    if golden.expected["dwc_in"] != nil, let kernel {
      let dwc = try DepthwiseConv2D(
        channels / heads, kernel: kernel, from: golden.weights().root.scope("dwc"))
      let input = try #require(golden.expected["dwc_in"])
      let map = Tensor(input.shape, input.floats).channelsLast()
      #expect(golden.mismatch(map: "dwc_out", dwc(map, pass)) == nil)
    }
    #expect(golden.mismatch("y", y, alternative: "y_float64") == nil)
  }
}
