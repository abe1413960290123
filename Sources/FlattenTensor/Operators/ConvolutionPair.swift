// Two 3x3 convolutions with nothing between them as one with a 5x5 window, by Winograd's method.
//
//     y[p] = b2 + sum_t w2[t] m[p + t],  m[q] = b1 + sum_s w1[s] x[q + s]       t, s in {-1, 0, 1}^2
//          = b + sum_d w[d] x[p + d],    w[d] = sum_{t + s = d} w2[t] w1[s],    b = b2 + sum_t w2[t] b1
//
// holds where every p + t lies in the map. Beyond it the second convolution reads zeros, not m: what its
// taps that leave the map by a row would give is taken away, and by a column likewise; in a corner both take
// away one tap's, which is added again.

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

    /// The row or column that is left by a step from it, or the one at a place where the step stays.
    func line(_ step: Int, _ place: Int, of extent: Int) -> Int {
      switch step {
      case 0: place
      case ..<0: 0
      default: extent - 1
      }
    }

    /// Pixels that a map has in this direction.
    func length(height: Int, width: Int) -> Int {
      isCorner ? 1 : step.row != 0 ? width : height
    }
  }

  let weight: WinogradWeights
  /// `[outputs]`.
  let bias: Tensor
  let activation: Activation
  let borders: [Border]
  /// Channels of the input.
  package let inputs: Int
  /// Channels between the two.
  package let middle: Int
  /// Channels of the output.
  package let outputs: Int

  /// Whether two convolutions in a row are one with a larger window, and that is worth while.
  package static func joins(_ first: StoredConvolution, _ second: StoredConvolution) -> Bool {
    isPossible(first, second)
      && saves(
        inputs: first.weight.shape[1], middle: first.weight.shape[0],
        outputs: second.weight.shape[0])
  }

  /// Nothing may lie between the two, and both must have 3x3 windows that keep the map's size.
  private static func isPossible(_ first: StoredConvolution, _ second: StoredConvolution) -> Bool {
    let window = ConvolutionGeometry(kernel: 3, padding: 1)
    return first.geometry == window && second.geometry == window && first.norm == nil
      && first.activation == .none && second.weight.shape[1] == first.weight.shape[0]
  }

  /// Whether one window takes fewer multiplications than two, each by Winograd's method: 4 for each
  /// pixel, input and output, where each of two takes 2.25.
  package static func saves(inputs: Int, middle: Int, outputs: Int) -> Bool {
    4 * inputs * outputs < (inputs + outputs) * middle * 9 / 4
      && min(inputs, middle, outputs) >= PackedConvolution.leastChannels && inputs % 2 == 0
  }

  /// - Parameters:
  ///   - first: `[middle, inputs, 3, 3]`, with a bias or nothing after it.
  ///   - second: `[outputs, middle, 3, 3]`, with anything after it.
  package init(
    _ first: StoredConvolution, _ second: StoredConvolution, _ context: LoadingContext = .plain
  ) {
    precondition(Self.isPossible(first, second), "convolutions that cannot be joined")
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
    activation = second.activation
    let steps = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    let windows = steps.map {
      ComposedWindow(step: $0, outputs: outputs, inputs: inputs, pool: context.staging)
    }
    compose(first, second, into: windows, context)
    weight = WinogradWeights(WindowWeights(tapMajor: windows[0].weight, window: 5), context)
    bias = windows[0].bias
    borders = windows.dropFirst().map { end in
      Border(step: end.step, weight: PackedMatrix(end.weight, context), bias: end.bias)
    }
  }
}

/// The window that two convolutions make together, or what of it passes a border of the map: with a step
/// of (-1, 0), the second's taps one row up, and the first's one row down again.
private struct ComposedWindow {
  let step: (row: Int, column: Int)
  let rows: Int
  let columns: Int
  /// `[outputs, rows * columns * inputs]`.
  let weight: Tensor
  /// `[outputs]`.
  let bias: Tensor

  init(step: (Int, Int), outputs: Int, inputs: Int, pool: BufferPool?) {
    self.step = step
    rows = step.0 == 0 ? 5 : 1
    columns = step.1 == 0 ? 5 : 1
    weight = Tensor(uninitialized: [outputs, rows * columns * inputs], pool: pool)
    bias = Tensor(zeros: [outputs])
  }

  /// Whether a tap of the second convolution belongs here; of the first, one in the other direction.
  func takes(_ tap: (row: Int, column: Int)) -> Bool {
    (step.row == 0 || tap.row == step.row) && (step.column == 0 || tap.column == step.column)
  }

  /// Sides are taken away; a corner was then taken away twice.
  var sign: Float { (step.row == 0) == (step.column == 0) ? 1 : -1 }

  /// The place of two taps together, offsets -2 to 2.
  func place(_ row: Int, _ column: Int) -> Int {
    (rows == 5 ? row + 2 : 0) * columns + (columns == 5 ? column + 2 : 0)
  }
}

/// The nine taps of a 3x3 window as offsets from its middle.
private let offsets = (0..<9).map { (row: $0 / 3 - 1, column: $0 % 3 - 1) }

