import FlattenTensor
import TestSupport
import Testing

/// Layers whose weights are bfloat16: products of rounded numbers, summed in float32.
@Suite struct PrecisionTests {
  /// The nearest bfloat16, as a float32.
  private static func rounded(_ x: Float) -> Float {
    let bits = x.bitPattern
    return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16) & 1) & 0xFFFF_0000)
  }

  private func rounded(_ tensor: Tensor) -> Tensor {
    Tensor(tensor.shape, tensor.elements.map(Self.rounded))
  }

  /// The definition over rounded operands; only the sum's order differs.
  @Test(arguments: LinearOperatorTests.sizes)
  func linearRoundsItsOperands(size: (Int, Int, Int)) {
    let (rows, inputs, outputs) = size
    let x = Tensor.noise([rows, inputs], seed: 1)
    let weight = Tensor.noise([outputs, inputs], seed: 2)
    let bias = Tensor.noise([outputs], seed: 3)
    let residual = Tensor.noise([rows, outputs], seed: 4)
    let y = pass().linear(
      x, PackedMatrix(weight, .plain(.bfloat16)), bias: bias, activation: .relu,
      residual: residual, layer: "fc")
    let products = Naive.linear(
      rounded(x).elements, rounded(weight).elements, bias: bias.elements, inputs: inputs)
    let wanted = zip(products, residual.elements).map { max($0, 0) + Double($1) }
    #expect(y.mismatch(wanted, [rows, outputs]) == nil)
  }

  /// Fused or not, hidden values are rounded once.
  @Test(arguments: [1, 49, 1023, 1024, 2311]) func mlpRoundsItsHiddenValues(rows: Int) {
    let pass = pass()
    let x = Tensor.noise([rows, 24], seed: 1)
    let weights = (Tensor.noise([77, 24], seed: 2), Tensor.noise([24, 77], seed: 4))
    let biases = (Tensor.noise([77], seed: 3), Tensor.noise([24], seed: 5))
    let residual = Tensor.noise([rows, 24], seed: 6)
    let got = pass.mlp(
      x, expand: (PackedMatrix(weights.0, .plain(.bfloat16)), biases.0),
      contract: (PackedMatrix(weights.1, .plain(.bfloat16)), biases.1), residual: residual,
      layer: "mlp")
    let hidden = pass.linear(
      rounded(x), PackedMatrix(rounded(weights.0)), bias: biases.0, activation: .gelu, layer: "")
    let wanted = pass.linear(
      rounded(hidden), PackedMatrix(rounded(weights.1)), bias: biases.1, residual: residual,
      layer: "")
    // A hidden value whose sum rounds to the other neighbour is a 256th of itself away.
    #expect(
      got.mismatch(wanted.elements.map(Double.init), wanted.shape, tolerance: 2e-3) == nil)
  }

  /// Gathered windows round as a linear layer does; Winograd's transforms enlarge the rounding.
  @Test(arguments: [
    (3, 1, 1, 33, 34, 0.03), (3, 1, 1, 32, 35, 0.03), (3, 2, 1, 32, 34, 5e-6),
    (1, 1, 0, 40, 33, 5e-6), (7, 4, 3, 3, 32, 5e-6),
  ])
  func convolutionsRoundTheirOperands(_ c: (Int, Int, Int, Int, Int, Double)) {
    let (kernel, stride, padding, inputs, outputs, tolerance) = c
    let geometry = ConvolutionGeometry(kernel: kernel, stride: stride, padding: padding)
    let x = Tensor.noise([2, 19, 14, inputs], seed: 1)
    let weight = Tensor.noise([outputs, inputs, kernel, kernel], seed: 2)
    let bias = Tensor.noise([outputs], seed: 3)
    let pass = pass()
    let got = pass.convolution(
      x, ConvolutionWeights(weight, geometry, .plain(.bfloat16)), bias: bias, layer: "conv")
    let wanted = pass.convolution(
      rounded(x), ConvolutionWeights(rounded(weight), geometry), bias: bias, layer: "conv")
    #expect(
      got.mismatch(wanted.elements.map(Double.init), wanted.shape, tolerance: tolerance) == nil)
    #expect(got.bits != wanted.bits || tolerance < 1e-3)
  }

  /// Same bits for any number of threads, as in float32.
  @Test(arguments: [1, 3, 8]) func threadsDoNotMatter(threads: Int) {
    let x = Tensor.noise([1, 19, 31, 40], seed: 1)
    let conv = ConvolutionWeights(
      .noise([64, 40, 3, 3], seed: 2), ConvolutionGeometry(kernel: 3, padding: 1),
      .plain(.bfloat16))
    let fc = PackedMatrix(.noise([75, 40], seed: 3), .plain(.bfloat16))
    func run(_ pass: ForwardPass) -> [UInt32] {
      pass.convolution(x, conv, bias: nil, layer: "").bits
        + pass.linear(x, fc, bias: nil, layer: "").bits
    }
    #expect(run(pass(threads: threads)) == run(pass(threads: 2)))
  }
}
