import FlattenKernels
import Foundation
import Testing

/// Layer norm, softmax and argmax: kernels over whole rows.
@Suite struct KernelRowTests {
  // MARK: Layer norm

  @Test(arguments: KernelSet.present) func layerNormAgrees(set: KernelSet) {
    for (rows, columns, _) in Extents.shapes {
      // A mean that is large beside the deviation is where one-pass variances fail.
      for offset: Float in [0, 100] {
        let x = Rows(rows, columns, seed: columns, scale: 3, offset: offset)
        let gamma = Rows(1, columns, seed: 1, offset: 1.5)
        let beta = Rows(1, columns, seed: 2)
        let got = Rows.output(rows, columns)
        let wanted = Rows.output(rows, columns)
        for (table, y) in [(set.table, got), (KernelSet.reference, wanted)] {
          table.layer_norm(
            x.pointer, y.pointer, rows, columns, gamma.pointer, beta.pointer, 1e-5)
        }
        // Rounding of the mean shows, divided by the deviation; a single column deviates by nothing.
        let deviation: Float = columns == 1 ? 0.003 : columns == 2 ? 0.1 : 1
        let limit = 8 * ulp * (max(offset, 1) / deviation + wanted.magnitude)
        #expect(got.mismatch(wanted, within: limit) == nil)
        #expect(x.isIntact && gamma.isIntact && beta.isIntact)

        set.table.layer_norm(
          x.pointer, x.pointer, rows, columns, gamma.pointer, beta.pointer, 1e-5)
        #expect(x.mismatch(got, within: 0) == nil, "in place differs")
      }
    }
  }

  @Test(arguments: KernelSet.all) func layerNormIsItsDefinition(set: KernelSet) {
    let x = Rows(3, 147, seed: 5, scale: 2, offset: -1)
    let gamma = Rows(1, 147, seed: 1, offset: 1.5)
    let beta = Rows(1, 147, seed: 2)
    let y = Rows.output(3, 147)
    set.table.layer_norm(x.pointer, y.pointer, 3, 147, gamma.pointer, beta.pointer, 1e-6)
    let wanted = Rows(3, 147) { row, column in
      let values = (0..<147).map { Double(x[row, $0]) }
      let mean = values.reduce(0, +) / 147
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 147
      let u = (values[column] - mean) / (variance + 1e-6).squareRoot()
      return Float(u * Double(gamma[0, column]) + Double(beta[0, column]))
    }
    #expect(y.mismatch(wanted, within: 3e-6) == nil)
  }

  /// To the bit, also where a plain sum of the row is not a float.
  @Test(arguments: KernelSet.all) func aConstantRowBecomesItsShift(set: KernelSet) {
    let values: [Float] = [0.75, -3, 0.1, 1 / 3, -12345.678, 1e-30]
    for columns in [1, 3, 16, 21, 63, 64, 147, 320] {
      let x = Rows(values.count, columns) { row, _ in values[row] }
      let gamma = Rows(1, columns, seed: 1)
      let beta = Rows(1, columns, seed: 2)
      set.table.layer_norm(
        x.pointer, x.pointer, values.count, columns, gamma.pointer, beta.pointer, 1e-6)
      #expect(x.mismatch(Rows(values.count, columns) { beta[0, $1] }, within: 0) == nil)
    }
  }

  /// One element in the last place above the others: what rounding made of the mean would be as large.
  @Test(arguments: KernelSet.all) func anAlmostConstantRowIsItsDefinition(set: KernelSet) {
    for columns in [16, 37, 64, 130] {
      let value: Float = 0.1
      let x = Rows(1, columns) { $1 == columns / 2 ? value.nextUp : value }
      let ones = Rows(1, columns) { _, _ in 1 }
      let zeros = Rows(1, columns) { _, _ in 0 }
      let y = Rows.output(1, columns)
      set.table.layer_norm(x.pointer, y.pointer, 1, columns, ones.pointer, zeros.pointer, 1e-6)
      let step = Double(value.nextUp) - Double(value)
      let share = 1 / Double(columns)
      let factor = 1 / (step * step * share * (1 - share) + 1e-6).squareRoot()
      let wanted = Rows(1, columns) { _, column in
        Float((column == columns / 2 ? 1 - share : -share) * step * factor)
      }
      // The mean is the nearest float to a number that is none: half a step.
      #expect(y.mismatch(wanted, within: Float(0.51 * step * factor)) == nil)
    }
  }

