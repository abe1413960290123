import FlattenKernels

/// Products of matrices on one thread.
package enum Products {
  private static var kernels: fk_table { fk_active().pointee }

  /// Runs `body` with the plain kernels that define all others. No model that is built inside may be used
  /// outside or the other way round: packed weights belong to the kernels they were packed for.
  package static func withReferenceKernels<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = fk_select("ref")
    defer { _ = fk_select(before?.pointee.isa) }
    return try body()
  }

  /// Columns of b that are packed together.
  static var panel: Int { Int(kernels.gemm_panel) }

  /// Rows that a product works on at once.
  static var rows: Int { Int(kernels.gemm_rows) }

  /// The rate of products whose data lie in the caches, on all threads of a pool: what this machine can
  /// do now, in multiply-accumulates a second.
  package static func measuredPeak(_ threads: ThreadPool, _ precision: Precision) -> Double {
    let (rows, depth, columns) = (rows * 8, 256, panel * 4)
    let memory = Tensor(zeros: [rows, depth])
    let b = PackedMatrix(Tensor(zeros: [columns, depth]), .plain(precision))
    let repeats = max(1, 200_000_000 / (rows * depth * columns))
    var best = Double.infinity
    for _ in 0..<5 {
      let time = ContinuousClock().measure {
        threads.run(threads.threads) { _ in
          let c = Tensor(zeros: [rows, columns])
          let block = RowBlock(in: memory.mutablePointer, rows: rows, columns: depth, precision)
          for _ in 0..<repeats {
            b.multiply(
              block, columns: 0..<columns, epilogue: fk_epilogue(), into: c.mutablePointer,
              stride: columns)
          }
        }
      }
      best = min(best, time.seconds)
    }
    return Double(threads.threads * repeats * rows * depth * columns) / best
  }

  /// How many floats ``pack`` writes. `b[p, j]` lies at
  /// `(j / panel * depth + p) * panel + j % panel`, and places without a column are zero; in bfloat16 two
  /// neighbours along the depth share the place of a float.
  static func packedCount(depth: Int, columns: Int, _ precision: Precision = .float32) -> Int {
    switch precision {
    case .float32: depth * columns.rounded(up: panel)
    case .bfloat16: (depth + 1) / 2 * columns.rounded(up: panel)
    }
  }

  /// Prepares b, `b[p, j]` at `p * depthStride + j * columnStride`, for products.
  static func pack(
    _ b: UnsafePointer<Float>, depthStride: Int, columnStride: Int, depth: Int, columns: Int,
    _ precision: Precision = .float32, into packed: UnsafeMutablePointer<Float>
  ) {
    if precision == .bfloat16 {
      let count = 2 * packedCount(depth: depth, columns: columns, .bfloat16)
      packed.withMemoryRebound(to: UInt16.self, capacity: count) {
        kernels.bf16_pack(b, depthStride, columnStride, depth, columns, $0)
      }
    } else {
      kernels.gemm_pack(b, depthStride, columnStride, depth, columns, packed)
    }
  }

  /// `c = a b` for some columns of a packed b, then the epilogue.
  ///
  /// - Parameters:
  ///   - a: in b's precision.
  ///   - packed: all of b, of which `columns` are multiplied; they begin at a multiple of ``panel``.
  ///   - total: the columns of b.
  static func multiply(
    _ a: RowBlock, packed: UnsafePointer<Float>, columns: Range<Int>, of total: Int,
    epilogue: fk_epilogue = fk_epilogue(), into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    switch a.precision {
    case .float32:
      multiply(
        a.floats, rowStride: a.stride, depthStride: 1, rows: a.rows, depth: a.columns,
        packed: packed, columns: columns, of: total, epilogue: epilogue, into: c, stride: stride)
    case .bfloat16:
      var epilogue = epilogue
      let b = halves(packed + packedCount(depth: a.columns, columns: columns.lowerBound, .bfloat16))
      kernels.bf16_gemm(
        a.halves, a.stride, a.rows, a.columns, b, c, nil, stride, columns.count, &epilogue)
    }
  }

  /// The same, rounded to bfloat16; a and b are in bfloat16.
  static func multiply(
    _ a: RowBlock, packed: UnsafePointer<Float>, columns: Range<Int>, epilogue: fk_epilogue,
    into c: UnsafeMutablePointer<UInt16>, stride: Int
  ) {
    var epilogue = epilogue
    let b = halves(packed + packedCount(depth: a.columns, columns: columns.lowerBound, .bfloat16))
    kernels.bf16_gemm(
      a.halves, a.stride, a.rows, a.columns, b, nil, c, stride, columns.count, &epilogue)
  }

  private static func halves(_ packed: UnsafePointer<Float>) -> UnsafePointer<UInt16> {
    UnsafeRawPointer(packed).assumingMemoryBound(to: UInt16.self)
  }

  /// The same product in float32 for an a that lies in either direction.
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
    kernels.gemm(
      a, rowStride, depthStride, rows, depth, packed + columns.lowerBound * depth, c, stride,
      columns.count, &epilogue)
  }
}
