import FlattenKernels

/// Weights of a 3x3 convolution transformed for Winograd's F(4x4, 3x3): 36 packed matrices.
struct WinogradWeights: Sendable {
  /// Positions of a transformed 6x6 patch.
  static let positions = 36

  let inputs: Int
  let outputs: Int
  /// Floats of one packed matrix.
  let matrixCount: Int
  let packed: Tensor

  /// - Parameters:
  ///   - weight: `[outputs, inputs, 3, 3]`.
  ///   - scale: `[outputs]`, multiplied into the weights.
  init(_ weight: Tensor, scale: Tensor?) {
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    self.outputs = outputs
    self.inputs = inputs
    let count = Engine.packedCount(depth: inputs, columns: outputs)
    matrixCount = count
    packed = Tensor([Self.positions, count]) { target in
      guard let target = target.baseAddress else { return }
      // Written where packing would put them; panels are independent of each other.
      let panel = Engine.panel
      let threads = ThreadPool(threads: ThreadPool.availableProcessors)
      threads.run((outputs + panel - 1) / panel) { index in
        var window = [Float](repeating: 0, count: 9)
        for input in 0..<inputs {
          let place = target + (index * inputs + input) * panel
          for lane in 0..<panel {
            let output = index * panel + lane
            if output < outputs {
              let factor = scale.map { $0.pointer[output] } ?? 1
              let source = weight.pointer + (output * inputs + input) * 9
              for tap in 0..<9 { window[tap] = source[tap] * factor }
              fk_winograd_weights(window, place + lane, count)
            } else {
              for position in 0..<Self.positions { place[position * count + lane] = 0 }
            }
          }
        }
      }
    }
  }
}

extension ForwardPass {
  /// A 3x3 convolution with stride 1 and padding 1, tile by tile of 4x4 pixels.
  func winograd(
    _ x: Tensor, _ weight: WinogradWeights, bias: Tensor?, activation: Activation,
    into y: UnsafeMutablePointer<Float>
  ) {
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    let (inputs, outputs) = (weight.inputs, weight.outputs)
    let (rows, columns) = ((height + 3) / 4, (width + 3) / 4)
    let tiles = batch * rows * columns
    // Each block of tiles reads all weights once, so blocks are large; they are equal in size and even
    // in number, so that two threads end together.
    let pairs = (tiles + 2 * Self.winogradBlock - 1) / (2 * Self.winogradBlock)
    let block = (tiles + 2 * pairs - 1) / (2 * pairs)
    let kernels = kernels
    chunks(tiles, of: block) { [self] range in
      let count = range.count
      withScratch(WinogradWeights.positions * count * (inputs + outputs)) { patches in
        let products = patches + WinogradWeights.positions * count * inputs
        for (index, tile) in range.enumerated() {
          let image = x.pointer + tile / (rows * columns) * height * width * inputs
          kernels.winograd_input(
            image, height, width, inputs, tile / columns % rows * 4 - 1, tile % columns * 4 - 1,
            patches + index * inputs, count * inputs)
        }
        for position in 0..<WinogradWeights.positions {
          Engine.multiply(
            patches + position * count * inputs, rowStride: inputs, depthStride: 1, rows: count,
            depth: inputs, packed: weight.packed.pointer + position * weight.matrixCount,
            columns: 0..<outputs, of: outputs, into: products + position * count * outputs,
            stride: outputs)
        }
        for (index, tile) in range.enumerated() {
          let image = y + tile / (rows * columns) * height * width * outputs
          let (top, left) = (tile / columns % rows * 4, tile % columns * 4)
          kernels.winograd_output(
            products + index * outputs, count * outputs, outputs, bias?.pointer, activation.code,
            image + (top * width + left) * outputs, width * outputs, min(4, height - top),
            min(4, width - left))
        }
      }
    }
  }

  /// Tiles that a block holds at most: their patches and products fit the third-level cache.
  private static let winogradBlock = 56
}
