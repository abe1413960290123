import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct AttentionSubstituteTests {
  static let kinds: Set = ["skipat_phi", "skipat_phi_map"]

  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingLiterature(kinds: Self.kinds.union(["skipat_stage"])).isEmpty)
  }

  @Test(arguments: Fixtures.literatureCases(kinds: kinds))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let problems = try golden.problems { tree, pass in
      let substitute = try AttentionSubstitute(channels: golden.channels, from: tree.root)
      return substitute(try golden.input(), grid: golden.grid, residual: nil, pass)
    }
    #expect(problems == [])
  }

  /// A token beside the grid's is passed on, and changes nothing of the others.
  @Test func classTokensArePassedOn() throws {
    let substitute = try AttentionSubstitute(channels: 8, from: ParameterScope.random(seed: 1))
    let values = (0..<56).map { (index: Int) -> Float in Float(index * 37 % 23) / 8 - 1 }
    let pass = ForwardPass(threadCount: 2)
    let grid = Grid(2, 3)
    let all = substitute(Tensor([1, 7, 8], values), grid: grid, residual: nil, pass)
    let rest = substitute(
      Tensor([1, 6, 8], Array(values[8...])), grid: grid, residual: nil, pass)
    #expect(all.elements == Array(values[..<8]) + rest.elements)
  }

  /// Blocks of PVT of which some skip: also what they hand out, and the same bits in one pass and in steps.
  @Test(arguments: Fixtures.literatureCases(kinds: ["skipat_stage"]))
  func stagesAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let (channels, heads, grid) = (golden.channels, golden.heads, golden.grid)
    let (depth, ratio) = (try #require(p["depth"].int), try #require(p["mlp_ratio"].int))
    let skipped = p["skip"].ints
    func stage(_ tree: ParameterScope) throws -> TransformerStage {
      try TransformerStage(depth, from: tree.scope("block")) { index, scope in
        try TransformerBlock(
          channels, normEpsilon: 1e-6, name: "\(index)", from: scope,
          substitute: skipped.firstIndex(of: index).map {
            try AttentionSubstitute(channels: channels, from: tree.scope("param_\($0 + 1)"))
          },
          leavesAttention: skipped.contains(index + 1),
          attention: {
            try SpatialReductionAttention(
              channels: channels, heads: heads, reduction: .none, qkvBias: true, normEpsilon: 1e-5,
              from: $0.scope("attn"))
          },
          mlp: { try MLP(channels, hidden: ratio * channels, from: $0.scope("mlp")) })
      }
    }
    let x = try golden.input()
    var result: [Float] = []
    let problems = try golden.problems { tree, pass in
      let y = try stage(tree.root)(x, grid: grid, pass)
      result = y.elements
      return y
    }
    #expect(problems == [])

    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    var got: [String: Tensor] = [:]
    pass.observer = { observation in
      if case .intermediate(let name, let tensor, _) = observation { got[name] = tensor }
    }
    let stepped = try stage(golden.weights().root)(x, grid: grid, pass)
    #expect(stepped.elements == result)
    for index in 0..<depth {
      for (name, key) in [("attn\(index)", "\(index).attn"), ("block\(index)", "\(index)")]
      where golden.expected[name] != nil {
        let tensor = try #require(got[key], "no '\(key)'")
        #expect(golden.mismatch(name, tensor) == nil)
      }
    }
  }
}
