/// The singular values of a real matrix, in double precision: how many exceed a bound, and which they
/// are.
///
/// The steps are those of Golub and Kahan (Golub and Van Loan, Matrix Computations, section 8.6): a tall
/// matrix becomes the triangle R of its QR factorisation, that becomes bidiagonal, both by Householder's
/// reflections. The values of a bidiagonal matrix are then not iterated for but counted, by the signs of
/// the pivots of a tridiagonal matrix that has them and their negatives as eigenvalues; this cannot fail
/// to converge.
///
/// For M x N, M >= N, it takes about `2 M N^2 + 8/3 N^3` operations and at most `3 N^2` numbers of memory:
/// rows are taken in as they come.
package struct SingularValues: Sendable {
  /// Rows and columns of the matrix.
  package let rows: Int
  package let columns: Int
  /// Diagonal and superdiagonal of the bidiagonal matrix, alternating.
  private let entries: [Double]

  /// - Parameters:
  ///   - row: gives a row by its index, `columns` finite numbers; asked for each once, in order.
  package init(rows: Int, columns: Int, row: (Int) -> [Double]) {
    precondition(rows >= 1 && columns >= 1, "a matrix of \(rows)x\(columns)")
    self.rows = rows
    self.columns = columns
    var block = RowBlock(columns: columns)
    for index in 0..<rows {
      if block.rows == max(2 * columns, columns + 64) { block.triangularise() }
      block.append(row(index))
    }
    if block.rows > columns { block.triangularise() }
    if block.rows < columns { block = block.transposed }
    entries = block.bidiagonalised()
  }

  /// The number of values.
  package var count: Int { min(rows, columns) }

  /// The numerical rank by the rule of `numpy.linalg.matrix_rank` and `torch.linalg.matrix_rank`: how
  /// many values exceed the largest one times the longer side times `epsilon`.
  package func rank(epsilon: Double) -> Int {
    let largest = self[0]
    guard largest > 0 else { return 0 }
    return count(above: largest * Double(max(rows, columns)) * epsilon)
  }

  /// A value by its place, the largest first. It errs by some units in the last place of the largest one,
  /// which is what the reflections cost.
  package subscript(index: Int) -> Double {
    precondition((0..<count).contains(index), "value \(index) of \(count)")
    // No value exceeds the largest sum of neighbours (Gershgorin).
    let sums = entries.indices.map { index in
      entries[index].magnitude + (index > 0 ? entries[index - 1].magnitude : 0)
    }
    var (low, high) = (0.0, (sums.max() ?? 0).nextUp)
    while true {
      let middle = low + (high - low) / 2
      guard middle > low, middle < high else { return low }
      if count(above: middle) > index { low = middle } else { high = middle }
    }
  }

  /// How many values exceed a positive bound.
  ///
  /// With the entries `b` beside a diagonal of zeros, a symmetric matrix has the values and their
  /// negatives as eigenvalues; as many of them lie below the bound as pivots of its elimination,
  /// shifted by the bound, are negative (Sylvester's law of inertia).
  package func count(above bound: Double) -> Int {
    let tiny = Double.leastNormalMagnitude
    var pivot = -bound
    var negative = 1
    for entry in entries {
      if pivot.magnitude < tiny { pivot = -tiny }
      pivot = -bound - entry * (entry / pivot)
      if pivot < 0 { negative += 1 }
    }
    return entries.count + 1 - negative
  }
}

/// Rows of a matrix, and Householder's reflections of them.
private struct RowBlock {
  let columns: Int
  private(set) var rows = 0
  private var values: [Double] = []

  init(columns: Int) { self.columns = columns }

  mutating func append(_ row: [Double]) {
    precondition(row.count == columns, "a row of \(row.count) in a matrix of \(columns) columns")
    values += row
    rows += 1
  }

  /// Rows as columns.
  var transposed: RowBlock {
    var result = RowBlock(columns: rows)
    for column in 0..<columns {
      result.append((0..<rows).map { values[$0 * columns + column] })
    }
    return result
  }

