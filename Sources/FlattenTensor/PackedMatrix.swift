import COpenBLAS
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
  package init(_ weight: Tensor) {
    precondition(weight.shape.count == 2, "a matrix is wanted, not shape \(weight.shape)")
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    self.outputs = outputs
    self.inputs = inputs
    let panel = Engine.panel
    packed = Tensor([inputs, (outputs + panel - 1) / panel * panel]) { packed in
      guard let start = packed.baseAddress else { return }
      Engine.pack(
        weight.pointer, depthStride: 1, columnStride: inputs, depth: inputs, columns: outputs,
        into: start)
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

/// Products of matrices on one thread, by our kernels or by OpenBLAS.
package enum Engine {
  private static var kernels: fk_table { fk_active().pointee }
  private static let name = String(cString: fk_isa())

  /// Without AVX2 our portable vectors lose to OpenBLAS, which picks its own instruction set.
  static let usesKernels = name != "generic"

  /// Columns of b that are packed together.
  static let panel = usesKernels ? Int(kernels.gemm_panel) : 1

  /// Rows that a product works on at once.
  static let rows = usesKernels ? Int(kernels.gemm_rows) : 1

  /// Memory that a thread takes while it multiplies: Winograd's blocks, or OpenBLAS's BUFFER_SIZE on
  /// processors with AVX-512, the largest.
  package static let bytesPerThread = usesKernels ? 16 << 20 : 128 << 20

  /// The rate of products whose data lie in the caches, on all threads of a pool: what this machine can
  /// do now, in multiply-accumulates a second.
  package static func measuredPeak(_ threads: ThreadPool) -> Double {
    let (rows, depth, columns) = (rows * 8, 256, panel * 4)
    let a = Tensor(zeros: [rows, depth])
    let b = PackedMatrix(Tensor(zeros: [columns, depth]))
    let repeats = max(1, 200_000_000 / (rows * depth * columns))
    var best = Double.infinity
    for _ in 0..<5 {
      let time = ContinuousClock().measure {
        threads.run(threads.threads) { _ in
          let c = Tensor(zeros: [rows, columns])
          for _ in 0..<repeats {
            b.multiply(
              a.pointer, stride: depth, rows: rows, columns: 0..<columns, epilogue: fk_epilogue(),
              into: c.mutablePointer, stride: columns)
          }
        }
      }
      best = min(best, time.seconds)
    }
    return Double(threads.threads * repeats * rows * depth * columns) / best
  }

  /// OpenBLAS would start threads of its own; the operators above do the threading.
  private static let isSingleThreaded: Void = openblas_set_num_threads(1)

  /// How many floats ``pack`` writes. With our kernels `b[p, j]` lies at
  /// `(j / panel * depth + p) * panel + j % panel`, and places without a column are zero.
  static func packedCount(depth: Int, columns: Int) -> Int {
    depth * ((columns + panel - 1) / panel * panel)
  }

  /// Prepares b, `b[p, j]` at `p * depthStride + j * columnStride`, for products.
  static func pack(
    _ b: UnsafePointer<Float>, depthStride: Int, columnStride: Int, depth: Int, columns: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    if usesKernels {
      kernels.gemm_pack(b, depthStride, columnStride, depth, columns, packed)
      return
    }
    for p in 0..<depth {
      for j in 0..<columns { packed[p * columns + j] = b[p * depthStride + j * columnStride] }
    }
  }

  /// `c = a b` for some columns of a packed b, then the epilogue.
  ///
  /// - Parameters:
  ///   - a: `a[r, p]` at `r * rowStride + p * depthStride`; one of the strides is 1.
  ///   - packed: all of b, of which `columns` are multiplied; they begin at a multiple of ``panel``.
  ///   - total: the columns of b.
  static func multiply(
    _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int, rows: Int, depth: Int,
    packed: UnsafePointer<Float>, columns: Range<Int>, of total: Int,
    epilogue: fk_epilogue = fk_epilogue(), into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    if rows == 0 || columns.isEmpty { return }
    var epilogue = epilogue
    if usesKernels {
      kernels.gemm(
        a, rowStride, depthStride, rows, depth, packed + columns.lowerBound * depth, c, stride,
        columns.count, &epilogue)
      return
    }
    _ = isSingleThreaded
    let isTransposed = depthStride != 1
    cblas_sgemm(
      CblasRowMajor, isTransposed ? CblasTrans : CblasNoTrans, CblasNoTrans, Int32(rows),
      Int32(columns.count), Int32(depth), 1, a, Int32(isTransposed ? depthStride : rowStride),
      packed + columns.lowerBound, Int32(total), 0, c, Int32(stride))
    kernels.epilogue(
      c, stride, rows, columns.count, epilogue.bias, epilogue.activation, epilogue.residual,
      epilogue.ldr)
  }
}
