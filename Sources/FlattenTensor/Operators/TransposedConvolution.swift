import FlattenKernels

/// A transposed convolution with 2x2 windows and stride 2, prepared for products: each pixel becomes four.
///
///     y[2i + a][2j + b] = activation(x[i][j] W[a][b] + bias)
///
/// The pixels of an output row that come from a row of x lie side by side, so a row of outputs is a product of a row
/// of x with two windows' columns next to each other.
package struct PackedTransposedConvolution: Sendable {
  /// Channels of the input.
  package let inputs: Int
  /// Channels of the output.
  package let outputs: Int
  /// For the upper and for the lower row of outputs: `[inputs]` to `[2 * outputs]`.
  let rows: [PackedMatrix]
  /// `[2 * outputs]`: the bias twice.
  let bias: Tensor?
  let activation: Activation

  /// - Parameters:
  ///   - weight: `[inputs, outputs, 2, 2]`.
  ///   - bias: `[outputs]`.
  package init(
    _ weight: Tensor, bias: Tensor?, activation: Activation, _ context: LoadingContext = .plain
  ) {
    precondition(
      weight.shape.count == 4 && weight.shape[2] == 2 && weight.shape[3] == 2,
      "a weight [inputs, outputs, 2, 2] is wanted, not \(weight.shape)")
    let (inputs, outputs) = (weight.shape[0], weight.shape[1])
    self.inputs = inputs
    self.outputs = outputs
    rows = (0..<2).map { row in
      let matrix = Tensor([2 * outputs, inputs], pool: context.staging) { matrix in
        for column in 0..<2 {
          for output in 0..<outputs {
            for input in 0..<inputs {
              matrix[(column * outputs + output) * inputs + input] =
                weight.pointer[((input * outputs + output) * 2 + row) * 2 + column]
            }
          }
        }
      }
      return PackedMatrix(matrix, context)
    }
    self.bias = bias.map { Tensor([2 * outputs], $0.elements + $0.elements) }
    self.activation = activation
  }
}

extension ForwardPass {
  /// Transposed convolution with 2x2 windows and stride 2, its bias and its activation.
  ///
  /// - Parameter x: `[B, H, W, inputs]`.
  /// - Returns: `[B, 2H, 2W, outputs]`.
  package func transposedConvolution(
    _ x: Tensor, _ weight: PackedTransposedConvolution, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    precondition(
      weight.inputs == channels, "\(layer()): x is \(x.shape), the weight takes \(weight.inputs)")
    let shape = Shape(batch, 2 * height, 2 * width, weight.outputs)
    let columns = 2 * weight.outputs
    return output(
      shape, .convolution, layer: layer(), macs: shape.elementCount * channels,
      reading: x.count + 4 * channels * weight.outputs
    ) { y in
      // Some rows of pixels at a time, and of each matrix so many columns as stay in a cache while all those rows
      // are multiplied with them.
      let block = 128.rounded(up: Products.panel)
      chunks(batch * height, of: max(1, 128 / max(width, 1))) { [self] range in
        let pixels = RowBlock(
          x.pointer + range.lowerBound * width * channels, rows: range.count * width,
          columns: channels)
        withRows(pixels, of: weight.rows[0]) { pixels in
          for (index, matrix) in weight.rows.enumerated() {
            for first in stride(from: 0, to: columns, by: block) {
              let epilogue = fk_epilogue(
                bias: weight.bias.map { $0.pointer + first }, activation: weight.activation.code,
                residual: nil, ldr: 0)
              for (number, row) in range.enumerated() {
                matrix.multiply(
                  pixels.rows(number * width..<(number + 1) * width),
                  columns: first..<min(first + block, columns), epilogue: epilogue,
                  into: y + (2 * row + index) * width * columns + first, stride: columns)
              }
            }
          }
        }
      }
    }
  }
}