/// Writes the windows and the biases: products of all taps of the second convolution with all of the
/// first, added up by where they lead.
private func compose(
  _ first: StoredConvolution, _ second: StoredConvolution, into windows: [ComposedWindow],
  _ context: LoadingContext
) {
  let (inputs, middle, outputs) = (
    first.weight.shape[1], first.weight.shape[0], second.weight.shape[0]
  )
  // Each tap of the first as the right side of products, [middle, inputs].
  let matrixCount = Products.packedCount(depth: middle, columns: inputs)
  let right = Tensor(uninitialized: [9, matrixCount], pool: context.staging)
  context.threads.run(9) { tap in
    Products.pack(
      first.weight.pointer + tap, depthStride: inputs * 9, columnStride: 9, depth: middle,
      columns: inputs, into: right.mutablePointer + tap * matrixCount)
  }
  let kernels = fk_active().pointee
  let block = Products.rows
  context.threads.run((outputs + block - 1) / block) { task in
    let range = task * block..<min((task + 1) * block, outputs)
    let left = taps(of: second, outputs: range, context)
    composeBiases(left, inner: first.bias, second, outputs: range, into: windows)
    for window in windows {
      let count = window.weight.shape[1]
      (window.weight.mutablePointer + range.lowerBound * count).update(
        repeating: 0, count: range.count * count)
    }
    let product = Tensor(uninitialized: [range.count, inputs], pool: context.staging)
    for (t, s) in (0..<81).map({ ($0 % 9, $0 / 9) }) {
      Products.multiply(
        left.pointer + t * range.count * middle, rowStride: middle, depthStride: 1,
        rows: range.count, depth: middle, packed: right.pointer + s * matrixCount,
        columns: 0..<inputs, of: inputs, into: product.mutablePointer, stride: inputs)
      let (inner, outer) = (offsets[s], offsets[t])
      for window in windows where window.takes(outer) && window.takes((-inner.row, -inner.column)) {
        let count = window.weight.shape[1]
        let place = window.place(inner.row + outer.row, inner.column + outer.column) * inputs
        for index in 0..<range.count {
          kernels.add_scaled(
            window.weight.mutablePointer + (range.lowerBound + index) * count + place,
            product.pointer + index * inputs, window.sign, inputs)
        }
      }
    }
  }
}

/// The taps of a convolution as left sides of products, `[9, outputs, inputs]`, times its norm's scale.
private func taps(
  of convolution: StoredConvolution, outputs: Range<Int>, _ context: LoadingContext
) -> Tensor {
  let inputs = convolution.weight.shape[1]
  let taps = Tensor(uninitialized: [9, outputs.count, inputs], pool: context.staging)
  let scale = convolution.norm?.scale
  for (index, output) in outputs.enumerated() {
    let factor = scale.map { $0.pointer[output] } ?? 1
    let stored = convolution.weight.pointer + output * inputs * 9
    for tap in 0..<9 {
      let row = taps.mutablePointer + (tap * outputs.count + index) * inputs
      for channel in 0..<inputs { row[channel] = stored[channel * 9 + tap] * factor }
    }
  }
  return taps
}

/// Writes the biases: what the first convolution's becomes by the second's taps that a window has, and, in
/// the whole window, the second's own.
///
/// - Parameter left: the second's taps, `[9, outputs, middle]`.
private func composeBiases(
  _ left: Tensor, inner: Tensor?, _ second: StoredConvolution, outputs: Range<Int>,
  into windows: [ComposedWindow]
) {
  let middle = left.shape[2]
  let constant = second.norm?.shift(of: second.bias) ?? second.bias
  for window in windows {
    for (index, output) in outputs.enumerated() {
      var bias: Float = 0
      if window.step == (0, 0), let constant { bias = constant.pointer[output] }
      if let inner {
        for tap in 0..<9 where window.takes(offsets[tap]) {
          let row = left.pointer + (tap * outputs.count + index) * middle
          for channel in 0..<middle { bias += window.sign * row[channel] * inner.pointer[channel] }
        }
      }
      window.bias.mutablePointer[output] = bias
    }
  }
}

extension ForwardPass {
  /// Two 3x3 convolutions of padding 1 in a row.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, inputs]`.
  ///   - layer: the first one.
  ///   - next: the second one.
  /// - Returns: `[B, H, W, outputs]`.
  package func convolutionPair(
    _ x: Tensor, _ pair: PackedConvolutionPair, layer: @autoclosure () -> String,
    and next: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    precondition(
      channels == pair.inputs, "\(layer()): x is \(x.shape), the weight takes \(pair.inputs)")
    let weights = 9 * pair.middle * (channels + pair.outputs)
    return output(
      Shape(batch, height, width, pair.outputs), .convolution, layer: layer(), and: next(),
      macs: batch * height * width * weights, reading: x.count + weights
    ) { y in
      let terms = BorderTerms.Layout(pair, height: height, width: width)
      withScratch(batch * terms.count) { memory in
        computeBorders(x, pair, terms, into: memory)
        winograd(
          x, pair.weight, bias: pair.bias, activation: pair.activation,
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
          let row = border.line(border.step.row, place, of: height)
          let column = border.line(border.step.column, place, of: width)
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
              + layout.start(task / pieces % pair.borders.count) + first * pair.outputs,
            stride: pair.outputs)
        }
      }
    }
  }
}

/// Border correction: what is added to the outermost pixels of a map.
struct BorderTerms {
  /// Where the terms of each direction lie among those of one map.
  struct Layout {
    let height: Int
    let width: Int
    let outputs: Int
    let borders: [PackedConvolutionPair.Border]

    init(_ pair: PackedConvolutionPair, height: Int, width: Int) {
      self.height = height
      self.width = width
      outputs = pair.outputs
      borders = pair.borders
    }

    /// Floats for one map.
    var count: Int { start(borders.count) }

    /// Floats before those of a direction.
    func start(_ index: Int) -> Int {
      borders[..<index].reduce(0) { $0 + $1.length(height: height, width: width) } * outputs
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
        for (index, border) in layout.borders.enumerated() {
          let step = border.step
          guard leaves(row, step.row, layout.height) && leaves(column, step.column, layout.width)
          else { continue }
          let place = step.row == 0 ? row : step.column == 0 ? column : 0
          let term = memory + area.item * layout.count
          kernels.add_scaled(
            pixel, term + layout.start(index) + place * layout.outputs + channels.lowerBound, 1,
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
