import FlattenKernels

/// The function applied to a layer's output before the residual is added.
package enum Activation: Sendable {
  case none
  case relu
  /// The exact form, `0.5 x (1 + erf(x / sqrt 2))`.
  case gelu

  var code: fk_activation {
    switch self {
    case .none: FK_NONE
    case .relu: FK_RELU
    case .gelu: FK_GELU
    }
  }
}

extension ForwardPass {
  /// `activation(x w^T + bias) + residual` over the last axis.
  ///
  /// - Parameters:
  ///   - x: `[..., inputs]`.
  ///   - bias: `[outputs]`.
  ///   - residual: shape of the result.
  /// - Returns: `[..., outputs]`.
  package func linear(
    _ x: Tensor, _ weight: PackedMatrix, bias: Tensor?, activation: Activation = .none,
    residual: Tensor? = nil, layer: String
  ) -> Tensor {
    precondition(
      x.shape.last == weight.inputs, "\(layer): x is \(x.shape), weight takes \(weight.inputs)")
    let rows = x.shape.dropLast().reduce(1, *)
    let shape = Array(x.shape.dropLast()) + [weight.outputs]
    precondition(
      residual.map { $0.shape == shape } ?? true,
      "\(layer): residual is \(residual?.shape ?? []), output \(shape)")
    return output(shape, .linear, layer: layer, macs: rows * weight.inputs * weight.outputs) { y in
      multiply(
        x.pointer, stride: weight.inputs, rows: rows, weight, bias: bias, activation: activation,
        residual: residual, into: y)
    }
  }

  /// The threaded product behind linear layers and 1x1 convolutions; y and residual are contiguous.
  func multiply(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, _ weight: PackedMatrix, bias: Tensor?,
    activation: Activation, residual: Tensor?, into y: UnsafeMutablePointer<Float>
  ) {
    let outputs = weight.outputs
    let kernels = kernels
    // Blocks depend on the shape alone, never on the number of threads: same bits for any of them.
    let rowBlock = rows >= 2048 ? 256 : 128
    let rowBlocks = (rows + rowBlock - 1) / rowBlock
    var columnBlock = outputs
    while rowBlocks * ((outputs + columnBlock - 1) / columnBlock) < 8 && columnBlock >= 128 {
      columnBlock = (columnBlock / 2 + 15) / 16 * 16
    }
    let columnBlocks = (outputs + columnBlock - 1) / columnBlock
    threads.run(rowBlocks * columnBlocks) { task in
      let firstRow = task / columnBlocks * rowBlock
      let count = min(rowBlock, rows - firstRow)
      let first = task % columnBlocks * columnBlock
      let columns = first..<min(first + columnBlock, outputs)
      let block = y + firstRow * outputs + first
      weight.multiply(
        x + firstRow * stride, stride: stride, rows: count, columns: columns, into: block,
        stride: outputs)
      kernels.epilogue(
        block, outputs, count, columns.count, bias.map { $0.pointer + first }, activation.code,
        residual.map { $0.pointer + firstRow * outputs + first }, outputs)
    }
  }
}
