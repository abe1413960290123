import FlattenCheckpoint
import FlattenTensor
import Foundation
import TestSupport

/// Named tensors as a checkpoint.
final class Parameters: ParameterSource {
  let name = "made for a test"
  private let tensors: [(name: String, tensor: Tensor)]

  private let claimedShape: [Int]?

  /// - Parameter claiming: a shape that all tensors pretend to have.
  init(_ tensors: [(name: String, tensor: Tensor)], claiming shape: [Int]? = nil) {
    self.tensors = tensors
    claimedShape = shape
  }

  var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] {
    tensors.map { ($0.name, claimedShape ?? Array($0.tensor.shape), true) }
  }

  func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    for (known, tensor) in tensors where known == name {
      _ = buffer.update(fromContentsOf: tensor.elements)
    }
  }

  static func tree(_ tensors: (String, Tensor)...) -> ParameterTree {
    ParameterTree(source: Parameters(tensors.map { (name: $0.0, tensor: $0.1) }))
  }
}

extension Tensor {
  /// Numbers without a pattern, between -1 and 1 before the offset, the same for the same seed.
  static func noise(_ shape: Shape, seed: Int, offset: Float = 0) -> Tensor {
    var state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 &+ 1
    let values = (0..<shape.reduce(1, *)).map { _ -> Float in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31 + offset
    }
    return Tensor(shape, values)
  }

  /// What differs from the definition by more than a few roundings of the largest element, or `nil`.
  func mismatch(_ expected: [Double], _ shape: Shape) -> String? {
    Comparison.mismatch(
      elements, shape: self.shape, expected: expected, expectedShape: shape,
      atol: 3e-6 * max(expected.map(abs).max() ?? 0, 1e-3))
  }
}

/// A pass with two threads.
func pass() -> ForwardPass { ForwardPass(threads: ThreadPool(threads: 2)) }
