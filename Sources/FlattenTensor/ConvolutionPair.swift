import FlattenKernels

/// Two 3x3 convolutions with nothing between them, prepared as one with a 5x5 window.
///
/// The second convolution reads zeros beyond the map, where the first, continued, would have values: on
/// the map's outermost pixels one window adds too much. What that is depends on the outermost pixels of
/// the input alone, and for each direction in which the map ends a small matrix subtracts it.
package struct PackedConvolutionPair: Sendable {
  /// One direction in which the map ends.
  struct Border: Sendable {
    /// Rows and columns of a step out of the map, -1 to 1.
    let step: (row: Int, column: Int)
    /// From a line of 5 of the outermost pixels, or from a corner, to what is added there.
    let weight: PackedMatrix
    let bias: Tensor

    var isCorner: Bool { step.row != 0 && step.column != 0 }

    /// Pixels that a map has in this direction.
    func length(height: Int, width: Int) -> Int {
      isCorner ? 1 : step.row != 0 ? width : height
    }
  }

  let weight: WinogradWeights
  /// `[outputs]`.
  let bias: Tensor
  let borders: [Border]
  /// Channels of the input.
  package let inputs: Int
  /// Channels between the two.
  package let middle: Int
  /// Channels of the output.
  package let outputs: Int

  /// Whether one window takes fewer multiplications than two, each by Winograd's method: 4 for each
  /// pixel, input and output, where each of two takes 2.25.
  package static func saves(inputs: Int, middle: Int, outputs: Int) -> Bool {
    4 * inputs * outputs < (inputs + outputs) * middle * 9 / 4
      && min(inputs, middle, outputs) >= PackedConvolution.leastChannels && inputs % 2 == 0
      && Engine.usesKernels
  }

  /// - Parameters:
  ///   - first: `[middle, inputs, 3, 3]`, and `[middle]`.
  ///   - second: `[outputs, middle, 3, 3]`, multiplied by its scale, and `[outputs]`.
  package init(
    first: (weight: Tensor, bias: Tensor?), second: (weight: Tensor, scale: Tensor?, bias: Tensor?),
    _ packing: Packing = .plain
  ) {
    let (inputs, middle, outputs) = (
      first.weight.shape[1], first.weight.shape[0], second.weight.shape[0]
    )
    precondition(
      first.weight.shape == [middle, inputs, 3, 3]
        && second.weight.shape == [outputs, middle, 3, 3],
      "convolutions \(first.weight.shape) and \(second.weight.shape) do not follow each other")
    self.inputs = inputs
    self.middle = middle
    self.outputs = outputs
    let steps = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    let whole = ComposedWindow(
      steps: (0, 0), outputs: outputs, inputs: inputs, pool: packing.staging)
    let ends = steps.map {
      ComposedWindow(steps: $0, outputs: outputs, inputs: inputs, pool: packing.staging)
    }
    compose(first, second, into: [whole] + ends, packing)
    weight = WinogradWeights(
      whole.weight.reshaped([outputs, inputs, 5, 5]), scale: nil, packing)
    bias = whole.bias
    borders = ends.map { end in
      Border(
        step: end.step,
        weight: PackedMatrix(end.tapMajor(pool: packing.staging), packing), bias: end.bias)
    }
  }
}

/// The window that two convolutions make together, or what of it passes a border of the map: with a step
/// of (-1, 0), the second's taps one row up, and the first's one row down again.
private struct ComposedWindow {
  let step: (row: Int, column: Int)
  let inputs: Int
  let rows: Int
  let columns: Int
  /// `[outputs, inputs * rows * columns]`.
  let weight: Tensor
  /// `[outputs]`.
  let bias: Tensor

  init(steps: (Int, Int), outputs: Int, inputs: Int, pool: BufferPool?) {
    step = steps
    self.inputs = inputs
    rows = steps.0 == 0 ? 5 : 1
    columns = steps.1 == 0 ? 5 : 1
    weight = Tensor(uninitialized: [outputs, inputs * rows * columns], pool: pool)
    bias = Tensor(zeros: [outputs])
  }

  /// Sides are taken away; a corner was then taken away twice.
  var sign: Float { (step.row == 0) == (step.column == 0) ? 1 : -1 }

  /// Whether taps of the second and of the first convolution, as offsets, belong here.
  func takes(second: (Int, Int)) -> Bool {
    (step.row == 0 || second.0 == step.row) && (step.column == 0 || second.1 == step.column)
  }

