import FlattenTensor
import TestSupport
import Testing

@Suite struct TransposedConvolutionTests {
  /// Each element of the input is spread over a window of the output.
  @Test(arguments: [(1, 1), (3, 5), (35, 17), (64, 32)], [Activation.none, .relu, .gelu])
  func itIsItsDefinition(channels: (inputs: Int, outputs: Int), activation: Activation) {
    let (inputs, outputs) = channels
    let x = Tensor.noise([2, 5, 14, inputs], seed: 1)
    let weight = Tensor.noise([inputs, outputs, 2, 2], seed: 2)
    let bias = Tensor.noise([outputs], seed: 3)
    let y = pass().transposedConvolution(
      x, PackedTransposedConvolution(weight, bias: bias, activation: activation), layer: "")
    let source = Naive.Array4(x)
    let taps = weight.elements
    let shape: Shape = [2, 10, 28, outputs]
    let wanted = Naive.map(shape) { b, row, column, output in
      var sum = Double(bias.elements[output])
      for input in 0..<inputs {
        let tap = ((input * outputs + output) * 2 + row % 2) * 2 + column % 2
        sum += source[b, row / 2, column / 2, input] * Double(taps[tap])
      }
      return Naive.activated(sum, activation)
    }
    #expect(
      Comparison.mismatch(
        y.elements, shape: y.shape, expected: wanted, expectedShape: shape, atol: 2e-5) == nil)
  }

  @Test func thereMayBeNoPictures() {
    let weight = PackedTransposedConvolution(
      .noise([3, 2, 2, 2], seed: 2), bias: nil, activation: .none)
    let y = pass().transposedConvolution(Tensor(zeros: [0, 14, 14, 3]), weight, layer: "")
    #expect(y.shape == [0, 28, 28, 2])
  }
}
