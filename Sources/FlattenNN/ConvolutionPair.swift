import FlattenTensor

/// A convolution that a ``ConvolutionPair`` may take in; its weights are prepared when it is first called
/// by itself.
package final class JoinableConv2D: Sendable {
  let stored: StoredConvolution
  private let prepared = Locked<Conv2D?>(nil)

  package init(_ stored: StoredConvolution) { self.stored = stored }

  /// Prepares the weights now.
  func prepare() { _ = convolution }

  private var convolution: Conv2D {
    prepared.withLock { known in
      let convolution = known ?? Conv2D(stored)
      known = convolution
      return convolution
    }
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor { convolution(x, pass) }
}

/// Two convolutions in a row. Where nothing happens between them and nobody looks there, they are one.
package struct ConvolutionPair: Sendable {
  private let first: JoinableConv2D
  private let second: JoinableConv2D
  private let joined: PackedConvolutionPair?

  /// - Parameters:
  ///   - first: 3x3 or not, with an activation or not: what cannot be joined is computed in turn.
  package init(_ first: JoinableConv2D, _ second: JoinableConv2D) {
    self.first = first
    self.second = second
    let (one, two) = (first.stored, second.stored)
    let window = ConvolutionGeometry(kernel: 3, padding: 1)
    let isJoined =
      one.geometry == window && two.geometry == window && one.activation == .none
      && one.scale == nil
      && PackedConvolutionPair.saves(
        inputs: one.weight.shape[1], middle: one.weight.shape[0], outputs: two.weight.shape[0])
    joined =
      isJoined
      ? PackedConvolutionPair(
        first: (one.weight, one.bias), second: (two.weight, two.scale, two.bias), one.packing)
      : nil
    if !isJoined {
      first.prepare()
      second.prepare()
    }
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    guard let joined, !pass.isObserved else { return second(first(x, pass), pass) }
    return pass.convolutionPair(
      x, joined, activation: second.stored.activation,
      layer: "\(first.stored.path) + \(second.stored.path)")
  }
}