  func takes(first: (Int, Int)) -> Bool { takes(second: (-first.0, -first.1)) }

  /// The place of a tap of the two together, offsets -2 to 2.
  func place(_ row: Int, _ column: Int) -> Int {
    (rows == 5 ? row + 2 : 0) * columns + (columns == 5 ? column + 2 : 0)
  }

  /// `[outputs, taps * inputs]`, as rows of pixels are multiplied.
  func tapMajor(pool: BufferPool?) -> Tensor {
    let taps = rows * columns
    let result = Tensor(uninitialized: weight.shape, pool: pool)
    for output in 0..<weight.shape[0] {
      let source = weight.pointer + output * inputs * taps
      let target = result.mutablePointer + output * inputs * taps
      for input in 0..<inputs {
        for tap in 0..<taps { target[tap * inputs + input] = source[input * taps + tap] }
      }
    }
    return result
  }
}

/// Writes the windows and the biases: products of all taps of the second convolution with all of the
/// first, added up by where they lead.
private func compose(
  _ first: (weight: Tensor, bias: Tensor?),
  _ second: (weight: Tensor, scale: Tensor?, bias: Tensor?),
  into windows: [ComposedWindow], _ packing: Packing
) {
  let (inputs, middle, outputs) = (
    first.weight.shape[1], first.weight.shape[0], second.weight.shape[0]
  )
  let columns = inputs * 9
  let right = Tensor(
    uninitialized: [Engine.packedCount(depth: middle, columns: columns)], pool: packing.staging)
  Engine.pack(
    first.weight.pointer, depthStride: columns, columnStride: 1, depth: middle, columns: columns,
    into: right.mutablePointer)
  packing.threads.run(outputs) { output in
    // The second's taps as rows: [9, middle].
    let left = Tensor(uninitialized: [9, middle], pool: packing.staging)
    let scale = second.scale.map { $0.pointer[output] } ?? 1
    let taps = second.weight.pointer + output * middle * 9
    for tap in 0..<9 {
      for channel in 0..<middle {
        left.mutablePointer[tap * middle + channel] = taps[channel * 9 + tap] * scale
      }
    }
    let products = Tensor(uninitialized: [9, columns], pool: packing.staging)
    Engine.multiply(
      left.pointer, rowStride: middle, depthStride: 1, rows: 9, depth: middle,
      packed: right.pointer, columns: 0..<columns, of: columns, into: products.mutablePointer,
      stride: columns)
    for window in windows {
      let count = window.weight.shape[1]
      let target = window.weight.mutablePointer + output * count
      target.update(repeating: 0, count: count)
      var bias: Float = 0
      for i in -1...1 {
        for j in -1...1 where window.takes(second: (i, j)) {
          let tap = (i + 1) * 3 + j + 1
          if let constant = first.bias {
            let row = left.pointer + tap * middle
            for channel in 0..<middle {
              bias += window.sign * row[channel] * constant.pointer[channel]
            }
          }
          for k in -1...1 {
            for l in -1...1 where window.takes(first: (k, l)) {
              let place = window.place(i + k, j + l)
              let source = products.pointer + tap * columns + (k + 1) * 3 + l + 1
              for input in 0..<inputs {
                target[input * window.rows * window.columns + place] +=
                  window.sign * source[input * 9]
              }
            }
          }
        }
      }
      let isWhole = window.step == (0, 0)
      window.bias.mutablePointer[output] =
        bias + (isWhole ? second.bias.map { $0.pointer[output] } ?? 0 : 0)
    }
  }
}

