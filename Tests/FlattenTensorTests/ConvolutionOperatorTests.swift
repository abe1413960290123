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

  @Test(arguments: cases, [Activation.none, .relu, .gelu, .geluTanh, .hardSwish])
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
      // Winograd's transforms add roundings: F(4x4, 3x3) has 4e-6 of the largest output for 256 channels; F(4x4, 5x5),
      // whose factors are larger, 1.2e-5 where no multiply-adds are fused.
      let isTransformed = min(channels, c.outputs) >= 32
      let tolerance = !isTransformed ? 2e-6 : kernel == 5 ? 2e-5 : 1e-5
      #expect(y.mismatch(wanted, shape, tolerance: tolerance) == nil)
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
      for activation: Activation in [.none, .relu, .gelu, .geluTanh, .hardSwish] {
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

  /// The residual comes after the activation, however the convolution is computed.
  @Test(arguments: [cases[0], cases[3], Case([2, 7, 13, 33], 35, kernel: 3, padding: 1)])
  func theResidualIsAddedLast(_ c: Case) {
    let map = Tensor.noise(c.shape, seed: 1)
    let weight = ConvolutionWeights(
      .noise([c.outputs, c.shape[3], c.geometry.kernel, c.geometry.kernel], seed: 2), c.geometry)
    let plain = pass().convolution(map, weight, bias: nil, activation: .relu, layer: "conv")
    let residual = Tensor.noise(plain.shape, seed: 3)
    let y = pass().convolution(
      map, weight, bias: nil, activation: .relu, residual: residual, layer: "conv")
    let wanted = zip(plain.elements, residual.elements).map { Double($0) + Double($1) }
    #expect(y.mismatch(wanted, plain.shape) == nil)
  }

  /// Windows that move by two and three cells, on even and odd sides.
  @Test(arguments: [2, 3], [1, 3, 5]) func depthwiseStrides(step: Int, kernel: Int) {
    for (height, width) in [(6, 9), (7, 8), (1, 1), (2, 31)] {
      let map = Tensor.noise([2, height, width, 21], seed: 1)
      let stored = Tensor.noise([21, 1, kernel, kernel], seed: 2)
      let norm = BatchNormStatistics(
        gamma: .noise([21], seed: 3), beta: .noise([21], seed: 4), mean: .noise([21], seed: 5),
        variance: .noise([21], seed: 6, offset: 2), epsilon: 0.25)
      let x = Naive.Array4(map)
      let shape: Shape = [2, (height + step - 1) / step, (width + step - 1) / step, 21]
      let wanted = Naive.map(shape) { b, row, column, c in
        var sum = 0.0
        for i in 0..<kernel {
          for j in 0..<kernel {
            sum +=
              Double(stored.elements[(c * kernel + i) * kernel + j])
              * x.padded(b, row * step + i - kernel / 2, column * step + j - kernel / 2, c)
          }
        }
        let deviation = (Double(norm.variance.elements[c]) + 0.25).squareRoot()
        let normed =
          (sum - Double(norm.mean.elements[c])) / deviation * Double(norm.gamma.elements[c])
          + Double(norm.beta.elements[c])
        return Naive.activated(normed, .hardSwish)
      }
      let y = pass().depthwiseConvolution(
        map, DepthwiseWeight(stored, bias: nil, norm: norm, stride: step), activation: .hardSwish,
        layer: "dw")
      #expect(y.mismatch(wanted, shape) == nil)
    }
  }

  @Test(arguments: [(1, 3, 5, 7), (6, 8, 8, 20), (3, 16, 16, 5), (2, 33, 17, 130)])
  func groupsAreMixedByThemselves(size: (Int, Int, Int, Int)) {
    let (groups, inputs, outputs, rows) = size
    let x = Tensor.noise([rows, groups * inputs], seed: 1)
    let weight = Tensor.noise([groups * outputs, inputs, 1, 1], seed: 2)
    let y = pass().groupedConvolution(x, PackedGroups(weight, groups: groups), layer: "mix")
    let wanted = (0..<rows * groups * outputs).map { index in
      let (row, output) = (index / (groups * outputs), index % (groups * outputs))
      return (0..<inputs).reduce(0.0) {
        $0 + Double(weight.elements[output * inputs + $1])
          * Double(x.elements[row * groups * inputs + output / outputs * inputs + $1])
      }
    }
    #expect(y.mismatch(wanted, [rows, groups * outputs]) == nil)
  }

  @Test func partsOfHeadsAreGathered() {
    // Two lists of two heads of three parts of two channels.
    let lists = [0, 100].map { start in
      Tensor([1, 2, 12], (0..<24).map { Float(start + $0) - 5 })
    }
    let part = pass().headParts(lists, part: 1, of: 3, width: 2, layer: "k")
    #expect(part.shape == [1, 2, 8])
    #expect(
      part.elements == [-3, -2, 3, 4, 97, 98, 103, 104, 9, 10, 15, 16, 109, 110, 115, 116])
    let positive = pass().headParts(
      lists, part: 1, of: 3, width: 2, activation: .relu, layer: "k")
    #expect(positive.elements == part.elements.map { max($0, 0) })
  }
}
