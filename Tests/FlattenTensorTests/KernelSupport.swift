import FlattenKernels
import FlattenTensor
import Testing

/// An instruction set that this CPU has; its kernels are held against the reference's.
struct KernelSet: Sendable, CustomTestStringConvertible {
  let name: String

  var testDescription: String { name }

  /// The kernels of this set; the reference's where the CPU does not have it.
  var table: fk_table { (fk_table_for(name) ?? fk_active()).pointee }

  static func isAvailable(_ name: String) -> Bool { fk_table_for(name) != nil }

  static var reference: fk_table { KernelSet(name: "ref").table }

  /// Everything but the reference. Sets that are absent here are skipped in `DispatchTests`.
  static let present = ["generic", "avx2", "avx512", "avx512_bf16"].filter(isAvailable).map(
    KernelSet.init)

  /// The same and the reference itself, for what all must promise.
  static let all = [KernelSet(name: "ref")] + present
}

/// Numbers that depend on the seed alone.
struct Noise: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: Int) { state = UInt64(bitPattern: Int64(seed)) &* 0x9e37_79b9_7f4a_7c15 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Between -1 and 1.
  mutating func float() -> Float { Float(Int32(truncatingIfNeeded: next() >> 32)) * 0x1p-31 }

  static func floats(_ count: Int, seed: Int, scale: Float = 1) -> [Float] {
    var noise = Noise(seed)
    return (0..<count).map { _ in noise.float() * scale }
  }
}

/// A matrix between guards: before it, after it and between its rows stand NaNs of one bit pattern,
/// which no kernel may write, and which would show in a result that they leaked into.
///
/// The first element is deliberately not aligned to more than a float.
final class Rows {
  static let guardBits: UInt32 = 0x7fc0_beef
  private static let margin = 37

  let rows: Int
  let columns: Int
  let stride: Int
  private let memory: UnsafeMutableBufferPointer<Float>

  init(_ rows: Int, _ columns: Int, stride: Int? = nil, fill: (Int, Int) -> Float) {
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
    memory = .allocate(capacity: 2 * Self.margin + rows * self.stride)
    memory.initialize(repeating: Float(bitPattern: Self.guardBits))
    for row in 0..<rows {
      for column in 0..<columns { self[row, column] = fill(row, column) }
    }
  }

  /// Noise, the same for the same seed and shape.
  convenience init(
    _ rows: Int, _ columns: Int, stride: Int? = nil, seed: Int, scale: Float = 1,
    offset: Float = 0
  ) {
    var noise = Noise(seed)
    self.init(rows, columns, stride: stride) { _, _ in noise.float() * scale + offset }
  }

  /// One row.
  convenience init(_ values: [Float]) { self.init(1, values.count) { values[$1] } }

  /// Room for a result.
  static func output(_ rows: Int, _ columns: Int, stride: Int? = nil) -> Rows {
    Rows(rows, columns, stride: stride) { _, _ in Float(bitPattern: guardBits) }
  }

  /// The memory stays for a while: a kernel may have the pointer when the object's last use is over.
  deinit {
    Self.retired.withLock { retired in
      retired.append(memory)
      if retired.count > 512 { retired.removeFirst().deallocate() }
    }
  }

  private static let retired = Locked<[UnsafeMutableBufferPointer<Float>]>([])

  func copy() -> Rows { Rows(rows, columns, stride: stride) { self[$0, $1] } }

  var pointer: UnsafeMutablePointer<Float> {
    // The margin makes the allocation non-empty, so there always is an address.
    guard let base = memory.baseAddress else { preconditionFailure("no memory") }
    return base + Self.margin
  }

  subscript(row: Int, column: Int) -> Float {
    get { memory[Self.margin + row * stride + column] }
    set { memory[Self.margin + row * stride + column] = newValue }
  }

  var values: [Float] { (0..<rows).flatMap { row in (0..<columns).map { self[row, $0] } } }

  /// The largest finite magnitude.
  var magnitude: Float { values.filter(\.isFinite).map(abs).max() ?? 0 }

  /// Whether every guard is as it was.
  var isIntact: Bool {
    for index in memory.indices {
      let offset = index - Self.margin
      let isElement =
        offset >= 0 && offset < rows * stride && stride > 0 && offset % stride < columns
      if !isElement && memory[index].bitPattern != Self.guardBits { return false }
    }
    return true
  }

  /// What differs from `wanted` by more than `limit(row, column)`, or `nil`. NaN and infinities must
  /// stand where they stand there.
  func mismatch(_ wanted: Rows, within limit: (Int, Int) -> Float) -> String? {
    guard rows == wanted.rows, columns == wanted.columns else { return "shapes differ" }
    guard isIntact else { return "a guard was overwritten" }
    for row in 0..<rows {
      for column in 0..<columns {
        let (got, want) = (self[row, column], wanted[row, column])
        let isClose =
          want.isFinite
          ? abs(got - want) <= limit(row, column) : want.isNaN ? got.isNaN : got == want
        if !isClose {
          return "[\(row), \(column)] of \(rows) x \(columns), stride \(stride): got \(got), "
            + "expected \(want), allowed \(limit(row, column))"
        }
      }
    }
    return nil
  }

  func mismatch(_ wanted: Rows, within limit: Float) -> String? {
    mismatch(wanted) { _, _ in limit }
  }
}

/// Extents that leave every kind of tail in vectors of 4, 8 and 16 lanes.
enum Extents {
  static let columns = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 147, 257]
  static let rows = [1, 2, 3, 7, 64, 65]

  /// All widths with few rows, all heights with a few widths, and rows that lie apart.
  static let shapes: [(rows: Int, columns: Int, gap: Int)] =
    columns.flatMap { [(1, $0, 0), (3, $0, 0), (2, $0, 5)] }
    + rows.flatMap { [($0, 1, 0), ($0, 17, 3), ($0, 100, 0)] }
}

/// The distance between 1 and the next number.
let ulp = Float.ulpOfOne
