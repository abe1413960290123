import FlattenCheckpoint
import FlattenInspection
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// EfficientViT's attention against its authors' class.
@Suite struct LiteMLATests {
  static let cases = Fixtures.literatureCases(kinds: ["lite_mla"])

  @Test func theKindIsThere() { #expect(Fixtures.lackingLiterature(kinds: ["lite_mla"]).isEmpty) }

  private func module(
    _ golden: Golden, _ context: LoadingContext = .plain
  ) throws -> LiteMLA {
    let p = golden.parameters
    let tree = ParameterTree(source: try golden.source(), context: context)
    let module = try LiteMLA(
      channels: try #require(p["dim"].int), width: try #require(p["dim_head"].int),
      normEpsilon: Float(try #require(p["norm_eps"].number)), from: tree.root)
    try tree.finish(ignoring: [
      IgnoredKeys(pattern: "*.num_batches_tracked", reason: "a training counter")
    ])
    return module
  }

  @Test(arguments: cases) func attentionAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let module = try module(golden)
    let x = try golden.map()
    var bits: [[UInt32]] = []
    for threads in 1...3 {
      let y = module(x, ForwardPass(threads: ThreadPool(threads: threads)))
      bits.append(y.elements.map(\.bitPattern))
      if golden.expected["y"] != nil { #expect(golden.mismatch(map: "y", y) == nil) }
      if golden.expected["y_sample"] != nil {
        let step = try #require(golden.parameters["sample"].int)
        #expect(golden.mismatch("y_sample", y.everyToken(step)) == nil)
      }
    }
    #expect(bits[0] == bits[1] && bits[0] == bits[2])
    #expect(golden.expected["y"] != nil || golden.expected["y_sample"] != nil)
  }

  /// The matrix that a viewer shows, row by row: the heads of qkv, then those of the aggregated set.
  @Test(arguments: cases) func matrixAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    guard let expected = golden.expected["matrix"] else { return }
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    var records: [AttentionRecord] = []
    pass.observer = { if case .attention(let record) = $0 { records.append(record) } }
    _ = try module(golden)(golden.map(), pass)
    let record = try #require(records.first)
    #expect(records.count == 1 && record.heads == expected.shape[0])
    let rows = (0..<record.heads).flatMap { head in
      let matrix = AttentionMatrix(record, head: head, window: 0)
      return (0..<matrix.tokens).flatMap { matrix.attention(row: $0).map { Float($0) } }
    }
    #expect(golden.mismatch("matrix", Tensor(expected.shape, rows)) == nil)
  }

  /// With products in bfloat16 within 3 % of the largest magnitude, but for queries that have next to no positive
  /// channel: without any the head's output is 0, so that rounding makes a step. With heads as narrow as the
  /// cases' there are some.
  @Test(arguments: cases) func bfloat16IsClose(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let x = try golden.map()
    let exact = try module(golden)(x, ForwardPass(threadCount: 2)).elements
    let rounded = try module(golden, .plain(.bfloat16))(x, ForwardPass(threadCount: 2)).elements
    let largest = exact.map(abs).max() ?? 0
    let far = zip(exact, rounded).count { !(abs($0 - $1) <= 0.03 * largest) }
    #expect(far * 100 <= exact.count, "\(far) of \(exact.count)")
  }

  /// Where no key or no query is positive the attention is 0 and not NaN.
  @Test func emptySumsGiveZero() throws {
    let tree = ParameterTree.random(seed: 1)
    let module = try LiteMLA(channels: 16, width: 8, normEpsilon: 1e-5, from: tree.root)
    let y = module(Tensor(zeros: [1, 3, 4, 16]), ForwardPass(threadCount: 1))
    #expect(y.elements.allSatisfy { $0.isFinite })
  }
}

extension Tensor {
  /// Every so many-th token of a map `[B, H, W, C]`, as `[B, C, n]`.
  fileprivate func everyToken(_ step: Int) -> Tensor {
    let tokens = Array(stride(from: 0, to: shape[1] * shape[2], by: step))
    let (values, channels) = (elements, shape[3])
    var picked: [Float] = []
    for item in 0..<shape[0] {
      for channel in 0..<channels {
        for token in tokens {
          picked.append(values[(item * shape[1] * shape[2] + token) * channels + channel])
        }
      }
    }
    return Tensor([shape[0], channels, tokens.count], picked)
  }
}
