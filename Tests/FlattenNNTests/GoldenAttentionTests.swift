import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// Every attention case of the PVT families against our layers, and the steps in between.
@Suite struct GoldenAttentionTests {
  static let kinds: Set = ["fla_pvt", "fla_pvt_v2", "sra_pvt", "sra_pvt_v2"]
  static let cases = Fixtures.cases(kinds: kinds)

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(Self.kinds).isEmpty) }

  @Test(arguments: cases) func attentionAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    let x = try golden.input()
    let y = try golden.attention(pass)

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
    if let input = golden.expected["dwc_in"], let kernel = golden.parameters["kernel_size"].int {
      let dwc = try DepthwiseConv2D(
        input.shape[1], kernel: kernel, from: golden.weights().root.scope("dwc"))
      let map = Tensor(input.shape, input.floats).channelsLast()
      #expect(golden.mismatch(map: "dwc_out", dwc(map, pass)) == nil)
    }
    #expect(golden.mismatch("y", y, alternative: "y_float64") == nil)
  }
}
