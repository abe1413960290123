import FlattenKernels

/// A weight matrix prepared once, at load, for many products `y = x w^T`.
///
/// The only place that knows which engine multiplies: layers see `[outputs, inputs]` weights and a
/// product over a block of rows and columns. The engine is our own kernels where the CPU has one of
/// their instruction sets, else OpenBLAS.
package struct PackedMatrix: Sendable {
  /// Width of x.
  package let inputs: Int
  /// Width of y.
  package let outputs: Int
  /// Panels of our kernels, or `[inputs, outputs]` for OpenBLAS.
  private let packed: Tensor

  /// Packs a weight as PyTorch stores it.
  ///
  /// - Parameter weight: `[outputs, inputs]`.
  package init(_ weight: Tensor, _ packing: Packing = .plain) {
    precondition(weight.shape.count == 2, "a matrix is wanted, not shape \(weight.shape)")
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    self.outputs = outputs
    self.inputs = inputs
    let panel = Engine.panel
    packed = Tensor(
      uninitialized: [inputs, (outputs + panel - 1) / panel * panel], pool: packing.memory)
    let start = packed.mutablePointer
    // Panels are independent of each other.
    let piece = Engine.usesKernels ? 32.rounded(up: panel) : max(outputs, 1)
    packing.threads.run((outputs + piece - 1) / piece) { index in
      let first = index * piece
      Engine.pack(
        weight.pointer + first * inputs, depthStride: 1, columnStride: inputs, depth: inputs,
        columns: min(piece, outputs - first), into: start + first * inputs)
    }
  }

  /// `y[r, columns] = activation(x[r, :] . w[columns, :] + bias[columns]) + residual[r, columns]` for
  /// `rows` rows, on this thread.
  ///
  /// - Parameters:
  ///   - x: rows of `inputs` elements, `xStride` apart.
  ///   - columns: begins at a multiple of ``Engine/panel``.
  ///   - y: rows of at least `columns.count` elements, `yStride` apart; its first column is
  ///     `columns.lowerBound`.
  ///   - epilogue: its pointers are those of the first of `columns`.
  func multiply(
    _ x: UnsafePointer<Float>, stride xStride: Int, rows: Int, columns: Range<Int>,
    epilogue: fk_epilogue, into y: UnsafeMutablePointer<Float>, stride yStride: Int
  ) {
    Engine.multiply(
      x, rowStride: xStride, depthStride: 1, rows: rows, depth: inputs,
      packed: packed.pointer, columns: columns, of: outputs, epilogue: epilogue, into: y,
      stride: yStride)
  }
}
