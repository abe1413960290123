import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// Embeddings and MLPs of the golden set; whole blocks are tested with their backbones.
@Suite struct GoldenBlockTests {
  static let kinds: Set = ["mlp", "mlp_v2", "patch_embed", "overlap_patch_embed"]
  static let cases = Fixtures.cases(kinds: kinds)

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(Self.kinds).isEmpty) }

  @Test(arguments: cases) func layerAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let tree = try golden.weights()
    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    let y: Tensor
    switch fixture.kind {
    case "mlp":
      let mlp = try MLP(
        try #require(p["dim"].int), hidden: try #require(p["hidden"].int), from: tree.root)
      let x = try golden.input()
      y = mlp(x, grid: Grid(x.shape[1], 1), residual: nil, pass)
    case "mlp_v2":
      let mlp = try ConvolutionalMLP(
        try #require(p["dim"].int), hidden: try #require(p["hidden"].int),
        hasLinearAttention: p["linear"] == .bool(true), from: tree.root)
      let grid = Grid(try #require(p["H"].int), try #require(p["W"].int))
      y = mlp(try golden.input(), grid: grid, residual: nil, pass)
    default:
      let size = try #require(p["patch_size"].int)
      let geometry =
        fixture.kind == "patch_embed"
        ? ConvolutionGeometry(kernel: size, stride: size)
        : ConvolutionGeometry(
          kernel: size, stride: try #require(p["stride"].int), padding: size / 2)
      let embedding = try PatchEmbedding(
        in: try #require(p["in_chans"].int), out: try #require(p["embed_dim"].int), geometry,
        normEpsilon: 1e-5, from: tree.root)
      y = embedding(try golden.map(), pass).asTokens
    }
    try tree.finish(ignoring: [])
    #expect(golden.mismatch("y", y) == nil)
  }
}
