import FlattenTensor

/// A convolution that a ``ConvolutionPair`` may take in; its weights are prepared when it is first called
/// by itself.
package final class JoinableConv2D: Sendable {
  private enum State {
    case stored(StoredConvolution)
    case prepared(Conv2D)
  }

  private let state: Locked<State>

  package init(_ stored: StoredConvolution) { state = Locked(.stored(stored)) }

  /// What was read, while it has not been prepared.
  fileprivate var stored: StoredConvolution? {
    state.withLock { if case .stored(let stored) = $0 { stored } else { nil } }
  }

  /// Keeps what was read for as long as the model lives: out of the memory that is for loading.
  fileprivate func keep() {
    state.withLock { state in
      if case .stored(let stored) = state { state = .stored(stored.kept()) }
    }
  }

  /// Prepares the weights, the first time.
  @discardableResult fileprivate func prepared() -> Conv2D {
    state.withLock { state in
      switch state {
      case .prepared(let convolution): return convolution
      case .stored(let stored):
        let convolution = Conv2D(stored)
        state = .prepared(convolution)
        return convolution
      }
    }
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor { prepared()(x, pass) }
}

/// Two convolutions in a row. Where nothing happens between them and nobody looks there, they are one.
package struct ConvolutionPair: Sendable {
  private struct Joined: Sendable {
    let weight: PackedConvolutionPair
    let activation: Activation
    let path: String
  }

  private let first: JoinableConv2D
  private let second: JoinableConv2D
  private let joined: Joined?

  /// - Parameters:
  ///   - first: 3x3 or not, with an activation or not: what cannot be joined is computed in turn.
  ///   - isLarge: whether maps are so large that joining, which takes time at load, pays.
  package init(_ first: JoinableConv2D, _ second: JoinableConv2D, isLarge: Bool) {
    self.first = first
    self.second = second
    guard isLarge, let one = first.stored, let two = second.stored, one.joins(two) else {
      joined = nil
      first.prepared()
      second.prepared()
      return
    }
    joined = Joined(
      weight: PackedConvolutionPair(
        first: (one.weight, one.bias), second: (two.weight, two.scale, two.bias), one.packing),
      activation: two.activation, path: "\(one.path) + \(two.path)")
    first.keep()
    second.keep()
  }

  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor {
    guard let joined, !pass.isObserved else { return second(first(x, pass), pass) }
    return pass.convolutionPair(
      x, joined.weight, activation: joined.activation, layer: joined.path)
  }
}

extension StoredConvolution {
  /// Whether another convolution after this one makes a pair that is worth joining.
  fileprivate func joins(_ next: StoredConvolution) -> Bool {
    let window = ConvolutionGeometry(kernel: 3, padding: 1)
    return geometry == window && next.geometry == window && activation == .none && scale == nil
      && PackedConvolutionPair.saves(
        inputs: weight.shape[1], middle: weight.shape[0], outputs: next.weight.shape[0])
  }
}