  /// Keeps the triangle R of `Q R`, whose singular values are the same.
  ///
  /// - Precondition: at least as many rows as columns.
  mutating func triangularise() {
    let (rows, columns) = (rows, columns)
    values.withUnsafeMutableBufferPointer { values in
      var sums = [Double](repeating: 0, count: columns)
      for step in 0..<min(columns, rows - 1) {
        guard let left = Reflection.column(step, of: values, rows: rows, columns: columns) else {
          continue
        }
        left.applyToRows(values, from: step, columns: columns, first: step + 1, sums: &sums)
      }
      for row in 1..<max(columns, 1) {
        for column in 0..<row { values[row * columns + column] = 0 }
      }
    }
    values.removeLast(values.count - columns * columns)
    self.rows = columns
  }

  /// Diagonal and superdiagonal, alternating, of a bidiagonal matrix with the same singular values.
  ///
  /// - Precondition: at least as many rows as columns.
  consuming func bidiagonalised() -> [Double] {
    let (rows, columns) = (rows, columns)
    var entries: [Double] = []
    values.withUnsafeMutableBufferPointer { values in
      var sums = [Double](repeating: 0, count: columns)
      for step in 0..<columns {
        let left = Reflection.column(step, of: values, rows: rows, columns: columns)
        left?.applyToRows(values, from: step, columns: columns, first: step + 1, sums: &sums)
        entries.append(values[step * columns + step])
        guard step + 1 < columns else { break }
        let start = step * columns + step + 1
        let right = Reflection.row(
          UnsafeMutableBufferPointer(rebasing: values[start..<start + columns - step - 1]))
        for row in step + 1..<rows {
          right?.applyToRow(values, at: row * columns + step + 1)
        }
        entries.append(values[start])
      }
    }
    return entries
  }
}

/// `I - scale v v^T`, which turns a given vector into one with a single entry.
private struct Reflection {
  let vector: [Double]
  let scale: Double

  /// The reflection of a vector; the vector becomes what is left of it. `nil` where nothing is to do.
  ///
  /// Divided by its largest magnitude first, so that no square overflows or vanishes.
  private init?(_ given: [Double], first: (Double) -> Void) {
    let largest = given.reduce(0) { max($0, $1.magnitude) }
    guard given.dropFirst().contains(where: { $0 != 0 }), largest > 0 else { return nil }
    var vector = given.map { $0 / largest }
    let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let alpha = vector[0] > 0 ? -norm : norm
    first(alpha * largest)
    vector[0] -= alpha
    // v^T v = 2 (norm^2 + norm |x_0|) = -2 alpha v_0.
    scale = -1 / (alpha * vector[0])
    self.vector = vector
  }

  /// Of a column, from the diagonal down.
  static func column(
    _ column: Int, of values: UnsafeMutableBufferPointer<Double>, rows: Int, columns: Int
  ) -> Reflection? {
    let given = (column..<rows).map { values[$0 * columns + column] }
    return Reflection(given) { values[column * columns + column] = $0 }
  }

  /// Of a part of a row.
  static func row(_ part: UnsafeMutableBufferPointer<Double>) -> Reflection? {
    Reflection(Array(part)) { part[0] = $0 }
  }

  /// Reflects the columns from `first` on, in the rows from `from` on.
  func applyToRows(
    _ values: UnsafeMutableBufferPointer<Double>, from: Int, columns: Int, first: Int,
    sums: inout [Double]
  ) {
    guard first < columns else { return }
    vector.withUnsafeBufferPointer { vector in
      sums.withUnsafeMutableBufferPointer { sums in
        for column in first..<columns { sums[column] = 0 }
        for index in vector.indices {
          let (factor, row) = (vector[index], (from + index) * columns)
          for column in first..<columns { sums[column] += factor * values[row + column] }
        }
        for index in vector.indices {
          let (factor, row) = (scale * vector[index], (from + index) * columns)
          for column in first..<columns { values[row + column] -= factor * sums[column] }
        }
      }
    }
  }

  /// Reflects as many numbers as the vector has.
  func applyToRow(_ values: UnsafeMutableBufferPointer<Double>, at start: Int) {
    vector.withUnsafeBufferPointer { vector in
      // Eight sums at a time, always in the same order.
      var parts = SIMD8<Double>.zero
      let whole = vector.count / 8 * 8
      for index in stride(from: 0, to: whole, by: 8) {
        for lane in 0..<8 { parts[lane] += vector[index + lane] * values[start + index + lane] }
      }
      var sum = parts.sum()
      for index in whole..<vector.count { sum += vector[index] * values[start + index] }
      let factor = scale * sum
      for index in vector.indices { values[start + index] -= factor * vector[index] }
    }
  }
}
