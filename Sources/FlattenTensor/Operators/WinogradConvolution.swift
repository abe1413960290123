import FlattenKernels

/// A dense convolution's weights, in either order of inputs and taps.
struct WindowWeights {
  let tensor: Tensor
  let window: Int
  let inputs: Int
  let outputs: Int
  /// Elements from one input to the next, and from one tap to the next.
  let inputStride: Int
  let tapStride: Int

  /// - Parameter weight: as PyTorch stores it, `[outputs, inputs, window, window]`.
  init(_ weight: Tensor) {
    tensor = weight
    window = weight.shape[2]
    outputs = weight.shape[0]
    inputs = weight.shape[1]
    inputStride = window * window
    tapStride = 1
  }

  /// - Parameter weight: `[outputs, window * window * inputs]`.
  init(tapMajor weight: Tensor, window: Int) {
    tensor = weight
    self.window = window
    outputs = weight.shape[0]
    inputs = weight.shape[1] / (window * window)
    inputStride = 1
    tapStride = inputs
  }
}

/// Weights of a 3x3 or 5x5 convolution transformed for Winograd's F(4x4, 3x3) or F(4x4, 5x5): one packed
/// matrix for each position of a transformed patch.
struct WinogradWeights: Sendable {
  /// Rows and columns of the window, 3 or 5.
  let window: Int
  let inputs: Int
  let outputs: Int
  let precision: Precision
  /// Floats of one packed matrix.
  let matrixCount: Int
  let packed: Tensor

  /// Positions of a transformed patch: 6x6 or 8x8.
  var positions: Int { (window + 3) * (window + 3) }

  /// - Parameter scale: `[outputs]`, multiplied into the weights.
  init(_ weight: WindowWeights, scale: Tensor? = nil, _ context: LoadingContext = .plain) {
    let (outputs, inputs, window) = (weight.outputs, weight.inputs, weight.window)
    let (taps, positions) = (window * window, (window + 3) * (window + 3))
    let precision = context.precision
    self.window = window
    self.outputs = outputs
    self.inputs = inputs
    self.precision = precision
    let count = Products.packedCount(depth: inputs, columns: outputs, precision)
    matrixCount = count
    packed = Tensor(uninitialized: [positions, count], pool: context.memory)
    let target = packed.mutablePointer
    // Written where packing would put them: windows of one panel side by side, then their transforms.
    // Panels are independent of each other, and so are the inputs.
    let panel = Products.panel
    let block = min(inputs, 16)
    let blocks = (inputs + block - 1) / block
    let kernels = fk_active().pointee
    context.threads.run((outputs + panel - 1) / panel * blocks) { task in
      let (column, input) = (task / blocks * panel, task % blocks * block)
      let inputCount = min(block, inputs - input)
      let columns = min(panel, outputs - column)
      let exactCount = precision == .bfloat16 ? positions * inputCount * panel : 0
      let staged = Tensor(
        uninitialized: [inputCount * taps * panel + panel + exactCount], pool: context.staging)
      let lanes = staged.mutablePointer
      let factors = lanes + inputCount * taps * panel
      factors.update(repeating: 0, count: panel)
      for lane in 0..<columns { factors[lane] = scale?.pointer[column + lane] ?? 1 }
      let start = weight.tensor.pointer + column * inputs * taps + input * weight.inputStride
      for index in 0..<inputCount {
        kernels.gemm_pack(
          start + index * weight.inputStride, weight.tapStride, inputs * taps, taps, columns,
          lanes + index * taps * panel)
      }
      let place = target + Products.packedCount(depth: inputs, columns: column, precision)
      // In bfloat16 the transforms of these inputs are rounded as a whole: pairs are neighbours.
      let exact = precision == .float32 ? place + input * panel : factors + panel
      let exactStride = precision == .float32 ? count : inputCount * panel
      for index in 0..<inputCount {
        kernels.winograd_weights(
          Int32(window), lanes + index * taps * panel, factors, panel, exact + index * panel,
          exactStride)
      }
      if precision == .float32 { return }
      for position in 0..<positions {
        Products.pack(
          exact + position * exactStride, depthStride: panel, columnStride: 1, depth: inputCount,
          columns: panel, .bfloat16,
          into: place + position * count
            + Products.packedCount(
              depth: input, columns: panel, .bfloat16))
      }
    }
  }
}

