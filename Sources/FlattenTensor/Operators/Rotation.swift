// Rotary positions on a grid (Su et al., arXiv 2104.09864, in two dimensions): neighbouring pairs of channels
// turn by an angle that is a frequency times the token's row or column.
//
//     y[2j]     = x[2j] cos a_j - x[2j + 1] sin a_j
//     y[2j + 1] = x[2j] sin a_j + x[2j + 1] cos a_j

import FlattenKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The frequencies of a rotation: radians per row of the first pairs of channels, per column of those that
/// follow.
public struct Rotation: Sendable {
  /// One of each pair, radians per row.
  public let byRow: [Double]
  /// One of each pair that follows, radians per column.
  public let byColumn: [Double]
  private let copies = SizedCopies()

  /// Makes a rotation; together there is a frequency for each pair of channels.
  public init(byRow: [Double], byColumn: [Double]) {
    self.byRow = byRow
    self.byColumn = byColumn
  }

  /// Channels that turn together: two a frequency.
  public var width: Int { 2 * (byRow.count + byColumn.count) }

  /// Frequencies from 1 down to `last`, both included, each a fixed part of the one before.
  package static func frequencies(_ count: Int, last: Double) -> [Double] {
    (0..<count).map { count == 1 ? 1 : pow(last, Double($0) / Double(count - 1)) }
  }

  /// Frequencies from 1 down towards `end`, which would be the next one.
  package static func frequencies(_ count: Int, before end: Double) -> [Double] {
    (0..<count).map { pow(end, Double($0) / Double(count)) }
  }

  /// The sides of a grid, each with the width of its rows: cosines, each twice, then sines with the sign
  /// that the pair's other channel has.
  fileprivate func table(height: Int, width: Int) -> Tensor {
    copies.copy(height: height, width: width) {
      Tensor(Self.shape(self, height: height, width: width)) { out in
        guard let out = out.baseAddress else { return }
        Self.fill(out, byRow, count: height)
        Self.fill(out + height * 4 * byRow.count, byColumn, count: width)
      }
    }
  }

  fileprivate static func shape(_ rotation: Rotation, height: Int, width: Int) -> Shape {
    Shape(4 * (height * rotation.byRow.count + width * rotation.byColumn.count))
  }

  /// Angles reach thousands of radians: in double precision.
  private static func fill(_ out: UnsafeMutablePointer<Float>, _ frequencies: [Double], count: Int)
  {
    let width = 2 * frequencies.count
    for position in 0..<count {
      let row = out + position * 2 * width
      for (pair, frequency) in frequencies.enumerated() {
        let angle = frequency * Double(position)
        let (cosine, sine) = (Float(cos(angle)), Float(sin(angle)))
        row[2 * pair] = cosine
        row[2 * pair + 1] = cosine
        row[width + 2 * pair] = -sine
        row[width + 2 * pair + 1] = sine
      }
    }
  }
}

/// The angles of all tokens of a grid, for operators.
package struct RotationTable: Sendable {
  private let table: Tensor
  private let height: Int
  private let width: Int
  private let rowWidth: Int
  private let columnWidth: Int

  fileprivate init(_ table: Tensor, _ rotation: Rotation, height: Int, width: Int) {
    self.table = table
    self.height = height
    self.width = width
    rowWidth = 2 * rotation.byRow.count
    columnWidth = 2 * rotation.byColumn.count
  }

  /// Channels that turn together.
  var channels: Int { rowWidth + columnWidth }
  /// Tokens of the grid.
  var tokens: Int { height * width }

  /// Turns the rows of some tokens of the grid; y may be x.
  func rotate(
    _ x: UnsafePointer<Float>, stride: Int, tokens: Range<Int>, heads: Int,
    into y: UnsafeMutablePointer<Float>, stride yStride: Int, _ kernels: fk_table
  ) {
    let columns = table.pointer + height * 2 * rowWidth
    for (index, token) in tokens.enumerated() {
      kernels.rotate_row(
        x + index * stride, y + index * yStride, heads, channels, rowWidth,
        table.pointer + token / width * 2 * rowWidth, columns + token % width * 2 * columnWidth)
    }
  }
}

extension ForwardPass {
  /// The angles of a grid: made once a size and kept, unseen by the observer.
  package func table(_ rotation: Rotation, height: Int, width: Int) -> RotationTable {
    let table =
      isDryRun
      ? kept(Rotation.shape(rotation, height: height, width: width))
      : rotation.table(height: height, width: width)
    return RotationTable(table, rotation, height: height, width: width)
  }

  /// Rows of a grid's tokens, pairs of their channels turned by the token's place.
  ///
  /// - Parameters:
  ///   - x: `[B, N, stride]`.
  ///   - channels: those that are taken, C of them; `nil` takes all.
  ///   - rotation: of one head; all heads turn alike.
  ///   - grid: rows and columns of the N tokens.
  ///   - heads: parts of C, each as wide as the rotation.
  /// - Returns: `[B, N, C]`.
  public func rotate(
    _ x: Tensor, channels: Range<Int>? = nil, _ rotation: Rotation,
    grid: (height: Int, width: Int), heads: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer())
    let taken = channels ?? 0..<stride
    precondition(
      taken.lowerBound >= 0 && taken.upperBound <= stride && tokens == grid.height * grid.width
        && taken.count == heads * rotation.width,
      "\(layer()): channels \(taken) of \(x.shape), a grid of \(grid.height)x\(grid.width), "
        + "\(heads) heads of \(rotation.width)")
    let table = table(rotation, height: grid.height, width: grid.width)
    return output(
      Shape(batch, tokens, taken.count), .elementwise, layer: layer(),
      reading: batch * tokens * taken.count
    ) { y in
      for item in 0..<batch {
        chunks(tokens, of: 128) { [kernels] rows in
          let first = item * tokens + rows.lowerBound
          table.rotate(
            x.pointer + first * stride + taken.lowerBound, stride: stride, tokens: rows,
            heads: heads, into: y + first * taken.count, stride: taken.count, kernels)
        }
      }
    }
  }
}
