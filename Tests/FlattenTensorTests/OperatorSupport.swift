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
    case .sigmoid: 1 / (1 + exp(-x))
    case .silu: x / (1 + exp(-x))
    case .elu: x > 0 ? x : expm1(x)
    case .eluPlusOne: x > 0 ? x + 1 : exp(x)
    case .geluTanh:
      0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .hardSwish: x * min(max(x + 3, 0), 6) / 6
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
func pass(threads: Int = 2, _ purpose: Purpose = .inference) -> ForwardPass {
  ForwardPass(threads: ThreadPool(threads: threads), purpose: purpose)
}

/// A dense convolution's weights as PyTorch stores them, without what follows.
struct ConvolutionWeights {
  let weight: Tensor
  let geometry: ConvolutionGeometry
  let context: LoadingContext

  init(_ weight: Tensor, _ geometry: ConvolutionGeometry, _ context: LoadingContext = .plain) {
    self.weight = weight
    self.geometry = geometry
    self.context = context
  }
}

extension ForwardPass {
  /// A convolution that is prepared for this call.
  func convolution(
    _ x: Tensor, _ weights: ConvolutionWeights, bias: Tensor?, activation: Activation = .none,
    addingNearest coarse: Tensor? = nil, residual: Tensor? = nil, layer: String
  ) -> Tensor {
    let stored = StoredConvolution(
      weights.geometry, weight: weights.weight, bias: bias, norm: nil, activation: activation)
    return convolution(
      x, PackedConvolution(stored, weights.context), addingNearest: coarse, residual: residual,
      layer: layer)
  }

  /// Both halves of linear attention, as FLatten joins them.
  ///
  /// - Parameter kv: `[B, n, 2C]`, of which the last C channels are the values.
  func linearAttention(
    _ q: Tensor, _ k: Tensor, kv: Tensor, heads: Int, layer: String
  ) -> Tensor {
    let channels = k.shape[2]
    let state = linearAttentionState(
      k, kv, channels: channels..<2 * channels, heads: heads, layer: "\(layer).state")
    return linearAttention(q, state, normaliser: .meanKey(epsilon: 1e-6), layer: layer)
  }
}

extension DepthwiseWeight {
  /// Weights `[kernel * kernel, C]`, tap by tap.
  init(taps weight: Tensor, bias: Tensor?) {
    let (area, channels) = (weight.shape[0], weight.shape[1])
    let kernel = Int(Double(area).squareRoot())
    let values = weight.elements
    self.init(
      Tensor(
        [channels, 1, kernel, kernel],
        (0..<channels * area).map { values[$0 % area * channels + $0 / area] }),
      bias: bias)
  }
}

extension ForwardPass {
  /// A nearest resize: what a 1x1 convolution without weights adds to nothing.
  func enlargedNearest(_ x: Tensor, height: Int, width: Int) -> Tensor {
    let channels = x.shape[3]
    let weight = ConvolutionWeights(
      Tensor(zeros: [channels, 1, 1, 1]), ConvolutionGeometry(kernel: 1))
    return convolution(
      Tensor(zeros: [x.shape[0], height, width, 1]), weight, bias: nil, addingNearest: x,
      layer: "enlarged")
  }
}
