import FlattenKernels
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A matrix between two pages that may be neither read nor written, so that a kernel which reaches too
/// far, even to ignore what it finds there, ends the test run.
private final class FencedRows {
  private let mapping: UnsafeMutableRawPointer
  private let bytes: Int
  let pointer: UnsafeMutablePointer<Float>

  /// - Parameter isAtTheEnd: whether the fence follows the last element or precedes the first.
  init(_ count: Int, isAtTheEnd: Bool) throws {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let size = count * MemoryLayout<Float>.stride
    let inner = (size + page - 1) / page * page
    bytes = inner + 2 * page
    let found = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
    mapping = try #require(found)
    try #require(mapping != MAP_FAILED)
    try #require(mprotect(mapping, page, PROT_NONE) == 0)
    try #require(mprotect(mapping + page + inner, page, PROT_NONE) == 0)
    let start = isAtTheEnd ? mapping + page + inner - size : mapping + page
    pointer = start.assumingMemoryBound(to: Float.self)
    for index in 0..<count { pointer[index] = Float(index % 13) * 0.25 + 0.5 }
  }

  deinit { munmap(mapping, bytes) }
}

@Suite struct KernelReachTests {
  @Test(arguments: KernelSet.all, [true, false])
  func noKernelReachesBeyondItsBuffers(set: KernelSet, isAtTheEnd: Bool) throws {
    let table = set.table
    let rows = 2
    func fenced(_ count: Int) throws -> FencedRows {
      try FencedRows(count, isAtTheEnd: isAtTheEnd)
    }
    for columns in [1, 2, 5, 8, 15, 16, 17, 24, 31, 32, 35] {
      let c = try fenced(rows * columns)
      let x = try fenced(rows * columns)
      let one = try fenced(columns)
      let two = try fenced(columns)
      for activation in KernelFeatureTests.activations {
        table.epilogue(
          c.pointer, columns, rows, columns, one.pointer, activation, x.pointer, columns)
        table.activate_rows(
          x.pointer, columns, c.pointer, columns, rows, columns, activation, 1)
      }
      table.unit_rows(x.pointer, columns, c.pointer, columns, rows, columns, 1, 1)
      table.multiply_rows(c.pointer, columns, x.pointer, columns, rows, columns)
      table.dot_heads(x.pointer, columns, rows, 1, columns, one.pointer, 1, c.pointer, 1)
      table.column_maxima(x.pointer, columns, rows, columns, one.pointer)
      table.exp_columns(x.pointer, columns, c.pointer, columns, rows, columns, one.pointer, 1)
      table.reflect_rows(
        x.pointer, columns, c.pointer, columns, rows, 1, columns, one.pointer)
      table.exp_features(
        c.pointer, columns, rows, columns, x.pointer, columns, columns, 0.1, nil, 0)
      table.exp_features(
        c.pointer, columns, rows, columns, x.pointer, columns, columns, 0.1, one.pointer, 0)
      let pairs = columns / 2 * 2
      if pairs > 0 {
        let angles = try fenced(2 * pairs)
        table.rotate_row(x.pointer, c.pointer, rows, pairs, pairs, angles.pointer, angles.pointer)
        table.rotate_row(x.pointer, c.pointer, rows, pairs, 0, angles.pointer, angles.pointer)
      }
      table.layer_norm(x.pointer, c.pointer, rows, columns, one.pointer, two.pointer, 1e-6)
      table.focus(x.pointer, columns, x.pointer, c.pointer, rows, columns, one.pointer, 3)
      table.softmax(c.pointer, columns, rows, columns, 1, nil)
      let three = try fenced(columns)
      table.softmax_columns(
        c.pointer, columns, rows, columns, one.pointer, two.pointer, three.pointer)
      table.column_sums(x.pointer, columns, rows, columns, one.pointer)
      table.divide_by_dot(
        c.pointer, columns, columns, x.pointer, columns, one.pointer, columns, rows, 1e-6, 0)
      table.clamp_magnitude(
        c.pointer, c.pointer, rows, columns, 1e-4, 1e4, one.pointer, x.pointer)
      table.divide_by_dot_clamped(
        c.pointer, columns, columns, x.pointer, columns, one.pointer, columns, rows, 1e-4, 1e-4,
        1e4)
      table.bilinear_row(
        x.pointer, x.pointer, 0.5, 0.5, [0, 1], [1, 1], [0.5, 0.5], [0.5, 0.5], 2, columns,
        x.pointer, c.pointer)
      table.mix_columns(
        x.pointer, 2, [0, 1], [1, 1], [0.5, 0.5], [0.5, 0.5], 2, columns, c.pointer)
      table.mix_rows(x.pointer, x.pointer, 0.5, 0.5, rows * columns, c.pointer)
      table.cubic_columns(
        x.pointer, [0, 0, 1, 1, 1, 1, 1, 1], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 2, columns,
        c.pointer)
      let same = [UnsafePointer<Float>?](repeating: UnsafePointer(x.pointer), count: 4)
      table.cubic_rows(same, [0.5, 0.5, 0.5, 0.5], x.pointer, rows * columns, c.pointer)
      #expect(table.all_finite(x.pointer, rows * columns) == 1)
      table.add_scaled(c.pointer, x.pointer, 2, rows * columns)
      table.roi_align(
        x.pointer, columns, columns, rows, [0, 1], [0.5, 0.5], 2, [1, 2], [0, 0], [1, 1], c.pointer)
      var positions = [UInt32](repeating: 0, count: rows * columns)
      #expect(table.find_above(x.pointer, rows * columns, 0, &positions) == rows * columns)
      var labels: [UInt16] = [0, 0]
      table.argmax(x.pointer, rows, columns, &labels)

      // Two pixels of a 2 x 1 map; the window hangs over on all sides.
      for kernel in [1, 3, 5] {
        let weight = try fenced(kernel * kernel * columns)
        for row in 0..<2 {
          table.depthwise_row(
            x.pointer, columns, 2, 1, columns, row, Int32(kernel), 1, weight.pointer,
            one.pointer, FK_NONE, two.pointer, c.pointer + row * columns)
        }
      }
    }
  }
}