  /// One bad element spoils its row, and no other.
  @Test(arguments: KernelSet.all, [Float.nan, .infinity, -.infinity])
  func layerNormKeepsBadRowsVisible(set: KernelSet, bad: Float) {
    for columns in [2, 7, 16, 19, 33] {
      for position in [0, columns / 2, columns - 1] {
        let x = Rows(3, columns, seed: 3)
        x[1, position] = bad
        let ones = Rows(1, columns) { _, _ in 1 }
        set.table.layer_norm(x.pointer, x.pointer, 3, columns, ones.pointer, ones.pointer, 1e-6)
        for column in 0..<columns {
          #expect(x[1, column].isNaN)
          #expect(x[0, column].isFinite && x[2, column].isFinite)
        }
      }
    }
  }

  // MARK: Softmax

  @Test(arguments: KernelSet.present) func softmaxAgrees(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      for scale: Float in [1, 0.125, -2] {
        let got = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 9)
        let wanted = got.copy()
        set.table.softmax(got.pointer, got.stride, rows, columns, scale, nil)
        KernelSet.reference.softmax(wanted.pointer, got.stride, rows, columns, scale, nil)
        // What rounding x * scale leaves is an error of the exponent, so it is relative.
        let problem = got.mismatch(wanted) { 24 * ulp * wanted[$0, $1] }
        #expect(problem == nil)
        for row in 0..<rows {
          let sum = (0..<columns).reduce(0.0) { $0 + Double(got[row, $1]) }
          #expect(abs(sum - 1) <= 4e-7, "row of \(columns) sums to \(sum)")
        }
      }
    }
  }

  /// Rows left without their quotients are the softmax, once multiplied by them.
  @Test(arguments: KernelSet.all) func softmaxHandsOutItsQuotients(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      let whole = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 9)
      let parts = whole.copy()
      let factors = Rows.output(1, rows)
      set.table.softmax(whole.pointer, whole.stride, rows, columns, 0.5, nil)
      set.table.softmax(parts.pointer, parts.stride, rows, columns, 0.5, factors.pointer)
      for row in 0..<rows {
        #expect((0..<columns).contains { parts[row, $0] == 1 }, "the largest is e^0")
        for column in 0..<columns {
          let got = parts[row, column] * factors[0, row]
          #expect(abs(got - whole[row, column]) <= 2 * ulp * whole[row, column])
        }
      }
      #expect(parts.isIntact && factors.isIntact)
    }
  }

  /// Two steps over parts of the rows are the softmax over all of them.
  @Test(arguments: KernelSet.all) func softmaxColumnsIsItsDefinition(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      for scale: Float in [1, 9] {
        let x = Rows(rows, columns, stride: columns + gap, seed: columns, scale: scale)
        let given = x.copy()
        let top = Rows(1, columns) { _, _ in -.infinity }
        let sum = Rows(1, columns) { _, _ in 0 }
        let first = Rows.output(1, columns)
        let second = Rows.output(1, columns)
        let half = rows / 2
        set.table.softmax_columns(
          x.pointer, x.stride, half, columns, top.pointer, sum.pointer, first.pointer)
        set.table.softmax_columns(
          x.pointer + half * x.stride, x.stride, rows - half, columns, top.pointer, sum.pointer,
          second.pointer)
        let got = Rows(rows, columns) { row, column in
          x[row, column] * (row < half ? second[0, column] : 1) / sum[0, column]
        }
        let wanted = Rows(rows, columns) { row, column in
          let values = (0..<rows).map { Double(given[$0, column]) }
          let largest = values.max() ?? 0
          let total = values.reduce(0) { $0 + exp($1 - largest) }
          return Float(exp(values[row] - largest) / total)
        }
        let limit = (24 + Float(rows) / 2) * ulp
        #expect(got.mismatch(wanted) { limit * wanted[$0, $1] + 1e-30 } == nil)
        #expect(
          top.mismatch(
            Rows(1, columns) { _, column in
              (0..<rows).map { given[$0, column] }.max() ?? -.infinity
            }, within: 0) == nil)
        #expect(x.isIntact && sum.isIntact && first.isIntact && second.isIntact)
      }
    }
    let bad = Rows(2, 20) { row, column in row == 1 && column == 17 ? .nan : 1 }
    let top = Rows(1, 20) { _, _ in -.infinity }
    let sum = Rows(1, 20) { _, _ in 0 }
    let factor = Rows.output(1, 20)
    set.table.softmax_columns(bad.pointer, 20, 2, 20, top.pointer, sum.pointer, factor.pointer)
    #expect(sum.mismatch(Rows(1, 20) { _, column in column == 17 ? .nan : 2 }, within: 0) == nil)
  }

  @Test(arguments: KernelSet.all) func softmaxIsItsDefinition(set: KernelSet) {
    let x = Rows(5, 49, seed: 8, scale: 6)
    let wanted = Rows(5, 49) { row, column in
      let values = (0..<49).map { exp(Double(x[row, $0]) * 0.5) }
      return Float(values[column] / values.reduce(0, +))
    }
    set.table.softmax(x.pointer, 49, 5, 49, 0.5, nil)
    #expect(x.mismatch(wanted) { 8 * ulp * wanted[$0, $1] } == nil)
  }

  /// Beside a 0, numbers below -21 do not move the sum from 1, so the result is exp itself.
  @Test(arguments: KernelSet.all) func expKeepsItsPromise(set: KernelSet) {
    var worst = 0.0
    var worstAt: Float = 0
    let perRow = 31
    let rows = 800
    let x = Rows(rows, perRow + 1) { row, column in
      column == 0 ? 0 : -21 - 66 * Float(row * perRow + column - 1) / Float(rows * perRow)
    }
    let before = x.copy()
    set.table.softmax(x.pointer, perRow + 1, rows, perRow + 1, 1, nil)
    for row in 0..<rows {
      #expect(x[row, 0] == 1)
      for column in 1...perRow {
        let wanted = exp(Double(before[row, column]))
        let error = abs(Double(x[row, column]) - wanted) / Double(Float(wanted).ulp)
        if error > worst { (worst, worstAt) = (error, before[row, column]) }
      }
    }
    #expect(worst <= 2, "exp is off by \(worst) ulp at \(worstAt)")
  }

  /// Below -87 exp is given up; a reference that has denormals there differs by less than they are.
  @Test(arguments: KernelSet.all) func whatIsTooSmallIsNothing(set: KernelSet) {
    let x = Rows([0, -87.5, -100, -1000, -1e30, -.infinity, -.greatestFiniteMagnitude])
    set.table.softmax(x.pointer, 7, 1, 7, 1, nil)
    #expect(x[0, 0] == 1)
    for column in 1..<7 { #expect(x[0, column] >= 0 && x[0, column] < 1.2e-38) }
  }

  /// Scores so large that the rounding of one product is larger than what exp takes.
  @Test(arguments: KernelSet.all) func softmaxSurvivesLargeScores(set: KernelSet) {
    for magnitude: Float in [1e3, 1e6, 1e9, 1e12, 1e20, 1e30] {
      for columns in [5, 16, 21, 40] {
        let x = Rows(1, columns, seed: columns)
        let largest = columns * 2 / 3
        for column in 0..<columns { x[0, column] *= magnitude * 0.9 }
        x[0, largest] = magnitude
        set.table.softmax(x.pointer, columns, 1, columns, 0.17677669, nil)
        var sum: Float = 0
        for column in 0..<columns {
          #expect(x[0, column] >= 0 && x[0, column] <= 1.000001)
          sum += x[0, column]
        }
        #expect(abs(sum - 1) <= 1e-6, "sum \(sum) at \(magnitude), \(columns) columns")
        #expect(x[0, largest] > 0.99)
      }
    }
  }

  @Test(arguments: KernelSet.all) func softmaxIsEvenOverEqualScores(set: KernelSet) {
    for columns in Extents.columns {
      let x = Rows(1, columns) { _, _ in -7.25 }
      set.table.softmax(x.pointer, columns, 1, columns, 0.3, nil)
      let wanted = Rows(1, columns) { _, _ in 1 / Float(columns) }
      #expect(x.mismatch(wanted, within: 2 * ulp / Float(columns)) == nil)
    }
  }

  /// NaN and +infinity spoil their row; -infinity is a score of its own right.
  @Test(arguments: KernelSet.all, [Float.nan, .infinity, -.infinity])
  func softmaxKeepsBadRowsVisible(set: KernelSet, bad: Float) {
    for columns in [2, 7, 16, 19, 33] {
      for position in [0, columns / 2, columns - 1] {
        let x = Rows(3, columns, seed: 3)
        x[1, position] = bad
        set.table.softmax(x.pointer, columns, 3, columns, 1, nil)
        for column in 0..<columns {
          if bad == -.infinity {
            #expect(x[1, column].isFinite && (x[1, column] == 0) == (column == position))
          } else {
            #expect(x[1, column].isNaN)
          }
          #expect(x[0, column].isFinite && x[2, column].isFinite)
        }
      }
    }
    let nothing = Rows(1, 5) { _, _ in -.infinity }
    set.table.softmax(nothing.pointer, 5, 1, 5, 1, nil)
    for column in 0..<5 { #expect(nothing[0, column].isNaN) }
  }

  // MARK: Argmax

  private func argmax(_ set: KernelSet, _ x: Rows) -> [UInt16] {
    var labels = [UInt16](repeating: 0xabcd, count: x.rows + 2)
    labels.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      set.table.argmax(x.pointer, x.rows, x.columns, base + 1)
    }
    #expect(labels.first == 0xabcd && labels.last == 0xabcd)
    return Array(labels.dropFirst().dropLast())
  }

  @Test(arguments: KernelSet.all) func argmaxFindsTheLargest(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes where gap == 0 {
      let x = Rows(rows, columns, seed: columns)
      let wanted = (0..<rows).map { row in
        let values = (0..<columns).map { x[row, $0] }
        return UInt16(values.indices.max { values[$0] < values[$1] } ?? 0)
      }
      #expect(argmax(set, x) == wanted)
    }
  }

  @Test(arguments: KernelSet.all) func theFirstOfEqualsWins(set: KernelSet) {
    for columns in [2, 15, 16, 17, 19, 33, 150] {
      for first in [0, columns / 3, columns - 2] {
        let x = Rows(1, columns, seed: 4)
        x[0, first] = 2
        x[0, first + 1] = 2
        x[0, columns - 1] = 2
        #expect(argmax(set, x) == [UInt16(first)])
      }
      #expect(argmax(set, Rows(1, columns) { _, _ in 0 }) == [0])
      #expect(argmax(set, Rows(1, columns) { _, column in column == 1 ? 0 : -0.0 }) == [0])
      #expect(argmax(set, Rows(1, columns) { _, _ in -.infinity }) == [0])
    }
  }

  @Test(arguments: KernelSet.all) func aNaNNeverWins(set: KernelSet) {
    for columns in [3, 15, 16, 17, 33, 150] {
      for wanted in [0, 1, columns - 1] {
        for best: Float in [1, -1, .infinity, -.infinity, .leastNonzeroMagnitude] {
          let x = Rows(1, columns) { $1 == wanted ? best : .nan }
          #expect(argmax(set, x) == [UInt16(wanted)], "\(best) among NaN")
        }
      }
      #expect(argmax(set, Rows(2, columns) { _, _ in .nan }) == [0, 0])
    }
  }

  /// The same as the reference where maxima, NaNs and infinities stand anywhere.
  @Test(arguments: KernelSet.present) func argmaxAgreesOnFewValues(set: KernelSet) {
    let values: [Float] = [0, -0.0, 1, 1, -1, .nan, -.infinity, .infinity, Float(bitPattern: 714)]
    for columns in Extents.columns {
      for few in [2, 4, 7, 8, 9] {
        var noise = Noise(columns * 16 + few)
        let x = Rows(50, columns) { _, _ in
          few == 8 ? -.infinity : values[Int.random(in: 0..<few, using: &noise)]
        }
        #expect(argmax(set, x) == argmax(KernelSet(name: "ref"), x), "\(columns) of \(few)")
      }
    }
  }

  @Test(arguments: KernelSet.all) func argmaxTellsDenormalsApart(set: KernelSet) {
    let x = Rows([-.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, -1])
    #expect(argmax(set, x) == [2])
  }

  @Test(arguments: KernelSet.all) func nothingIsDoneToNothing(set: KernelSet) {
    let x = Rows(2, 3, seed: 1)
    let before = x.values
    set.table.layer_norm(x.pointer, x.pointer, 0, 3, x.pointer, x.pointer, 1)
    set.table.layer_norm(x.pointer, x.pointer, 2, 0, x.pointer, x.pointer, 1)
    set.table.softmax(x.pointer, 3, 0, 3, 1, nil)
    set.table.softmax(x.pointer, 3, 2, 0, 1, nil)
    let factors = Rows(1, 2) { _, _ in 7 }
    set.table.softmax(x.pointer, 3, 2, 0, 1, factors.pointer)
    #expect(factors.values.prefix(2) == [0, 0])
    #expect(argmax(set, Rows(0, 3, seed: 1)) == [])
    #expect(argmax(set, Rows(2, 0, seed: 1)) == [0, 0])
    #expect(x.values == before)
    #expect(x.isIntact)
  }

  // MARK: Finite

  @Test(arguments: KernelSet.all) func oneBadElementIsFound(set: KernelSet) {
    for columns in [0] + Extents.columns {
      let x = Rows(1, columns) { _, column in
        column % 2 == 0 ? .greatestFiniteMagnitude : -.leastNonzeroMagnitude
      }
      #expect(set.table.all_finite(x.pointer, columns) == 1, "guards are NaN")
      for position in 0..<columns {
        for bad in [Float.nan, -.nan, .signalingNaN, .infinity, -.infinity] {
          let old = x[0, position]
          x[0, position] = bad
          #expect(set.table.all_finite(x.pointer, columns) == 0)
          x[0, position] = old
        }
      }
      #expect(x.isIntact)
    }
  }
}
