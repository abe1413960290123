import FlattenKernels

/// A dense convolution's weights prepared once, at load, for the way it is computed.
///
/// 3x3 and 5x5 windows with stride 1 that keep the map's size go through Winograd's F(4x4, 3x3) and
/// F(4x4, 5x5), a quarter and a sixth of the multiplications; all others gather the windows of some
/// pixels into rows and multiply those.
package struct PackedConvolution: Sendable {
  enum Method: Sendable {
    case gathered(PackedMatrix)
    case winograd(WinogradWeights)
  }

  let method: Method
  let geometry: ConvolutionGeometry
  /// Channels of the input.
  package let inputs: Int
  /// Channels of the output.
  package let outputs: Int

  /// Weights as the checkpoint has them.
  var count: Int { geometry.kernel * geometry.kernel * inputs * outputs }

  /// Below this many channels the transforms cost more than they save.
  static let leastChannels = 32

  /// - Parameters:
  ///   - weight: as PyTorch stores it, `[outputs, inputs, kernel, kernel]`.
  ///   - scale: `[outputs]`, multiplied into the weights.
  package init(
    _ weight: Tensor, scale: Tensor? = nil, _ geometry: ConvolutionGeometry,
    _ packing: Packing = .plain
  ) {
    let kernel = geometry.kernel
    precondition(
      weight.shape.count == 4 && weight.shape[2] == kernel && weight.shape[3] == kernel,
      "weight \(weight.shape) for kernel \(kernel)")
    outputs = weight.shape[0]
    inputs = weight.shape[1]
    self.geometry = geometry
    let isWinograd =
      (kernel == 3 || kernel == 5)
      && geometry == ConvolutionGeometry(kernel: kernel, padding: kernel / 2)
      && min(inputs, outputs) >= Self.leastChannels
      && (packing.precision == .float32 ? Engine.usesKernels : inputs % 2 == 0)
    method =
      isWinograd
      ? .winograd(WinogradWeights(WindowWeights(weight), scale: scale, packing))
      : .gathered(PackedMatrix(windowMajor(weight, scale: scale, packing), packing))
  }
}

/// PyTorch's `[outputs, inputs, kernel, kernel]` as `[outputs, kernel * kernel * inputs]`, each output
/// multiplied by its scale.
private func windowMajor(_ weight: Tensor, scale: Tensor?, _ packing: Packing) -> Tensor {
  let (outputs, inputs) = (weight.shape[0], weight.shape[1])
  let window = weight.shape[2] * weight.shape[3]
  if window == 1 && scale == nil { return weight.reshaped([outputs, inputs]) }
  let result = Tensor(uninitialized: [outputs, window * inputs], pool: packing.staging)
  let packed = result.mutablePointer
  packing.threads.run(outputs) { output in
    let factor = scale.map { $0.pointer[output] } ?? 1
    let row = packed + output * window * inputs
    for input in 0..<inputs {
      let source = weight.pointer + (output * inputs + input) * window
      for position in 0..<window { row[position * inputs + input] = source[position] * factor }
    }
  }
  return result
}
