import FlattenTensor
import Testing

@Suite struct ForwardPassTests {
  @Test func operatorsTellWhatTheyDid() {
    let pass = pass()
    var records: [OperatorRecord] = []
    var outputs: [String] = []
    pass.onOperator = { records.append($0) }
    pass.onOutput = { outputs.append("\($0) \($1.shape)") }
    let x = pass.linear(
      .noise([2, 6, 5], seed: 1), PackedMatrix(.noise([4, 5], seed: 2)), bias: nil, layer: "fc")
    let map = pass.convolution(
      x.reshaped([2, 2, 3, 4]),
      PackedConvolution(.noise([3, 4, 3, 3], seed: 2), ConvolutionGeometry(kernel: 3, padding: 1)),
      bias: nil, layer: "conv")
    _ = pass.depthwiseConvolution(map, .noise([25, 3], seed: 3), bias: nil, kernel: 5, layer: "dw")
    #expect(records.map { $0.layer } == ["fc", "conv", "dw"])
    #expect(records.map { $0.kind } == [.linear, .convolution, .depthwiseConvolution])
    #expect(records.map { $0.shape } == [[2, 6, 4], [2, 2, 3, 3], [2, 2, 3, 3]])
    #expect(records.map { $0.macs } == [12 * 5 * 4, 12 * 36 * 3, 12 * 3 * 25])
    #expect(records.allSatisfy { $0.seconds > 0 })
    #expect(outputs == ["fc [2, 6, 4]", "conv [2, 2, 3, 3]", "dw [2, 2, 3, 3]"])
  }

  @Test func attentionsCountTheirProducts() {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    var macs: [Int] = []
    pass.onOperator = { macs.append($0.macs) }
    let q = Tensor(zeros: [2, 9, 6])
    _ = pass.linearAttention(
      q, Tensor(zeros: [2, 4, 6]), kv: Tensor(zeros: [2, 4, 12]), heads: 2, layer: "")
    _ = pass.softmaxAttention(q, kv: Tensor(zeros: [2, 4, 12]), heads: 2, layer: "")
    // k^T v and q (k^T v) per head of 3; q k^T and scores v.
    #expect(macs == [2 * 2 * (3 * 4 * 3 + 9 * 3 * 3), 2 * 2 * (9 * 4 * 3 + 9 * 4 * 3)])
  }

  @Test func aDryRunHasShapesAndCostsButNoResults() {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    var records: [OperatorRecord] = []
    pass.onOperator = { records.append($0) }
    pass.onOutput = { name, _ in Issue.record("an output of \(name)") }
    let y = pass.linear(
      Tensor(uninitialized: [7, 5]), PackedMatrix(.noise([4, 5], seed: 2)), bias: nil, layer: "fc")
    #expect(y.shape == [7, 4])
    #expect(records.map { $0.macs } == [140] && records.map(\.seconds) == [0])
  }
}
