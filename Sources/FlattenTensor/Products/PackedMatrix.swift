import FlattenKernels

/// A weight matrix prepared once, at load, for many products `y = x w^T`.
///
/// Layers see `[outputs, inputs]` weights and a product over a block of rows and columns; how both are
/// stored is known only here and in ``Products``.
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
  /// - Parameters:
  ///   - weight: `[outputs, inputs]`.
  ///   - rows: the outputs that are wanted; `nil` takes all.
  package init(
    _ weight: Tensor, rows: Range<Int>? = nil, _ context: LoadingContext = .plain
  ) {
    precondition(weight.shape.count == 2, "a matrix is wanted, not shape \(weight.shape)")
    let rows = rows ?? 0..<weight.shape[0]
    let (outputs, inputs) = (rows.count, weight.shape[1])
    self.outputs = outputs
    self.inputs = inputs
    precision = context.precision
    let precision = context.precision
    packed = Tensor(
      uninitialized: [Products.packedCount(depth: inputs, columns: outputs, precision)],
      pool: context.memory)
    let start = packed.mutablePointer
    // Panels are independent of each other.
    let piece = 32.rounded(up: Products.panel)
    context.threads.run((outputs + piece - 1) / piece) { index in
      let first = index * piece
      Products.pack(
        weight.pointer + (rows.lowerBound + first) * inputs, depthStride: 1, columnStride: inputs,
        depth: inputs,
        columns: min(piece, outputs - first), precision,
        into: start + Products.packedCount(depth: inputs, columns: first, precision))
    }
  }

  /// `y[r, columns] = activation(x[r, :] . w[columns, :] + bias[columns]) + residual[r, columns]`, on
  /// this thread.
  ///
  /// - Parameters:
  ///   - x: rows of `inputs` elements, in the matrix's precision.
  ///   - columns: begins at a multiple of ``Products/panel``.
  ///   - y: rows of at least `columns.count` elements, `yStride` apart; its first column is
  ///     `columns.lowerBound`.
  ///   - epilogue: its pointers are those of the first of `columns`.
  func multiply(
    _ x: RowBlock, columns: Range<Int>, epilogue: fk_epilogue,
    into y: UnsafeMutablePointer<Float>, stride yStride: Int
  ) {
    precondition(x.precision == precision && x.columns == inputs)
    Products.multiply(
      x, packed: packed.pointer, columns: columns, of: outputs, epilogue: epilogue, into: y,
      stride: yStride)
  }

  /// The same, written to those columns of rows that may be the left side of another product.
  func multiply(_ x: RowBlock, columns: Range<Int>, epilogue: fk_epilogue, into y: RowBlock) {
    precondition(x.rows == y.rows && y.columns == outputs)
    switch y.precision {
    case .float32:
      multiply(
        x, columns: columns, epilogue: epilogue, into: y.floats + columns.lowerBound,
        stride: y.stride)
    case .bfloat16:
      precondition(x.precision == precision && x.columns == inputs)
      Products.multiply(
        x, packed: packed.pointer, columns: columns, epilogue: epilogue,
        into: y.halves + columns.lowerBound, stride: y.stride)
    }
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
    let stride = stride(columns, precision)
    return rows * (precision == .float32 ? stride : stride / 2)
  }

  /// Rows that are multiples of 4096 bytes apart would share one set of the first-level cache, which
  /// holds fewer of them than a product reads at once.
  private static func stride(_ columns: Int, _ precision: Precision) -> Int {
    let (even, size) = precision == .float32 ? (columns, 4) : (columns.rounded(up: 2), 2)
    return even * size % 4096 == 0 ? even + 64 / size : even
  }

  /// Rows that are still to be written, in memory of ``count(rows:columns:_:)`` floats.
  init(in memory: UnsafeMutablePointer<Float>, rows: Int, columns: Int, _ precision: Precision) {
    address = UnsafeMutableRawPointer(memory)
    self.rows = rows
    self.columns = columns
    stride = Self.stride(columns, precision)
    self.precision = precision
  }

  /// Rows of a tensor, where they are.
  init(_ x: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
    self.init(
      address: UnsafeMutableRawPointer(mutating: x), rows: rows, columns: columns,
      stride: stride ?? columns, precision: .float32)
  }

  private init(
    address: UnsafeMutableRawPointer, rows: Int, columns: Int, stride: Int, precision: Precision
  ) {
    self.address = address
    self.rows = rows
    self.columns = columns
    self.stride = stride
    self.precision = precision
  }

  /// Some of the rows.
  func rows(_ range: Range<Int>) -> RowBlock {
    let size = precision == .float32 ? 4 : 2
    return RowBlock(
      address: address + range.lowerBound * stride * size, rows: range.count, columns: columns,
      stride: stride, precision: precision)
  }

  var floats: UnsafeMutablePointer<Float> { address.assumingMemoryBound(to: Float.self) }
  var halves: UnsafeMutablePointer<UInt16> { address.assumingMemoryBound(to: UInt16.self) }
}

extension ForwardPass {
  /// Hands `body` rows as a product with the weight reads them.
  ///
  /// - Parameter x: in float32 or already in the weight's precision.
  func withRows(_ x: RowBlock, of weight: PackedMatrix, _ body: (RowBlock) -> Void) {
    if x.precision == weight.precision { return body(x) }
    withEmptyRows(x.rows, of: weight) { block in
      kernels.bf16_narrow(x.floats, x.stride, x.rows, x.columns, block.halves, block.stride)
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