extension ForwardPass {
  /// A convolution with stride 1 that keeps the map's size, tile by tile of 4x4 pixels.
  ///
  /// - Parameter border: what the outermost pixels get in addition, before the activation.
  func winograd(
    _ x: Tensor, _ weight: WinogradWeights, bias: Tensor?, activation: Activation,
    border: BorderTerms? = nil, into y: UnsafeMutablePointer<Float>
  ) {
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    let (inputs, outputs, positions) = (weight.inputs, weight.outputs, weight.positions)
    let (window, reach) = (Int32(weight.window), weight.window / 2)
    let (rows, columns) = ((height + 3) / 4, (width + 3) / 4)
    let tiles = batch * rows * columns
    // Where reading the weights is what takes the time, each task reads some outputs' only.
    let parts = tiles <= Self.fewTiles && outputs % (2 * Products.panel) == 0 ? 2 : 1
    let part = outputs / parts
    // Products of all outputs beside the patches may be more than the cache holds: some outputs after the others.
    let chunk = min(part, Self.outputsAtOnce)
    let fitting = Self.cachedFloats / (positions * (inputs + chunk))
    let most = max(Products.rows, fitting / Products.rows * Products.rows)
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
      withScratch(positions * (patchCount + count * chunk)) { memory in
        let products = memory + positions * patchCount
        func patches(_ position: Int) -> RowBlock {
          RowBlock(
            in: memory + position * patchCount, rows: count, columns: inputs, weight.precision)
        }
        for index in 0..<count {
          let tile = first + index
          let image = x.pointer + tile / (rows * columns) * height * width * inputs
          let top = tile / columns % rows * 4 - reach
          let left = tile % columns * 4 - reach
          let patch = patches(0)
          let place = index * patch.stride
          switch weight.precision {
          case .float32:
            kernels.winograd_input(
              window, image, height, width, inputs, top, left, patch.floats + place, patchCount)
          case .bfloat16:
            kernels.bf16_winograd_input(
              window, image, height, width, inputs, top, left, patch.halves + place,
              2 * patchCount)
          }
        }
        for column in stride(from: columnOffset, to: columnOffset + part, by: chunk) {
          let wide = min(chunk, columnOffset + part - column)
          for position in 0..<positions {
            Products.multiply(
              patches(position), packed: weight.packed.pointer + position * weight.matrixCount,
              columns: column..<column + wide, of: outputs,
              into: products + position * count * wide, stride: wide)
          }
          for index in 0..<count {
            let tile = first + index
            let item = tile / (rows * columns)
            let (top, left) = (tile / columns % rows * 4, tile % columns * 4)
            let area = MapArea(
              item: item, rows: top..<min(top + 4, height), columns: left..<min(left + 4, width))
            let border = area.isInside(height: height, width: width) ? nil : border
            let target = y + ((item * height + top) * width + left) * outputs + column
            kernels.winograd_output(
              window, products + index * wide, count * wide, wide,
              bias.map { $0.pointer + column },
              border == nil ? activation.code : FK_NONE, target, width * outputs, outputs,
              area.rows.count, area.columns.count)
            border?.finish(
              area, channels: column..<column + wide, activation, kernels, target)
          }
        }
      }
    }
  }

  /// Patches and products of a block that stay in a second-level cache of 1 MB.
  private static let cachedFloats = 1 << 18
  /// Outputs of a tile that are made at once where there are more: whole panels of every instruction set. Measured
  /// on a Zen 5 with RetinaNet's 720 outputs.
  private static let outputsAtOnce = 256
  /// Up to so many tiles the weights are divided between tasks, not only the tiles.
  private static let fewTiles = 128
}

/// Some pixels of one map of a batch.
struct MapArea {
  let item: Int
  let rows: Range<Int>
  let columns: Range<Int>

  /// Whether none of the pixels is one of the map's outermost.
  func isInside(height: Int, width: Int) -> Bool {
    rows.lowerBound > 0 && rows.upperBound < height && columns.lowerBound > 0
      && columns.upperBound < width
  }
}
