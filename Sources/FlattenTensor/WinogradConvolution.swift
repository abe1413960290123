import FlattenKernels

/// Weights of a 3x3 convolution transformed for Winograd's F(4x4, 3x3): 36 packed matrices.
struct WinogradWeights: Sendable {
  /// Positions of a transformed 6x6 patch.
  static let positions = 36

  let inputs: Int
  let outputs: Int
  let precision: Precision
  /// Floats of one packed matrix.
  let matrixCount: Int
  let packed: Tensor

  /// - Parameters:
  ///   - weight: `[outputs, inputs, 3, 3]`.
  ///   - scale: `[outputs]`, multiplied into the weights.
  init(_ weight: Tensor, scale: Tensor?, _ packing: Packing = .plain) {
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let precision = packing.precision
    self.outputs = outputs
    self.inputs = inputs
    self.precision = precision
    let count = Engine.packedCount(depth: inputs, columns: outputs, precision)
    matrixCount = count
    packed = Tensor(uninitialized: [Self.positions, count], pool: packing.memory)
    let target = packed.mutablePointer
    // Written where packing would put them: windows of one panel side by side, then their transforms.
    // Panels are independent of each other, and so are the inputs.
    let panel = Engine.panel
    let block = min(inputs, 16)
    let blocks = (inputs + block - 1) / block
    let kernels = fk_active().pointee
    packing.threads.run((outputs + panel - 1) / panel * blocks) { task in
      let (column, input) = (task / blocks * panel, task % blocks * block)
      let inputCount = min(block, inputs - input)
      let columns = min(panel, outputs - column)
      let exactCount = precision == .bfloat16 ? Self.positions * inputCount * panel : 0
      let staged = Tensor(
        uninitialized: [inputCount * 9 * panel + panel + exactCount], pool: packing.staging)
      let lanes = staged.mutablePointer
      let factors = lanes + inputCount * 9 * panel
      for lane in 0..<panel {
        factors[lane] = lane < columns ? scale.map { $0.pointer[column + lane] } ?? 1 : 0
      }
      kernels.gemm_pack(
        weight.pointer + (column * inputs + input) * 9, 1, inputs * 9, inputCount * 9, columns,
        lanes)
      let place = target + Engine.packedCount(depth: inputs, columns: column, precision)
      // In bfloat16 the transforms of these inputs are rounded as a whole: pairs are neighbours.
      let exact = precision == .float32 ? place + input * panel : factors + panel
      let exactStride = precision == .float32 ? count : inputCount * panel
      for index in 0..<inputCount {
        kernels.winograd_weights(
          lanes + index * 9 * panel, factors, panel, exact + index * panel, exactStride)
      }
      if precision == .float32 { return }
      for position in 0..<Self.positions {
        Engine.pack(
          exact + position * exactStride, depthStride: panel, columnStride: 1, depth: inputCount,
          columns: panel, .bfloat16,
          into: place + position * count + Engine.packedCount(
            depth: input, columns: panel, .bfloat16))
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
    // Where reading the weights is what takes the time, each task reads some outputs' only.
    let parts = tiles <= Self.fewTiles && outputs % (2 * Engine.panel) == 0 ? 2 : 1
    let part = outputs / parts
    let fitting = Self.cachedFloats / (WinogradWeights.positions * (inputs + part))
    let most = max(Engine.rows, fitting / Engine.rows * Engine.rows)
    // Blocks are equal in size and, with all outputs, even in number: two threads end together.
    let group = 2 / parts
    let groups = (tiles + group * most - 1) / (group * most)
    let block = (tiles + group * groups - 1) / (group * groups)
    let kernels = kernels
    threads.run((tiles + block - 1) / block * parts) { [self] task in
      let first = task / parts * block
      let count = min(block, tiles - first)
      let columnOffset = task % parts * part
      let patchCount = RowBlock.count(rows: count, columns: inputs, weight.precision)
      withScratch(WinogradWeights.positions * (patchCount + count * part)) { memory in
        let products = memory + WinogradWeights.positions * patchCount
        let patches = (0..<WinogradWeights.positions).map { position in
          RowBlock(
            in: memory + position * patchCount, rows: count, columns: inputs, weight.precision)
        }
        for index in 0..<count {
          let tile = first + index
          let image = x.pointer + tile / (rows * columns) * height * width * inputs
          let (top, left) = (tile / columns % rows * 4 - 1, tile % columns * 4 - 1)
          let place = index * patches[0].stride
          switch weight.precision {
          case .float32:
            kernels.winograd_input(
              image, height, width, inputs, top, left, patches[0].floats + place, patchCount)
          case .bfloat16:
            kernels.bf16_winograd_input(
              image, height, width, inputs, top, left, patches[0].halves + place, 2 * patchCount)
          }
        }
        for position in 0..<WinogradWeights.positions {
          Engine.multiply(
            patches[position], packed: weight.packed.pointer + position * weight.matrixCount,
            columns: columnOffset..<columnOffset + part, of: outputs,
            into: products + position * count * part, stride: part)
        }
        for index in 0..<count {
          let tile = first + index
          let (top, left) = (tile / columns % rows * 4, tile % columns * 4)
          let pixel = (tile / (rows * columns) * height + top) * width + left
          kernels.winograd_output(
            products + index * part, count * part, part, bias.map { $0.pointer + columnOffset },
            activation.code, y + pixel * outputs + columnOffset, width * outputs, outputs,
            min(4, height - top), min(4, width - left))
        }
      }
    }
  }

  /// Patches and products of a block that stay in a second-level cache of 1 MB.
  private static let cachedFloats = 1 << 18
  /// Up to so many tiles the weights are divided between tasks, not only the tiles.
  private static let fewTiles = 128
}