extension ForwardPass {
  /// Two 3x3 convolutions of padding 1, the activation after the second.
  ///
  /// - Parameter x: `[B, H, W, inputs]`.
  /// - Returns: `[B, H, W, outputs]`.
  package func convolutionPair(
    _ x: Tensor, _ pair: PackedConvolutionPair, activation: Activation, layer: String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer)
    precondition(
      channels == pair.inputs, "\(layer): x is \(x.shape), the weight takes \(pair.inputs)")
    let weights = 9 * pair.middle * (channels + pair.outputs)
    return output(
      [batch, height, width, pair.outputs], .convolution, layer: layer,
      macs: batch * height * width * weights, reading: x.count + weights
    ) { y in
      let terms = BorderTerms.Layout(pair, height: height, width: width)
      withScratch(batch * terms.count) { memory in
        computeBorders(x, pair, terms, into: memory)
        winograd(
          x, pair.weight, bias: pair.bias, activation: activation,
          border: BorderTerms(layout: terms, memory: memory), into: y)
      }
    }
  }

  private func computeBorders(
    _ x: Tensor, _ pair: PackedConvolutionPair, _ layout: BorderTerms.Layout,
    into terms: UnsafeMutablePointer<Float>
  ) {
    let (height, width, channels) = (layout.height, layout.width, pair.inputs)
    let piece = 64
    let pieces = (max(height, width) + piece - 1) / piece
    threads.run(x.shape[0] * pair.borders.count * pieces) { [self] task in
      let item = task / (pieces * pair.borders.count)
      let border = pair.borders[task / pieces % pair.borders.count]
      let length = border.length(height: height, width: width)
      let first = task % pieces * piece
      let count = min(piece, length - first)
      if count <= 0 { return }
      let image = x.pointer + item * height * width * channels
      let reach = border.isCorner ? 0 : 2
      withScratch((count + 2 * reach) * channels) { line in
        for index in 0..<count + 2 * reach {
          let target = line + index * channels
          let place = first + index - reach
          guard place >= 0 && place < length else {
            target.update(repeating: 0, count: channels)
            continue
          }
          let row = border.step.row == 0 ? place : border.step.row < 0 ? 0 : height - 1
          let column = border.step.column == 0 ? place : border.step.column < 0 ? 0 : width - 1
          target.update(from: image + (row * width + column) * channels, count: channels)
        }
        let rows = RowBlock(
          line, rows: count, columns: border.weight.inputs, stride: channels)
        withRows(rows, of: border.weight) { rows in
          border.weight.multiply(
            rows, columns: 0..<pair.outputs,
            epilogue: fk_epilogue(
              bias: border.bias.pointer, activation: FK_NONE, residual: nil, ldr: 0),
            into: terms + item * layout.count
              + (layout.starts[task / pieces % pair.borders.count] + first) * pair.outputs,
            stride: pair.outputs)
        }
      }
    }
  }
}

/// What is added to the outermost pixels of a map.
struct BorderTerms {
  /// Where the terms of each direction lie among those of one map.
  struct Layout {
    let height: Int
    let width: Int
    let outputs: Int
    let steps: [(row: Int, column: Int)]
    /// In pixels.
    let starts: [Int]
    /// Floats for one map.
    let count: Int

    init(_ pair: PackedConvolutionPair, height: Int, width: Int) {
      self.height = height
      self.width = width
      outputs = pair.outputs
      steps = pair.borders.map(\.step)
      var starts: [Int] = []
      var pixels = 0
      for border in pair.borders {
        starts.append(pixels)
        pixels += border.length(height: height, width: width)
      }
      self.starts = starts
      count = pixels * outputs
    }
  }

  let layout: Layout
  let memory: UnsafePointer<Float>

  /// Adds the terms of an area's pixels, and applies the activation to all of the area.
  ///
  /// - Parameters:
  ///   - channels: those that are computed.
  ///   - y: the first pixel's first such channel, in a map of the layout's size and all channels.
  func finish(
    _ area: MapArea, channels: Range<Int>, _ activation: Activation, _ kernels: fk_table,
    _ y: UnsafeMutablePointer<Float>
  ) {
    for row in area.rows {
      let line = y + (row - area.rows.lowerBound) * layout.width * layout.outputs
      for column in area.columns {
        let pixel = line + (column - area.columns.lowerBound) * layout.outputs
        for (index, step) in layout.steps.enumerated()
        where leaves(row, step.row, layout.height) && leaves(column, step.column, layout.width) {
          let place = step.row == 0 ? row : step.column == 0 ? column : 0
          let term = memory + area.item * layout.count
          kernels.add_scaled(
            pixel, term + (layout.starts[index] + place) * layout.outputs + channels.lowerBound, 1,
            channels.count)
        }
      }
      kernels.epilogue(
        line, layout.outputs, area.columns.count, channels.count, nil, activation.code, nil, 0)
    }
  }

  /// Whether a step from here ends outside; no step stays.
  private func leaves(_ position: Int, _ step: Int, _ extent: Int) -> Bool {
    step == 0 || !(0..<extent).contains(position + step)
  }
}
