#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The system's OpenBLAS, of which one function is used.
///
/// Loaded where a product needs it, not with the program, and told before that one thread is enough, for the
/// operators do the threading. Its own would keep every processor busy for tens of milliseconds from the
/// moment it is loaded, and where the system starts none it interrupts the process.
struct OpenBLAS: Sendable {
  /// `cblas_sgemm` with 32-bit integers: order, two transpositions, m, n, k, alpha, a, b, beta, c.
  private typealias Product =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32,
      UnsafePointer<Float>, Int32, Float, UnsafeMutablePointer<Float>, Int32
    ) -> Void

  private static let (rowMajor, plain, transposed): (Int32, Int32, Int32) = (101, 111, 112)
  private static let names = ["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"]

  private let product: Product

  /// `nil` where it is not installed.
  init?() {
    let library = Self.withOneThread {
      Self.names.lazy.compactMap { dlopen($0, RTLD_NOW) }.first
    }
    guard let library, let product = dlsym(library, "cblas_sgemm"),
      let setThreads = dlsym(library, "openblas_set_num_threads")
    else { return nil }
    self.product = unsafeBitCast(product, to: Product.self)
    unsafeBitCast(setThreads, to: (@convention(c) (Int32) -> Void).self)(1)
  }

  /// Runs `body` with an environment that asks OpenBLAS for one thread.
  private static func withOneThread<Result>(_ body: () -> Result) -> Result {
    let name = "OPENBLAS_NUM_THREADS"
    let before = getenv(name).map { String(cString: $0) }
    setenv(name, "1", 1)
    defer { if let before { setenv(name, before, 1) } else { unsetenv(name) } }
    return body()
  }

  /// `c = a b`, row-major; a is stored transposed where `isTransposed`.
  func multiply(
    _ a: UnsafePointer<Float>, stride: Int, isTransposed: Bool, rows: Int, depth: Int,
    _ b: UnsafePointer<Float>, stride bStride: Int, columns: Int,
    into c: UnsafeMutablePointer<Float>, stride cStride: Int
  ) {
    product(
      Self.rowMajor, isTransposed ? Self.transposed : Self.plain, Self.plain, Int32(rows),
      Int32(columns), Int32(depth), 1, a, Int32(stride), b, Int32(bStride), 0, c, Int32(cStride))
  }
}
