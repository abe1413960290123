import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct DynamicSparseAttentionTests {
  @Test func noKindIsMissing() {
    #expect(Fixtures.lackingLiterature(kinds: ["dynast_functions", "dynast_2d"]).isEmpty)
  }

  @Test(arguments: Fixtures.literatureCases(kinds: ["dynast_2d"]))
  func agrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let c = DynamicSparseAttention.Configuration(
      channels: golden.channels, gateChannels: try #require(p["prune_dim"].int),
      top: try #require(p["top_k"].int), temperature: Float(try #require(p["temperature"].number)),
      coarseSide: try #require(p["coarse_side"].int))
    let (grid, channels) = (golden.grid, golden.channels)
    func compute(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
      try DynamicSparseAttention(c, from: tree.root)(
        golden.input(), grid: grid, residual: nil, pass)
    }
    #expect(try golden.problems(compute) == [])
    #expect(try golden.lossInBFloat16(compute) < 0.03)

    let x = try golden.input()
    let (_, values, kept) = try DynamicSparseAttention(c, from: golden.weights().root)
      .mixed(x, grid: grid, ForwardPass(threadCount: 2))
    if golden.expected["confidence"] != nil {
      // Of the map with its padding, of which the case has the map alone.
      let step = kept[0].step
      let width = (grid.width + step - 1) / step * step
      let rows = (grid.height + step - 1) / step * step
      let all = values.elements
      let confidence = (0..<x.shape[0]).flatMap { item in
        (0..<grid.count).map { token in
          let cell = (item * rows + token / grid.width) * width + token % grid.width
          return all[(cell + 1) * (channels + 1) - 1]
        }
      }
      let got = Tensor(Shape(x.shape[0], grid.count), confidence)
      #expect(golden.mismatch("confidence", got) == nil)
    }
    for (level, map) in kept.enumerated() {
      let name = level == 0 ? "index_coarse" : "index_\(map.step)"
      if let expected = golden.expected[name] {
        #expect(Self.sorted(map.keys) == expected.integers, "\(name)")
      }
    }
  }

  /// The three functions by themselves, each from the expected keys of the one before.
  @Test(arguments: Fixtures.literatureCases(kinds: ["dynast_functions"]))
  func functionsAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let top = try #require(p["top_k"].int)
    let temperature = Float(try #require(p["temperature"].number))
    let coarse = (height: try #require(p["H0"].int), width: try #require(p["W0"].int))
    let fine = (height: 2 * coarse.height, width: 2 * coarse.width)
    func maps(_ level: Int) throws -> DynamicSparseMaps {
      func tokens(_ name: String) throws -> Tensor { try golden.map("\(name)\(level)").asTokens }
      return DynamicSparseMaps(
        query: try tokens("q"), key: try tokens("k"), queryGate: try tokens("qp"),
        keyGate: try tokens("kp"), value: try tokens("v"))
    }
    for threads in 1...3 {
      let pass = ForwardPass(threadCount: threads)
      func check(
        _ name: String, _ result: DynamicSparseResult, _ grid: (height: Int, width: Int)
      ) throws -> KeptKeys {
        let values = try #require(result.values)
        let (batch, channels) = (values.shape[0], values.shape[2] - 1)
        let all = values.elements
        func picked(_ range: Range<Int>) -> Tensor {
          Tensor(
            Shape(batch, grid.height, grid.width, range.count),
            (0..<values.shape[0] * values.shape[1]).flatMap { row in
              range.map { all[row * (channels + 1) + $0] }
            }
          ).channelsFirst()
        }
        #expect(golden.mismatch(name, picked(0..<channels)) == nil)
        #expect(
          golden.mismatch("\(name)_confidence", picked(channels..<channels + 1)) == nil)
        let expected = try #require(golden.expected["\(name)_index"])
        #expect(Self.sorted(result.keys) == expected.integers, "\(name)")
        return KeptKeys(expected.integers, shape: expected.shape)
      }
      let dense = try check(
        "dense", pass.denseAttention(try maps(0), top: top, wantsValues: true, layer: ""), coarse)
      let across = try check(
        "across",
        pass.acrossAttention(
          try maps(1), kept: dense, grid: fine, top: top, temperature: temperature,
          wantsValues: true, layer: ""), fine)
      _ = try check(
        "within",
        pass.withinAttention(
          try maps(1), kept: across, grid: fine, top: top, temperature: temperature,
          wantsValues: true, layer: ""), fine)
    }
  }

  /// Each query's keys in ascending order, as the cases have them.
  private static func sorted(_ keys: KeptKeys) -> [Int] {
    let all = keys.indices
    return stride(from: 0, to: all.count, by: keys.count).flatMap {
      all[$0..<$0 + keys.count].sorted()
    }
  }
}
