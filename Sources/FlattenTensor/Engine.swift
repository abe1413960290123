import COpenBLAS
import FlattenKernels

/// Products of matrices on one thread, by our kernels or by OpenBLAS.
package enum Engine {
  private static var kernels: fk_table { fk_active().pointee }
  private static let name = String(cString: fk_isa())

  /// Without AVX2 OpenBLAS multiplies, which picks an instruction set of its own; our portable vectors
  /// have not been measured against it.
  static let usesKernels = name != "generic"

  /// Columns of b that are packed together.
  static let panel = usesKernels ? Int(kernels.gemm_panel) : 1

  /// Rows that a product works on at once.
  static let rows = usesKernels ? Int(kernels.gemm_rows) : 1

  /// Addresses that a thread takes: the C library's heap reserves up to 128 MB for each, OpenBLAS as
  /// much again on processors with AVX-512.
  package static let bytesPerThread = usesKernels ? 128 << 20 : 256 << 20

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
