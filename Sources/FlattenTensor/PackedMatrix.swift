import FlattenKernels

/// A weight matrix prepared once, at load, for many products `y = x w^T`.
///
/// Layers see `[outputs, inputs]` weights and a product over a block of rows and columns; how both are
/// stored is known only here and in ``Engine``.
package struct PackedMatrix: Sendable {
  /// Width of x.
  package let inputs: Int
  /// Width of y.
  package let outputs: Int
  /// How the weights, and the rows they are multiplied with, are stored.
  package let precision: Precision
  private let packed: Tensor

  /// Packs a weight as PyTorch stores it.
  ///
  /// - Parameter weight: `[outputs, inputs]`.
  package init(_ weight: Tensor, _ packing: Packing = .plain) {
    precondition(weight.shape.count == 2, "a matrix is wanted, not shape \(weight.shape)")
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    self.outputs = outputs
    self.inputs = inputs
    precision = packing.precision
    let precision = packing.precision
    packed = Tensor(
      uninitialized: [Engine.packedCount(depth: inputs, columns: outputs, precision)],
      pool: packing.memory)
    let start = packed.mutablePointer
    // Panels are independent of each other.
    let piece =
      Engine.usesKernels || precision == .bfloat16 ? 32.rounded(up: Engine.panel) : max(outputs, 1)
    packing.threads.run((outputs + piece - 1) / piece) { index in
      let first = index * piece
      Engine.pack(
        weight.pointer + first * inputs, depthStride: 1, columnStride: inputs, depth: inputs,
        columns: min(piece, outputs - first), precision,
        into: start + Engine.packedCount(depth: inputs, columns: first, precision))
    }
  }

  /// `y[r, columns] = activation(x[r, :] . w[columns, :] + bias[columns]) + residual[r, columns]`, on
  /// this thread.
  ///
  /// - Parameters:
  ///   - x: rows of `inputs` elements, in the matrix's precision.
  ///   - columns: begins at a multiple of ``Engine/panel``.
  ///   - y: rows of at least `columns.count` elements, `yStride` apart; its first column is
  ///     `columns.lowerBound`.
  ///   - epilogue: its pointers are those of the first of `columns`.
  func multiply(
    _ x: RowBlock, columns: Range<Int>, epilogue: fk_epilogue,
    into y: UnsafeMutablePointer<Float>, stride yStride: Int
  ) {
    precondition(x.precision == precision && x.columns == inputs)
    Engine.multiply(
      x, packed: packed.pointer, columns: columns, of: outputs, epilogue: epilogue, into: y,
      stride: yStride)
  }

  /// The same for all columns, written as the rows of another product.
  func multiply(_ x: RowBlock, epilogue: fk_epilogue, into y: RowBlock) {
    precondition(x.precision == precision && x.columns == inputs && y.columns == outputs)
    Engine.multiply(
      x, packed: packed.pointer, columns: outputs, epilogue: epilogue, into: y)
  }
}

/// Some rows of the left side of a product, as the product reads them.
struct RowBlock {
  let address: UnsafeMutableRawPointer
  let rows: Int
  let columns: Int
  /// Elements from one row to the next.
  let stride: Int
  let precision: Precision

  /// Floats of memory for so many rows.
  static func count(rows: Int, columns: Int, _ precision: Precision) -> Int {
    switch precision {
    case .float32: rows * columns
    case .bfloat16: rows * ((columns + 1) / 2)
    }
  }

  /// Rows that are still to be written, in memory of ``count(rows:columns:_:)`` floats.
  init(in memory: UnsafeMutablePointer<Float>, rows: Int, columns: Int, _ precision: Precision) {
    address = UnsafeMutableRawPointer(memory)
    self.rows = rows
    self.columns = columns
    stride = precision == .float32 ? columns : columns.rounded(up: 2)
    self.precision = precision
  }

  /// Rows of a tensor, read where they are.
  init(_ x: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int) {
    address = UnsafeMutableRawPointer(mutating: x)
    self.rows = rows
    self.columns = columns
    self.stride = stride
    precision = .float32
  }

  var floats: UnsafeMutablePointer<Float> { address.assumingMemoryBound(to: Float.self) }
  var halves: UnsafeMutablePointer<UInt16> { address.assumingMemoryBound(to: UInt16.self) }
}

extension ForwardPass {
  /// Hands `body` rows of float32 as a product of the given precision reads them.
  func withRows(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, of weight: PackedMatrix,
    _ body: (RowBlock) -> Void
  ) {
    guard weight.precision == .bfloat16 else {
      body(RowBlock(x, rows: rows, columns: weight.inputs, stride: stride))
      return
    }
    withEmptyRows(rows, of: weight) { block in
      kernels.bf16_narrow(x, stride, rows, weight.inputs, block.halves, block.stride)
      body(block)
    }
  }

  /// Hands `body` memory for the rows of a product.
  func withEmptyRows(_ rows: Int, of weight: PackedMatrix, _ body: (RowBlock) -> Void) {
    let count = RowBlock.count(rows: rows, columns: weight.inputs, weight.precision)
    withScratch(count) {
      body(RowBlock(in: $0, rows: rows, columns: weight.inputs, weight.precision))
    }
  }
}
