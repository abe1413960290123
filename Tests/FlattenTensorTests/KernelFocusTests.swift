import FlattenKernels
import Foundation
import Testing

/// The focusing map and the reductions of linear attention.
@Suite struct KernelFocusTests {
  static let powers: [Int32] = [1, 2, 3, 4, 8, 32]

  /// The map in double precision; the clamped, scaled input is rounded as the contract has it.
  static func focused(_ x: Rows, _ add: Rows?, _ inverseScale: Rows, power: Int32) -> Rows {
    let result = Rows.output(x.rows, x.columns)
    for row in 0..<x.rows {
      let u = (0..<x.columns).map { column in
        let sum = x[row, column] + (add?[row, column] ?? 0)
        return Double((max(sum, 0) + 1e-6) * inverseScale[0, column])
      }
      let largest = u.max() ?? 1
      let raised = u.map { pow($0 / largest, Double(power)) }
      let norm = u.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let raisedNorm = raised.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for column in 0..<x.columns {
        result[row, column] = Float(raised[column] * norm / raisedNorm)
      }
    }
    return result
  }

  @Test(arguments: KernelSet.all, powers) func agreesWithTheDefinition(set: KernelSet, power: Int32)
  {
    for (rows, columns, gap) in Extents.shapes where power == 3 || columns < 50 {
      for hasPosition in [false, true] {
        let x = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 2)
        let add = hasPosition ? Rows(rows, columns, seed: 6, scale: 0.5) : nil
        let scale = Rows(1, columns, seed: 7, scale: 0.4, offset: 0.7)
        let y = Rows.output(rows, columns)
        set.table.focus(
          x.pointer, x.stride, add?.pointer, y.pointer, rows, columns, scale.pointer, power)
        let wanted = Self.focused(x, add, scale, power: power)
        // Each factor of a power rounds; so do the norms.
        let problem = y.mismatch(wanted) { row, column in
          (Float(power) + 12) * ulp * wanted[row, column] + 1e-30
        }
        #expect(problem == nil)
        #expect(x.isIntact && scale.isIntact && add?.isIntact ?? true)
      }
    }
  }

  /// The row's length stays, whatever the power: that is what the norms are for.
  @Test(arguments: KernelSet.all, powers) func keepsTheLength(set: KernelSet, power: Int32) {
    let x = Rows(4, 100, seed: 9, scale: 5)
    let ones = Rows(1, 100) { _, _ in 1 }
    let y = Rows.output(4, 100)
    set.table.focus(x.pointer, 100, nil, y.pointer, 4, 100, ones.pointer, power)
    for row in 0..<4 {
      let before = (0..<100).reduce(0.0) {
        let u = Double(max(x[row, $1], 0) + 1e-6)
        return $0 + u * u
      }
      let after = (0..<100).reduce(0.0) { $0 + Double(y[row, $1]) * Double(y[row, $1]) }
      #expect(abs(after / before - 1) < 1e-5)
    }
  }

  /// A row without a positive element is 1e-6 everywhere before the scaling.
  @Test(arguments: KernelSet.all, powers) func deadRowsStayAlive(set: KernelSet, power: Int32) {
    for columns in [1, 7, 16, 37] {
      let x = Rows(2, columns) { row, column in row == 0 ? -1 - Float(column) : -0.0 }
      let scale = Rows(1, columns) { _, _ in 2 }
      let y = Rows.output(2, columns)
      set.table.focus(x.pointer, columns, nil, y.pointer, 2, columns, scale.pointer, power)
      #expect(y.mismatch(Rows(2, columns) { _, _ in 2e-6 }, within: 1e-11) == nil)
    }
  }

  /// From 1e-20 to 1e20, in the input and in the scale: powers of u itself would leave the range.
  @Test(arguments: KernelSet.all, powers) func spansMagnitudes(set: KernelSet, power: Int32) {
    for exponent in stride(from: -20, through: 20, by: 5) {
      let magnitude = Float(pow(10, Double(exponent)))
      for columns in [5, 16, 35] {
        let x = Rows(2, columns, seed: columns, scale: magnitude)
        let scale = Rows(1, columns, seed: 7, scale: 0.4, offset: 0.7)
        let wide = Rows(1, columns) { _, column in scale[0, column] * magnitude }
        for (input, factor) in [(x, scale), (x, wide)] {
          let y = Rows.output(2, columns)
          set.table.focus(
            input.pointer, columns, nil, y.pointer, 2, columns, factor.pointer, power)
          let wanted = Self.focused(input, nil, factor, power: power)
          let problem = y.mismatch(wanted) { row, column in
            let top = (0..<columns).map { wanted[row, $0] }.max() ?? 0
            return (Float(power) + 12) * ulp * wanted[row, column] + 1e-30 * top
          }
          #expect(problem == nil, "10^\(exponent)")
        }
      }
    }
  }

  @Test(arguments: KernelSet.all, [Float.nan, .infinity])
  func badRowsStayVisible(set: KernelSet, bad: Float) {
    for power in Self.powers {
      for columns in [1, 7, 16, 19, 33] {
        for position in [0, columns / 2, columns - 1] {
          let x = Rows(3, columns, seed: 3)
          x[1, position] = bad
          let scale = Rows(1, columns) { _, _ in 0.7 }
          let y = Rows.output(3, columns)
          set.table.focus(x.pointer, columns, nil, y.pointer, 3, columns, scale.pointer, power)
          for column in 0..<columns {
            #expect(y[1, column].isNaN)
            #expect(y[0, column].isFinite && y[2, column].isFinite)
          }
        }
      }
    }
  }

  /// The ReLU takes -infinity like any negative number; in the position it is the same.
  @Test(arguments: KernelSet.all) func minusInfinityIsNegative(set: KernelSet) {
    let x = Rows(1, 19, seed: 3)
    x[0, 17] = -.infinity
    let scale = Rows(1, 19) { _, _ in 0.7 }
    let y = Rows.output(1, 19)
    set.table.focus(x.pointer, 19, nil, y.pointer, 1, 19, scale.pointer, 3)
    x[0, 17] = -1
    let wanted = Rows.output(1, 19)
    set.table.focus(x.pointer, 19, nil, wanted.pointer, 1, 19, scale.pointer, 3)
    #expect(y.mismatch(wanted, within: 0) == nil)
  }

  // MARK: Reductions

  @Test(arguments: KernelSet.all) func columnSumsAgree(set: KernelSet) {
    let shapes = Extents.shapes + [(129, 17, 2), (1000, 5, 0), (0, 19, 0)]
    for (rows, columns, gap) in shapes {
      let x = Rows(rows, columns, stride: columns + gap, seed: columns, offset: 0.3)
      let sums = Rows.output(1, columns)
      set.table.column_sums(x.pointer, x.stride, rows, columns, sums.pointer)
      let wanted = Rows(1, columns) { _, column in
        Float((0..<rows).reduce(0.0) { $0 + Double(x[$1, column]) })
      }
      let limit = (64 + Float(rows) / 64) * ulp * 0.25 * Float(rows)
      #expect(sums.mismatch(wanted, within: limit) == nil)
      #expect(x.isIntact)
    }
  }

  /// A thousand small numbers behind a large one are not lost entirely: blocks are added, not rows.
  @Test(arguments: KernelSet.present) func columnSumsAreAddedInBlocks(set: KernelSet) {
    let x = Rows(64 * 40, 3) { row, _ in row == 0 ? 0x1p24 : 1 }
    let sums = Rows.output(1, 3)
    set.table.column_sums(x.pointer, 3, 64 * 40, 3, sums.pointer)
    for column in 0..<3 { #expect(abs(sums[0, column] - 0x1p24 - 39 * 64) <= 64) }
  }

  @Test(arguments: KernelSet.all) func divisionByADotAgrees(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      // Queries as wide as the values, and of another width; and what the sum must at least be.
      let (depth, least): (Int, Float) =
        gap == 0 ? (columns, -.infinity) : (columns / 2 + 3, Float(columns) / 8)
      let y = Rows(rows, columns, stride: columns + gap, seed: 1)
      let q = Rows(rows, depth, stride: depth + 2 * gap, seed: 2, scale: 0.5, offset: 0.5)
      let k = Rows(1, depth, seed: 3, scale: 0.5, offset: 0.5)
      let wanted = Rows(rows, columns) { row, column in
        let dot = (0..<depth).reduce(0.0) { $0 + Double(q[row, $1]) * Double(k[0, $1]) }
        return Float(Double(y[row, column]) / max(dot + 1e-6, Double(least)))
      }
      set.table.divide_by_dot(
        y.pointer, y.stride, columns, q.pointer, q.stride, k.pointer, depth, rows, 1e-6, least)
      let problem = y.mismatch(wanted) { (6 + Float(depth) / 16) * ulp * abs(wanted[$0, $1]) }
      #expect(problem == nil)
      #expect(q.isIntact && k.isIntact)
    }
  }

  /// Nothing to divide by but the epsilon; and what is not a number.
  @Test(arguments: KernelSet.all) func divisionByNothingIsByTheEpsilon(set: KernelSet) {
    let y = Rows(3, 21) { _, _ in 1e-6 }
    let q = Rows(3, 21) { row, column in row == 1 && column == 20 ? .nan : 0 }
    let k = Rows(1, 21) { _, _ in 1 }
    set.table.divide_by_dot(
      y.pointer, 21, 21, q.pointer, 21, k.pointer, 21, 3, 1e-6, 1e-7)
    let wanted = Rows(3, 21) { row, _ in row == 1 ? .nan : 1 }
    #expect(y.mismatch(wanted, within: 1e-6) == nil)
  }

  private static func clamped(_ x: Double) -> Double {
    x == 0 || x.isNaN ? x : (x < 0 ? -1 : 1) * min(max(abs(x), 1e-3), 2)
  }

  @Test(arguments: KernelSet.all) func clampedMagnitudesAgree(set: KernelSet) {
    for (rows, columns, _) in Extents.shapes {
      for isGated in [false, true] {
        let x = Rows(rows, columns, seed: 4, scale: 3)
        for column in 0..<columns where rows > 0 {
          let odd: [Float] = [0, 1e-5, -1e-5, 1e5, -1e5, .nan, .infinity]
          if column % 3 == 0 { x[0, column] = odd[column / 3 % odd.count] }
        }
        let gate = Rows(1, columns, seed: 5)
        let residual = isGated ? Rows(rows, columns, seed: 6) : nil
        let y = Rows.output(rows, columns)
        set.table.clamp_magnitude(
          x.pointer, y.pointer, rows, columns, 1e-3, 2, isGated ? gate.pointer : nil,
          residual?.pointer)
        let wanted = Rows(rows, columns) { row, column in
          var u = Self.clamped(Double(x[row, column]))
          if isGated { u = Self.clamped(u + u * Double(gate[0, column])) }
          return Float(u + Double(residual?[row, column] ?? 0))
        }
        #expect(y.mismatch(wanted, within: 8 * ulp) == nil)
        #expect(x.isIntact && gate.isIntact && residual?.isIntact ?? true)
      }
    }
  }

  @Test(arguments: KernelSet.all) func clampedDivisionByADotAgrees(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      let depth = columns / 2 + 3
      let y = Rows(rows, columns, stride: columns + gap, seed: 1)
      let q = Rows(rows, depth, stride: depth + 2 * gap, seed: 2, scale: 0.5, offset: 0.5)
      let k = Rows(1, depth, seed: 3, scale: 0.5, offset: 0.5)
      let wanted = Rows(rows, columns) { row, column in
        let dot = (0..<depth).reduce(0.0) { $0 + Double(q[row, $1]) * Double(k[0, $1]) }
        let factor = Self.clamped(1 / (dot + 1e-4))
        return Float(Self.clamped(Self.clamped(Double(y[row, column])) * factor))
      }
      set.table.divide_by_dot_clamped(
        y.pointer, y.stride, columns, q.pointer, q.stride, k.pointer, depth, rows, 1e-4, 1e-3, 2)
      let problem = y.mismatch(wanted) { (8 + Float(depth) / 16) * ulp * abs(wanted[$0, $1]) }
      #expect(problem == nil)
      #expect(q.isIntact && k.isIntact)
    }
  }

  @Test(arguments: KernelSet.all) func scaledAdditionAgrees(set: KernelSet) {
    for count in Extents.columns {
      for factor: Float in [1, -0.5, 0, 3e20] {
        let y = Rows(1, count, seed: 1)
        let x = Rows(1, count, seed: 2)
        let wanted = Rows(1, count) { _, column in
          Float(Double(y[0, column]) + Double(factor) * Double(x[0, column]))
        }
        let before = y.copy()
        set.table.add_scaled(y.pointer, x.pointer, factor, count)
        let problem = y.mismatch(wanted) {
          2 * ulp * (abs(before[$0, $1]) + abs(factor * x[$0, $1]))
        }
        #expect(problem == nil)
        #expect(x.isIntact)
      }
    }
    let y = Rows([1, .nan, 2, .infinity])
    let x = Rows([.nan, 1, -.infinity, -.infinity])
    set.table.add_scaled(y.pointer, x.pointer, 1, 4)
    #expect(y.mismatch(Rows([.nan, .nan, -.infinity, .nan]), within: 0) == nil)
  }

  @Test(arguments: KernelSet.all) func nothingIsDoneToNothing(set: KernelSet) {
    let x = Rows(2, 3, seed: 1)
    let before = x.values
    let p = x.pointer
    set.table.focus(p, 3, nil, p, 0, 3, p, 3)
    set.table.focus(p, 3, p, p, 2, 0, p, 3)
    set.table.column_sums(p, 3, 2, 0, p)
    set.table.divide_by_dot(p, 3, 3, p, 3, p, 3, 0, 1, 0)
    set.table.divide_by_dot(p, 3, 0, p, 3, p, 3, 2, 1, 0)
    set.table.add_scaled(p, p, 1, 0)
    #expect(x.values == before)
    #expect(x.isIntact)
  }
}
