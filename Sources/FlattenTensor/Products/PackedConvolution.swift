import FlattenKernels

/// Batch normalisation with running statistics, `gamma (x - mean) / sqrt(variance + epsilon) + beta`, all
/// `[C]`; for inference and inspection the convolution before it takes it into its weights.
package struct BatchNormStatistics: Sendable {
  package let gamma: Tensor
  package let beta: Tensor
  package let mean: Tensor
  package let variance: Tensor
  package let epsilon: Float

  package init(gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, epsilon: Float) {
    self.gamma = gamma
    self.beta = beta
    self.mean = mean
    self.variance = variance
    self.epsilon = epsilon
  }

  /// `gamma / sqrt(variance + epsilon)`.
  var scale: Tensor {
    Tensor(
      gamma.shape, zip(gamma.elements, variance.elements).map { $0 / ($1 + epsilon).squareRoot() })
  }

  /// What a convolution's bias becomes, `beta + (bias - mean) * scale`; `nil` stands for zeros.
  func shift(of bias: Tensor?) -> Tensor {
    let (beta, mean, scale, bias) = (
      beta.elements, mean.elements, scale.elements, bias?.elements
    )
    return Tensor(
      gamma.shape, beta.indices.map { beta[$0] + ((bias?[$0] ?? 0) - mean[$0]) * scale[$0] })
  }
}

/// A dense convolution as the checkpoint has it, with what follows it.
package struct StoredConvolution: Sendable {
  package let geometry: ConvolutionGeometry
  /// `[outputs, inputs, kernel, kernel]`.
  package let weight: Tensor
  /// `[outputs]`.
  package let bias: Tensor?
  /// After the bias.
  package let norm: BatchNormStatistics?
  package let activation: Activation

  package init(
    _ geometry: ConvolutionGeometry, weight: Tensor, bias: Tensor?, norm: BatchNormStatistics?,
    activation: Activation
  ) {
    self.geometry = geometry
    self.weight = weight
    self.bias = bias
    self.norm = norm
    self.activation = activation
  }
}

/// A dense convolution's weights prepared once, at load, for the way it is computed; a batch norm after it is
/// taken in.
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
  /// `[outputs]`.
  let bias: Tensor?
  let activation: Activation
  /// Channels of the input.
  package let inputs: Int
  /// Channels of the output.
  package let outputs: Int

  /// Weights as the checkpoint has them.
  var count: Int { geometry.kernel * geometry.kernel * inputs * outputs }

  /// Below this many channels the transforms cost more than they save.
  static let leastChannels = 32

  package init(_ stored: StoredConvolution, _ context: LoadingContext = .plain) {
    let (weight, geometry, kernel) = (stored.weight, stored.geometry, stored.geometry.kernel)
    precondition(
      weight.shape.count == 4 && weight.shape[2] == kernel && weight.shape[3] == kernel,
      "weight \(weight.shape) for kernel \(kernel)")
    outputs = weight.shape[0]
    inputs = weight.shape[1]
    self.geometry = geometry
    bias = stored.norm?.shift(of: stored.bias) ?? stored.bias
    activation = stored.activation
    let scale = stored.norm?.scale
    let isWinograd =
      (kernel == 3 || kernel == 5)
      && geometry == ConvolutionGeometry(kernel: kernel, padding: kernel / 2)
      && min(inputs, outputs) >= Self.leastChannels
      && (context.precision == .float32 || inputs % 2 == 0)
    method =
      isWinograd
      ? .winograd(WinogradWeights(WindowWeights(weight), scale: scale, context))
      : .gathered(PackedMatrix(windowMajor(weight, scale: scale, context), context))
  }
}

/// PyTorch's `[outputs, inputs, kernel, kernel]` as `[outputs, kernel * kernel * inputs]`, each output
/// multiplied by its scale.
private func windowMajor(_ weight: Tensor, scale: Tensor?, _ context: LoadingContext) -> Tensor {
  let (outputs, inputs) = (weight.shape[0], weight.shape[1])
  let window = weight.shape[2] * weight.shape[3]
  if window == 1 && scale == nil { return weight.reshaped([outputs, inputs]) }
  let result = Tensor(uninitialized: [outputs, window * inputs], pool: context.staging)
  let packed = result.mutablePointer
  context.threads.run(outputs) { output in
    let factor = scale.map { $0.pointer[output] } ?? 1
    let row = packed + output * window * inputs
    for input in 0..<inputs {
      let source = weight.pointer + (output * inputs + input) * window
      for position in 0..<window { row[position * inputs + input] = source[position] * factor }
    }
  }
  return result
}
