import FlattenTensor
import Foundation
import TestSupport

/// Operators are held against their definitions in double precision, written as plainly as possible.
enum Naive {
  /// A tensor's elements with their coordinates, in double precision.
  struct Array4 {
    let shape: Shape
    let values: [Double]

    init(shape: Shape, values: [Double]) {
      self.shape = shape
      self.values = values
    }

    init(_ tensor: Tensor) {
      shape = tensor.shape
      values = tensor.elements.map(Double.init)
    }

    subscript(b: Int, y: Int, x: Int, c: Int) -> Double {
      values[((b * shape[1] + y) * shape[2] + x) * shape[3] + c]
    }

    /// The same where the position is on the map, else 0.
    func padded(_ b: Int, _ y: Int, _ x: Int, _ c: Int) -> Double {
      (0..<shape[1]).contains(y) && (0..<shape[2]).contains(x) ? self[b, y, x, c] : 0
    }
  }

  static func activated(_ x: Double, _ activation: Activation) -> Double {
    switch activation {
    case .none: x
    case .relu: max(x, 0)
    case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    }
  }

  /// `x w^T + bias` with x `[rows, inputs]` and w `[outputs, inputs]`.
  static func linear(_ x: [Float], _ w: [Float], bias: [Float]?, inputs: Int) -> [Double] {
    let outputs = w.count / inputs
    return (0..<x.count / inputs * outputs).map { index in
      let (row, output) = (index / outputs, index % outputs)
      return (0..<inputs).reduce(Double(bias?[output] ?? 0)) {
        $0 + Double(x[row * inputs + $1]) * Double(w[output * inputs + $1])
      }
    }
  }

  /// Builds a map's elements from a function of its coordinates.
  static func map(
    _ shape: Shape, _ value: (_ b: Int, _ y: Int, _ x: Int, _ c: Int) -> Double
  ) -> [Double] {
    var result: [Double] = []
    for b in 0..<shape[0] {
      for y in 0..<shape[1] {
        for x in 0..<shape[2] {
          for c in 0..<shape[3] { result.append(value(b, y, x, c)) }
        }
      }
    }
    return result
  }
}

extension Tensor {
  /// Noise, the same for the same seed and shape.
  static func noise(_ shape: Shape, seed: Int, scale: Float = 1, offset: Float = 0) -> Tensor {
    Tensor(shape, Noise.floats(shape.reduce(1, *), seed: seed, scale: scale).map { $0 + offset })
  }

  /// What differs from the definition by more than `tolerance` of its largest element, or `nil`.
  func mismatch(_ expected: [Double], _ shape: Shape, tolerance: Double = 2e-6) -> String? {
    let largest = expected.map(abs).max() ?? 0
    return Comparison.mismatch(
      elements, shape: self.shape, expected: expected, expectedShape: shape,
      atol: tolerance * max(largest, 1e-3))
  }

  /// The elements' bits.
  var bits: [UInt32] { elements.map(\.bitPattern) }
}

/// A pass with its own threads.
func pass(threads: Int = 2) -> ForwardPass { ForwardPass(threads: ThreadPool(threads: threads)) }

extension ForwardPass {
  /// A nearest resize: what a 1x1 convolution without weights adds to nothing.
  func enlargedNearest(_ x: Tensor, height: Int, width: Int) -> Tensor {
    let channels = x.shape[3]
    let weight = PackedConvolution(
      Tensor(zeros: [channels, 1, 1, 1]), ConvolutionGeometry(kernel: 1))
    return convolution(
      Tensor(zeros: [x.shape[0], height, width, 1]), weight, bias: nil, addingNearest: x,
      layer: "enlarged")
  }
}
