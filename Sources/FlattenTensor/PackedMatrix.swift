import COpenBLAS

/// A weight matrix prepared once, at load, for many products `y = x w^T`.
///
/// The only place that knows which engine multiplies: layers see `[outputs, inputs]` weights and a
/// product over a block of rows and columns. Today the engine is OpenBLAS on a `[inputs, outputs]`
/// copy.
package struct PackedMatrix: Sendable {
  /// Width of x.
  package let inputs: Int
  /// Width of y.
  package let outputs: Int
  private let transposed: Tensor  // [inputs, outputs]

  /// Packs a weight as PyTorch stores it.
  ///
  /// - Parameter weight: `[outputs, inputs]`.
  package init(_ weight: Tensor) {
    precondition(weight.shape.count == 2, "a matrix is wanted, not shape \(weight.shape)")
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    self.outputs = outputs
    self.inputs = inputs
    transposed = Tensor([inputs, outputs]) { packed in
      let source = weight.pointer
      for row in 0..<outputs {
        for column in 0..<inputs { packed[column * outputs + row] = source[row * inputs + column] }
      }
    }
  }

  /// `y[r, columns] = x[r, :] . w[columns, :]` for `rows` rows, on this thread.
  ///
  /// - Parameters:
  ///   - x: rows of `inputs` elements, `xStride` apart.
  ///   - y: rows of at least `columns.count` elements, `yStride` apart; its first column is
  ///     `columns.lowerBound`.
  func multiply(
    _ x: UnsafePointer<Float>, stride xStride: Int, rows: Int, columns: Range<Int>,
    into y: UnsafeMutablePointer<Float>, stride yStride: Int
  ) {
    BLAS.multiply(
      rows: rows, columns: columns.count, depth: inputs,
      BLAS.Operand(x, stride: xStride),
      BLAS.Operand(transposed.pointer + columns.lowerBound, stride: outputs),
      into: y, stride: yStride)
  }
}

/// Products of plain matrices on one thread.
enum BLAS {
  /// OpenBLAS would start threads of its own; the operators above do the threading.
  private static let isSingleThreaded: Void = openblas_set_num_threads(1)

  /// A row-major matrix, read as its transpose where `transposed`.
  struct Operand {
    let pointer: UnsafePointer<Float>
    let stride: Int
    let transposed: Bool

    init(_ pointer: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
      self.pointer = pointer
      self.stride = stride
      self.transposed = transposed
    }
  }

  /// `c = scale * a b` with a `[rows, depth]` and b `[depth, columns]`.
  static func multiply(
    rows: Int, columns: Int, depth: Int, _ a: Operand, _ b: Operand, scale: Float = 1,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    if rows == 0 || columns == 0 { return }
    _ = isSingleThreaded
    cblas_sgemm(
      CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
      b.transposed ? CblasTrans : CblasNoTrans,
      Int32(rows), Int32(columns), Int32(depth), scale,
      a.pointer, Int32(a.stride), b.pointer, Int32(b.stride), 0, c, Int32(stride))
  }
}
