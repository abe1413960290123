import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite struct Conv2DTests {
  /// Convolution by its definition: x `[B, H, W, I]`, w `[O, I, k, k]`.
  private func convolved(
    _ x: Tensor, _ weight: Tensor, _ g: ConvolutionGeometry, _ finish: (Double, Int) -> Double
  ) -> (values: [Double], shape: Shape) {
    let (batch, height, width, inputs) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (xs, ws) = (x.elements, weight.elements)
    let shape: Shape = [batch, g.outputSize(height), g.outputSize(width), weight.shape[0]]
    var values: [Double] = []
    for b in 0..<shape[0] {
      for row in 0..<shape[1] {
        for column in 0..<shape[2] {
          for output in 0..<shape[3] {
            var sum = 0.0
            for i in 0..<g.kernel {
              for j in 0..<g.kernel {
                let y = row * g.stride - g.padding + i * g.dilation
                let z = column * g.stride - g.padding + j * g.dilation
                guard (0..<height).contains(y), (0..<width).contains(z) else { continue }
                for c in 0..<inputs {
                  sum +=
                    Double(xs[((b * height + y) * width + z) * inputs + c])
                    * Double(ws[((output * inputs + c) * g.kernel + i) * g.kernel + j])
                }
              }
            }
            values.append(finish(sum, output))
          }
        }
      }
    }
    return (values, shape)
  }

  static let geometries = [
    ConvolutionGeometry(kernel: 1), ConvolutionGeometry(kernel: 3, padding: 1),
    ConvolutionGeometry(kernel: 3, stride: 2, padding: 1),
    ConvolutionGeometry(kernel: 2, stride: 2),
    ConvolutionGeometry(kernel: 3, padding: 2, dilation: 2),
  ]

  @Test(arguments: geometries) func aBiasIsAdded(geometry: ConvolutionGeometry) throws {
    let k = geometry.kernel
    let weight = Tensor.noise([5, 3, k, k], seed: 1)
    let bias = Tensor.noise([5], seed: 2)
    let x = Tensor.noise([2, 6, 7, 3], seed: 3)
    let tree = Parameters.tree(("c.weight", weight), ("c.bias", bias))
    let layer = try Conv2D(in: 3, out: 5, geometry, from: tree.root.scope("c"))
    try tree.finish(ignoring: [])
    let (wanted, shape) = convolved(x, weight, geometry) { $0 + Double(bias.elements[$1]) }
    #expect(layer(x, pass()).mismatch(wanted, shape) == nil)
  }

  @Test func noBiasIsAskedForWhereThereIsNone() throws {
    let weight = Tensor.noise([5, 3, 1, 1], seed: 1)
    let x = Tensor.noise([1, 2, 3, 3], seed: 3)
    let tree = Parameters.tree(("weight", weight))
    let layer = try Conv2D(
      in: 3, out: 5, ConvolutionGeometry(kernel: 1), following: .bias(false), activation: .relu,
      from: tree.root)
    try tree.finish(ignoring: [])
    let (wanted, shape) = convolved(x, weight, ConvolutionGeometry(kernel: 1)) {
      max($0 + 0 * Double($1), 0)
    }
    #expect(layer(x, pass()).mismatch(wanted, shape) == nil)
  }

  /// The norm after the convolution and perhaps its bias, by its definition, with statistics that are neither 0 nor 1.
  @Test(arguments: geometries, [(Float(1e-5), true), (1e-3, false)])
  func aBatchNormIsFolded(
    geometry: ConvolutionGeometry, norm: (epsilon: Float, followsBias: Bool)
  ) throws {
    let epsilon = norm.epsilon
    let k = geometry.kernel
    let weight = Tensor.noise([5, 3, k, k], seed: 1)
    let gamma = Tensor.noise([5], seed: 2, offset: 0.5)
    let beta = Tensor.noise([5], seed: 3)
    let mean = Tensor.noise([5], seed: 4)
    let variance = Tensor([5], [0.3, 1.7, 0.002, 4, 0.9])
    let x = Tensor.noise([2, 6, 7, 3], seed: 5)
    let bias = Tensor.noise([5], seed: 6)
    let tree = Parameters.tree(
      ("conv.weight", weight), ("bn.weight", gamma), ("bn.bias", beta), ("bn.running_mean", mean),
      ("bn.running_var", variance), ("conv.bias", bias))
    let layer = try Conv2D(
      in: 3, out: 5, geometry,
      following: .batchNorm(epsilon: epsilon, key: "bn", bias: norm.followsBias),
      activation: .relu, key: "conv", from: tree.root)
    try tree.finish(
      ignoring: norm.followsBias ? [] : [IgnoredKeys(pattern: "conv.bias", reason: "none wanted")])
    let (wanted, shape) = convolved(x, weight, geometry) { sum, output in
      let added = norm.followsBias ? Double(bias.elements[output]) : 0
      let normed =
        (sum + added - Double(mean.elements[output]))
        / (Double(variance.elements[output]) + Double(epsilon)).squareRoot()
      return max(
        normed * Double(gamma.elements[output]) + Double(beta.elements[output]), 0)
    }
    #expect(layer(x, pass()).mismatch(wanted, shape) == nil)
  }

  @Test func whatIsMissingIsNamed() throws {
    let tree = Parameters.tree(("conv.weight", .noise([5, 3, 1, 1], seed: 1)))
    _ = try Conv2D(
      in: 3, out: 5, ConvolutionGeometry(kernel: 1),
      following: .batchNorm(epsilon: 1e-5, key: "bn"), key: "conv", from: tree.root)
    let error = try #require(throws: ParameterError.self) { try tree.finish(ignoring: []) }
    for name in ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"] {
      #expect("\(error)".contains(name))
    }
  }

  /// A layer that adds its input is the convolution and the sum, and keeps the parameters as they are stored.
  @Test(arguments: [1, 3, 5]) func theInputIsAdded(kernel: Int) throws {
    let weight = Tensor.noise([4, 1, kernel, kernel], seed: 1)
    let bias = Tensor.noise([4], seed: 2)
    let source = Parameters([("weight", weight), ("bias", bias)])
    func layer(_ addsInput: Bool) throws -> DepthwiseConv2D {
      let tree = ParameterTree(
        source: source, context: .plain(.float32, purpose: .training))
      return try DepthwiseConv2D(4, kernel: kernel, addsInput: addsInput, from: tree.root)
    }
    let x = Tensor.noise([2, 3, 5, 4], seed: 3)
    let plain = try layer(false)(x, pass())
    let added = try layer(true)
    let wanted = zip(x.elements, plain.elements).map { Double($0) + Double($1) }
    #expect(added(x, pass()).mismatch(wanted, x.shape) == nil)
    #expect(added.weight?.elements == weight.elements && added.bias?.elements == bias.elements)
  }

  /// A linear layer that is stored as a 1x1 convolution, with a layer scale after it.
  @Test func aLayerScaleIsTakenIn() throws {
    let weight = Tensor.noise([5, 3, 1, 1], seed: 1)
    let (bias, scale) = (Tensor.noise([5], seed: 2), Tensor.noise([5], seed: 3))
    let (x, residual) = (Tensor.noise([2, 7, 3], seed: 4), Tensor.noise([2, 7, 5], seed: 5))
    let tree = ParameterTree(
      source: Parameters([("weight", weight), ("bias", bias)]),
      context: .plain(.float32, purpose: .training))
    let layer = try Linear(convolution: 3, out: 5, scale: scale, from: tree.root)
    try tree.finish(ignoring: [])
    let wanted = (0..<2 * 7 * 5).map { index in
      let (row, output) = (index / 5, index % 5)
      let sum = (0..<3).reduce(Double(bias.elements[output])) {
        $0 + Double(x.elements[row * 3 + $1]) * Double(weight.elements[output * 3 + $1])
      }
      return sum * Double(scale.elements[output]) + Double(residual.elements[index])
    }
    #expect(layer(x, residual: residual, pass()).mismatch(wanted, [2, 7, 5]) == nil)
    #expect(layer.weight?.elements == weight.elements && layer.bias?.elements == bias.elements)
  }

  /// Heads side by side share one depthwise weight.
  @Test(arguments: [1, 3], [1, 3, 5]) func depthwiseWeightsAreRepeated(heads: Int, kernel: Int)
    throws
  {
    let own = 4
    let weight = Tensor.noise([own, 1, kernel, kernel], seed: 1)
    let bias = Tensor.noise([own], seed: 2)
    let tree = Parameters.tree(("dwc.weight", weight), ("dwc.bias", bias))
    let layer = try DepthwiseConv2D(
      own, kernel: kernel, repeated: heads, from: tree.root.scope("dwc"))
    try tree.finish(ignoring: [])

    let all = own * heads
    let x = Tensor.noise([2, 3, 5, all + 2], seed: 3)
    let residual = Tensor.noise([2, 3, 5, all], seed: 4)
    var wanted: [Double] = []
    for b in 0..<2 {
      for row in 0..<3 {
        for column in 0..<5 {
          for c in 0..<all {
            var sum = Double(bias.elements[c % own])
            for i in 0..<kernel {
              for j in 0..<kernel {
                let (y, z) = (row + i - kernel / 2, column + j - kernel / 2)
                guard (0..<3).contains(y), (0..<5).contains(z) else { continue }
                sum +=
                  Double(x.elements[((b * 3 + y) * 5 + z) * (all + 2) + 2 + c])
                  * Double(weight.elements[(c % own * kernel + i) * kernel + j])
              }
            }
            let gelu = 0.5 * sum * (1 + erf(sum / 2.0.squareRoot()))
            wanted.append(gelu + Double(residual.elements[((b * 3 + row) * 5 + column) * all + c]))
          }
        }
      }
    }
    let y = layer(x, offset: 2, activation: .gelu, residual: residual, pass())
    #expect(y.mismatch(wanted, [2, 3, 5, all]) == nil)
  }
}
