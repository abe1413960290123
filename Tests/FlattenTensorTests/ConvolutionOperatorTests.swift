import FlattenTensor
import TestSupport
import Testing

@Suite struct ConvolutionOperatorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let shape: Shape
    let outputs: Int
    let geometry: ConvolutionGeometry

    init(
      _ shape: Shape, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0,
      dilation: Int = 1
    ) {
      self.shape = shape
      self.outputs = outputs
      geometry = ConvolutionGeometry(
        kernel: kernel, stride: stride, padding: padding, dilation: dilation)
    }

    var testDescription: String {
      "\(shape) to \(outputs), kernel \(geometry.kernel), stride \(geometry.stride), padding "
        + "\(geometry.padding), dilation \(geometry.dilation)"
    }
  }

  static let cases = [
    Case([2, 5, 7, 3], 4, kernel: 1),
    Case([1, 1, 1, 1], 1, kernel: 1),
    Case([1, 1, 1, 3], 5, kernel: 3, padding: 1),
    Case([1, 1, 1, 2], 3, kernel: 7, stride: 4, padding: 3),
    Case([2, 5, 7, 3], 4, kernel: 1, stride: 2),
    Case([2, 5, 7, 3], 4, kernel: 1, padding: 1),
    Case([2, 6, 9, 3], 5, kernel: 3, padding: 1),
    Case([2, 7, 6, 3], 5, kernel: 3, stride: 2, padding: 1),
    Case([1, 9, 13, 3], 5, kernel: 4, stride: 4),
    Case([2, 11, 9, 2], 3, kernel: 7, stride: 4, padding: 3),
    Case([1, 8, 9, 2], 3, kernel: 3, padding: 2, dilation: 2),
    Case([1, 8, 11, 2], 3, kernel: 3, stride: 2, padding: 3, dilation: 3),
    Case([2, 6, 5, 2], 3, kernel: 2, stride: 3),
    Case([1, 4, 5, 2], 3, kernel: 3, padding: 4),
    Case([3, 21, 20, 1], 2, kernel: 3, padding: 1),
    // Enough channels for Winograd: sides that are and are not multiples of its tile, and tiny ones.
    Case([1, 8, 12, 32], 32, kernel: 3, padding: 1),
    Case([2, 7, 13, 33], 35, kernel: 3, padding: 1),
    Case([1, 1, 1, 40], 32, kernel: 3, padding: 1),
    Case([1, 5, 2, 32], 49, kernel: 3, padding: 1),
    Case([2, 7, 13, 34], 35, kernel: 5, padding: 2),
    Case([1, 1, 1, 32], 32, kernel: 5, padding: 2),
  ]

  @Test(arguments: cases, [Activation.none, .relu, .gelu])
  func agreesWithTheDefinition(_ c: Case, activation: Activation) {
    let (channels, kernel) = (c.shape[3], c.geometry.kernel)
    let map = Tensor.noise(c.shape, seed: 1)
    let weight = Tensor.noise([c.outputs, channels, kernel, kernel], seed: 2)
    let bias = Tensor.noise([c.outputs], seed: 3)
    let x = Naive.Array4(map)
    let w = weight.elements.map(Double.init)
    func size(_ extent: Int) -> Int {
      // Counted by moving the window, not by the formula.
      var count = 0
      while count * c.geometry.stride + c.geometry.dilation * (kernel - 1)
        < extent + 2 * c.geometry.padding
      {
        count += 1
      }
      return count
    }
    let shape: Shape = [c.shape[0], size(c.shape[1]), size(c.shape[2]), c.outputs]
    for hasBias in [false, true] {
      let wanted = Naive.map(shape) { b, row, column, output in
        var sum = hasBias ? Double(bias.elements[output]) : 0
        for i in 0..<kernel {
          for j in 0..<kernel {
            for channel in 0..<channels {
              sum +=
                w[((output * channels + channel) * kernel + i) * kernel + j]
                * x.padded(
                  b, row * c.geometry.stride - c.geometry.padding + i * c.geometry.dilation,
                  column * c.geometry.stride - c.geometry.padding + j * c.geometry.dilation, channel
                )
            }
          }
        }
        return Naive.activated(sum, activation)
      }
      let y = pass().convolution(
        map, ConvolutionWeights(weight, c.geometry), bias: hasBias ? bias : nil,
        activation: activation, layer: "conv")
      // Winograd's transforms add roundings: F(4x4) has 4e-6 of the largest output for 256 channels.
      let isTransformed = min(channels, c.outputs) >= 32
      #expect(y.mismatch(wanted, shape, tolerance: isTransformed ? 1e-5 : 2e-6) == nil)
    }
  }

  @Test func aWindowTooLargeGivesNoPixels() {
    let geometry = ConvolutionGeometry(kernel: 3)
    #expect(geometry.outputSize(2) == 0 && geometry.outputSize(3) == 1)
    let y = pass().convolution(
      .noise([1, 2, 5, 1], seed: 1), ConvolutionWeights(.noise([2, 1, 3, 3], seed: 2), geometry),
      bias: nil, layer: "conv")
    #expect(y.shape == [1, 0, 3, 2] && y.elements.isEmpty)
  }

  /// Strides larger than the kernel's reach divide downwards, also below zero.
  @Test(arguments: [(1, 4, 4), (3, 4, 4), (1, 7, 2), (5, 8, 16)])
  func outputSizesAreNeverNegative(size: (Int, Int, Int)) {
    let (extent, kernel, stride) = size
    #expect(ConvolutionGeometry(kernel: kernel, stride: stride).outputSize(extent) == 0)
  }

  @Test func depthwiseReadsItsOwnChannels() {
    let wide = Tensor.noise([2, 3, 5, 11], seed: 1)
    let weight = Tensor.noise([9, 4], seed: 2)
    let bias = Tensor.noise([4], seed: 3)
    let residual = Tensor.noise([2, 3, 5, 4], seed: 4)
    let x = Naive.Array4(wide)
    for offset in [0, 3, 7] {
      for activation: Activation in [.none, .relu, .gelu] {
        let y = pass().depthwiseConvolution(
          wide, offset: offset, DepthwiseWeight(taps: weight, bias: bias), activation: activation,
          residual: residual.reshaped([2, 15, 4]), layer: "dwc")
        let wanted = Naive.map([2, 3, 5, 4]) { b, row, column, c in
          var sum = Double(bias.elements[c])
          for i in 0..<3 {
            for j in 0..<3 {
              sum +=
                Double(weight.elements[(i * 3 + j) * 4 + c])
                * x.padded(b, row + i - 1, column + j - 1, offset + c)
            }
          }
          return Naive.activated(sum, activation)
            + Double(residual.elements[((b * 3 + row) * 5 + column) * 4 + c])
        }
        #expect(y.mismatch(wanted, [2, 3, 5, 4]) == nil)
      }
    }
  }
}
