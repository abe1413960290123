import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// The attentions of the Swin and CSwin families of the golden set.
@Suite struct GoldenWindowAttentionTests {
  static let kinds: Set = ["fla_swin", "fla_cswin", "window_attention", "lepe_attention"]
  static let cases = Fixtures.cases(kinds: kinds)

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(Self.kinds).isEmpty) }

  @Test(arguments: cases) func attentionAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    let y = try golden.attention(pass)
    if let qkv = golden.expected["qkv"] {
      let q = try #require(tap.outputs["qkv.q"])
      let kv = try #require(tap.outputs["qkv.kv"])
      #expect(golden.mismatch("qkv", q.beside(kv).reshaped(qkv.shape)) == nil)
    }
    if golden.expected["proj_in"] != nil {
      let restored = try #require(tap.outputs["dwc"])
      let shape = golden.expected["proj_in"]?.shape ?? []
      #expect(golden.mismatch("proj_in", restored.reshaped(shape)) == nil)
    }
    #expect(golden.mismatch("y", y) == nil)
  }
}
