import Testing

@testable import FlattenTensor

/// An inverted residual block at once and step by step.
@Suite struct MobileConvolutionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let height: Int
    let width: Int
    let inputs: Int
    let hidden: Int
    var outputs = 24
    var kernel = 3
    var stride = 1
    var expands = true
    var precision = Precision.float32

    var testDescription: String {
      "\(height)x\(width), \(inputs)-\(hidden)-\(outputs), \(kernel)x\(kernel) / \(stride), \(precision)"
    }
  }

  /// All of them large enough to be computed in bands.
  static let cases = [
    Case(height: 97, width: 83, inputs: 13, hidden: 136),
    Case(height: 98, width: 83, inputs: 13, hidden: 136, stride: 2),
    Case(height: 97, width: 84, inputs: 13, hidden: 136, kernel: 5, stride: 2),
    Case(height: 97, width: 83, inputs: 13, hidden: 136, kernel: 5, precision: .bfloat16),
    Case(height: 256, width: 256, inputs: 16, hidden: 16, expands: false),
    Case(height: 301, width: 299, inputs: 12, hidden: 12, stride: 3, expands: false),
    Case(height: 13, width: 700, inputs: 8, hidden: 120, stride: 2),
    Case(height: 2000, width: 5, inputs: 8, hidden: 112),
  ]

  @Test(arguments: cases) func bandsHaveTheBitsOfTheWhole(_ c: Case) {
    func point(_ inputs: Int, _ outputs: Int, _ activation: Activation, seed: Int)
      -> PackedConvolution
    {
      PackedConvolution(
        StoredConvolution(
          ConvolutionGeometry(kernel: 1), weight: .noise([outputs, inputs, 1, 1], seed: seed),
          bias: .noise([outputs], seed: seed + 1), norm: nil, activation: activation),
        .plain(c.precision))
    }
    let weights = MobileWeights(
      expand: c.expands ? point(c.inputs, c.hidden, .hardSwish, seed: 1) : nil,
      depthwise: DepthwiseWeight(
        .noise([c.hidden, 1, c.kernel, c.kernel], seed: 3), bias: .noise([c.hidden], seed: 4),
        stride: c.stride), activation: .geluTanh,
      project: point(c.hidden, c.outputs, .none, seed: 5))
    let x = Tensor.noise([2, c.height, c.width, c.inputs], seed: 7)
    let residual = Tensor.noise(
      [2, (c.height + c.stride - 1) / c.stride, (c.width + c.stride - 1) / c.stride, c.outputs],
      seed: 8)
    func run(_ purpose: Purpose, threads: Int, _ residual: Tensor?) -> (Tensor, operators: Int) {
      var operators = 0
      let pass = ForwardPass(threads: ThreadPool(threads: threads), purpose: purpose)
      pass.observer = { if case .operation = $0 { operators += 1 } }
      return (
        pass.mobileConvolution(
          x, weights, residual: residual, layers: ("a", "b", "c"), layer: "block"), operators
      )
    }
    for residual in [nil, residual] {
      let wanted = run(.inspection, threads: 2, residual)
      #expect(wanted.operators == (c.expands ? 3 : 2))
      for threads in 1...3 {
        let got = run(.inference, threads: threads, residual)
        #expect(got.operators == 1)
        #expect(got.0.shape == wanted.0.shape && got.0.bits == wanted.0.bits)
      }
    }
  }

  /// Small hidden maps, and rows that leave the cache by themselves, take the steps.
  @Test(arguments: [
    Case(height: 20, width: 20, inputs: 8, hidden: 64),
    Case(height: 70, width: 800, inputs: 8, hidden: 130),
  ])
  func othersAreComputedInSteps(_ c: Case) {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    var names: [String] = []
    pass.observer = { if case .operation(let record, _) = $0 { names.append(record.name) } }
    func point(_ inputs: Int, _ outputs: Int) -> PackedConvolution {
      PackedConvolution(
        StoredConvolution(
          ConvolutionGeometry(kernel: 1), weight: .noise([outputs, inputs, 1, 1], seed: 1),
          bias: nil, norm: nil, activation: .none))
    }
    let weights = MobileWeights(
      expand: point(c.inputs, c.hidden),
      depthwise: DepthwiseWeight(.noise([c.hidden, 1, 3, 3], seed: 3), bias: nil),
      activation: .none,
      project: point(c.hidden, c.outputs))
    let y = pass.mobileConvolution(
      Tensor(uninitialized: [1, c.height, c.width, c.inputs]), weights, residual: nil,
      layers: ("a", "b", "c"), layer: "block")
    #expect(names == ["a", "b", "c"] && y.shape == [1, c.height, c.width, c.outputs])
  }
}
