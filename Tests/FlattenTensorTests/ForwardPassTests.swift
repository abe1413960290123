import FlattenTensor
import Testing

@Suite struct ForwardPassTests {
  @Test func operatorsTellWhatTheyDid() {
    let pass = pass()
    var records: [OperatorRecord] = []
    var outputs: [String] = []
    pass.observer = { observation in
      guard case .operation(let record, let output?) = observation else { return }
      records.append(record)
      outputs.append("\(record.name) \(output.shape)")
    }
    let x = pass.linear(
      .noise([2, 6, 5], seed: 1), PackedMatrix(.noise([4, 5], seed: 2)), bias: nil, layer: "fc")
    let map = pass.convolution(
      x.reshaped([2, 2, 3, 4]),
      ConvolutionWeights(
        .noise([3, 4, 3, 3], seed: 2), ConvolutionGeometry(kernel: 3, padding: 1)),
      bias: nil, layer: "conv")
    _ = pass.depthwiseConvolution(
      map, DepthwiseWeight(taps: .noise([25, 3], seed: 3), bias: nil), layer: "dw")
    #expect(records.map { $0.layers } == [["fc"], ["conv"], ["dw"]])
    #expect(records.map { $0.kind } == [.linear, .convolution, .depthwiseConvolution])
    #expect(records.map { $0.shape } == [[2, 6, 4], [2, 2, 3, 3], [2, 2, 3, 3]])
    #expect(records.map { $0.macs } == [12 * 5 * 4, 12 * 36 * 3, 12 * 3 * 25])
    #expect(records.allSatisfy { $0.seconds > 0 })
    #expect(outputs == ["fc [2, 6, 4]", "conv [2, 2, 3, 3]", "dw [2, 2, 3, 3]"])
  }

  @Test func attentionsCountTheirProducts() {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    var macs: [Int] = []
    pass.observer = { if case .operation(let record, _) = $0 { macs.append(record.macs) } }
    let q = Tensor(zeros: [2, 9, 6])
    _ = pass.linearAttention(
      q, Tensor(zeros: [2, 4, 6]), kv: Tensor(zeros: [2, 4, 12]), heads: 2, layer: "")
    _ = pass.softmaxAttention(q, kv: Tensor(zeros: [2, 4, 12]), heads: 2, layer: "")
    // k^T v and q (k^T v) per head of 3; q k^T and scores v.
    #expect(
      macs == [2 * 2 * 3 * 4 * 3, 2 * 2 * 9 * 3 * 3, 2 * 2 * (9 * 4 * 3 + 9 * 4 * 3)])
  }

  @Test func aDryRunHasShapesAndCostsButNoResults() {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    var records: [OperatorRecord] = []
    pass.observer = { observation in
      guard case .operation(let record, let output) = observation else {
        Issue.record("unwritten elements")
        return
      }
      #expect(output == nil)
      records.append(record)
    }
    let y = pass.linear(
      Tensor(uninitialized: [7, 5]), PackedMatrix(.noise([4, 5], seed: 2)), bias: nil, layer: "fc")
    pass.observe(Tensor(uninitialized: [1, 1, 1, 1]), as: "a")
    #expect(y.shape == [7, 4])
    #expect(records.map { $0.macs } == [140] && records.map(\.seconds) == [0])
  }

  /// Without an observer not even the name is made.
  @Test func intermediatesAreObserved() {
    let pass = pass()
    let map = Tensor([1, 2, 3, 1], [1, 2, 3, 4, 5, 6])
    func unwanted() -> String {
      Issue.record("a name that nobody wants")
      return ""
    }
    #expect(pass.observe(map, as: unwanted()).elements == map.elements)
    var got: [String] = []
    pass.observer = { observation in
      guard case .intermediate(let name, let tensor, let grid) = observation else { return }
      got.append("\(name) \(tensor.shape) \(grid.height)x\(grid.width)")
    }
    pass.observe(map, as: "a")
    pass.observe(map.reshaped([1, 6, 1]), grid: (3, 2), as: "c")
    #expect(got == ["a [1, 2, 3, 1] 2x3", "c [1, 6, 1] 3x2"])
  }

  /// The branch adds x itself, or is shown and added: the same bits.
  @Test func aResidualIsSeenUnlessForInference() {
    let x = Tensor.noise([1, 6, 4], seed: 1)
    let weight = PackedMatrix(.noise([4, 4], seed: 2))
    var results: [Purpose: [UInt32]] = [:]
    for purpose in Purpose.allCases {
      let pass = pass(purpose)
      var seen: [String] = []
      pass.observer = { if case .intermediate(let name, _, _) = $0 { seen.append(name) } }
      let y = pass.residual(x, grid: (2, 3), as: "branch") { residual in
        pass.linear(x, weight, bias: nil, residual: residual, layer: "fc")
      }
      results[purpose] = y.bits
      #expect(seen == (purpose == .inference ? [] : ["branch"]))
    }
    #expect(Set(results.values).count == 1)
  }
}
