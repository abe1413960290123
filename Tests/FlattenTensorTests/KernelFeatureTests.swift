import FlattenKernels
import Foundation
import Testing

/// Feature maps of linear attention and what goes with them.
@Suite struct KernelFeatureTests {
  static let activations = [
    FK_NONE, FK_RELU, FK_GELU, FK_SIGMOID, FK_SILU, FK_ELU, FK_ELU_PLUS_ONE,
  ]

  private static func activated(_ x: Double, _ activation: fk_activation) -> Double {
    switch activation {
    case FK_RELU: max(x, 0)
    case FK_GELU: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case FK_SIGMOID: 1 / (1 + exp(-x))
    case FK_SILU: x / (1 + exp(-x))
    case FK_ELU: x > 0 ? x : expm1(x)
    case FK_ELU_PLUS_ONE: x > 0 ? x + 1 : exp(x)
    default: x
    }
  }

  @Test(arguments: KernelSet.all, activations)
  func activationsAreTheirDefinitions(set: KernelSet, activation: fk_activation) {
    for (rows, columns, gap) in Extents.shapes {
      for plus: Float in [0, 0.125] {
        let x = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 9)
        let y = Rows.output(rows, columns, stride: columns + 2 * gap)
        set.table.activate_rows(
          x.pointer, x.stride, y.pointer, y.stride, rows, columns, activation, plus)
        let wanted = Rows(rows, columns) {
          Float(Self.activated(Double(x[$0, $1]), activation) + Double(plus))
        }
        let problem = y.mismatch(wanted) { row, column in
          // What is added is rounded as well.
          let size = abs(wanted[row, column]) + plus
          switch activation {
          case FK_GELU: return 5e-7 + ulp * size
          case FK_ELU: return 2 * ulp * max(1, size)
          default: return 4 * ulp * size
          }
        }
        #expect(problem == nil)
        #expect(x.isIntact)
        set.table.activate_rows(
          x.pointer, x.stride, x.pointer, x.stride, rows, columns, activation, plus)
        #expect(x.mismatch(y, within: 0) == nil, "in place differs")
      }
    }
  }

  /// The epilogue of a product does the same.
  @Test(arguments: KernelSet.all, activations)
  func theEpilogueHasTheSameActivations(set: KernelSet, activation: fk_activation) {
    let x = Rows(3, 37, seed: 4, scale: 6)
    let y = Rows.output(3, 37)
    set.table.activate_rows(x.pointer, 37, y.pointer, 37, 3, 37, activation, 0)
    set.table.epilogue(x.pointer, 37, 3, 37, nil, activation, nil, 0)
    #expect(x.mismatch(y, within: 0) == nil)
  }

  @Test(arguments: KernelSet.all, [FK_SIGMOID, FK_SILU, FK_ELU, FK_ELU_PLUS_ONE])
  func farOutActivationsAreTheirLimits(set: KernelSet, activation: fk_activation) {
    let x = Rows([.nan, 300, -300, 3e38, -3e38, .infinity])
    let y = Rows.output(1, 6)
    set.table.activate_rows(x.pointer, 6, y.pointer, 6, 1, 6, activation, 0)
    #expect(y[0, 0].isNaN)
    let high: Float = activation == FK_SIGMOID ? 1 : .infinity
    let low: Float = activation == FK_ELU ? -1 : 0
    #expect(abs(y[0, 2] - low) < 1e-30 && y[0, 5] == high)
    #expect(abs(y[0, 4] - low) < 1e-30)
    if activation != FK_SIGMOID { #expect(y[0, 3] == 3e38) }
  }

  @Test(arguments: KernelSet.all) func unitRowsAreTheirDefinition(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      let x = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 5)
      let y = Rows.output(rows, columns, stride: columns + 2 * gap)
      set.table.unit_rows(x.pointer, x.stride, y.pointer, y.stride, rows, columns, 3, 0.25)
      let wanted = Rows(rows, columns) { row, column in
        let norm = (0..<columns).reduce(0.0) { $0 + pow(Double(x[row, $1]), 2) }.squareRoot()
        return Float(Double(x[row, column]) * 3 / (norm + 0.25))
      }
      let problem = y.mismatch(wanted) {
        (6 + Float(columns) / 32) * ulp * abs(wanted[$0, $1])
      }
      #expect(problem == nil)
      #expect(x.isIntact)
    }
  }

  /// A row of zeros stays one where there is an epsilon, and is NaN where there is none.
  @Test(arguments: KernelSet.all) func aRowOfZerosHasNoDirection(set: KernelSet) {
    let x = Rows(2, 19) { _, _ in 0 }
    let y = Rows.output(2, 19)
    set.table.unit_rows(x.pointer, 19, y.pointer, 19, 1, 19, 1, 1e-12)
    set.table.unit_rows(x.pointer, 19, y.pointer + 19, 19, 1, 19, 1, 0)
    for column in 0..<19 { #expect(y[0, column] == 0 && y[1, column].isNaN) }
  }

  @Test(arguments: KernelSet.all) func pairsTurn(set: KernelSet) {
    for (heads, width, split) in [
      (1, 2, 0), (1, 2, 2), (3, 4, 2), (2, 8, 4), (1, 16, 16), (2, 36, 18), (2, 64, 32),
      (1, 70, 34),
    ] {
      func angle(_ channel: Int) -> Double { Double(channel / 2) * 0.37 - 1 }
      func table(_ channels: Range<Int>) -> Rows {
        let cosines = channels.map { Float(cos(angle($0))) }
        let sines = channels.map { Float(sin(angle($0))) * ($0 % 2 == 0 ? -1 : 1) }
        return Rows(cosines + sines)
      }
      let (first, second) = (table(0..<split), table(split..<width))
      let x = Rows(1, heads * width, seed: width, scale: 3)
      let y = Rows.output(1, heads * width)
      set.table.rotate_row(
        x.pointer, y.pointer, heads, width, split, first.pointer, second.pointer)
      let wanted = Rows(1, heads * width) { _, channel in
        let (cosine, sine) = (cos(angle(channel % width)), sin(angle(channel % width)))
        let (own, other) = (Double(x[0, channel]), Double(x[0, channel ^ 1]))
        return Float(channel % 2 == 0 ? own * cosine - other * sine : own * cosine + other * sine)
      }
      #expect(y.mismatch(wanted) { _, c in ulp * (abs(x[0, c]) + abs(x[0, c ^ 1])) } == nil)
      set.table.rotate_row(
        x.pointer, x.pointer, heads, width, split, first.pointer, second.pointer)
      #expect(x.mismatch(y, within: 0) == nil, "in place differs")
    }
  }

  @Test(arguments: KernelSet.all) func productsAreExact(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      let x = Rows(rows, columns, stride: columns + gap, seed: 1)
      let y = Rows(rows, columns, stride: columns + 2 * gap, seed: 2)
      let wanted = Rows(rows, columns) { x[$0, $1] * y[$0, $1] }
      let byRow = Rows(rows, columns) { wanted[$0, $1] * x[0, $1] }
      set.table.multiply_rows(y.pointer, y.stride, x.pointer, x.stride, rows, columns)
      #expect(y.mismatch(wanted, within: 0) == nil)
      set.table.multiply_rows(y.pointer, y.stride, x.pointer, 0, rows, columns)
      #expect(y.mismatch(byRow, within: 0) == nil)
      #expect(x.isIntact)
    }
  }

  @Test(arguments: KernelSet.all) func headsAreMultiplied(set: KernelSet) {
    for heads in [1, 2, 3] {
      for width in [1, 2, 7, 16, 17, 32, 40, 64] {
        let x = Rows(5, heads * width, stride: heads * width + 3, seed: width)
        let m = Rows(1, heads * width, seed: 2)
        let y = Rows.output(5, heads, stride: heads + 2)
        set.table.dot_heads(
          x.pointer, x.stride, 5, heads, width, m.pointer, 0.125, y.pointer, y.stride)
        func sum(_ row: Int, _ head: Int, _ term: (Double) -> Double) -> Double {
          (head * width..<(head + 1) * width).reduce(0) {
            $0 + term(Double(x[row, $1]) * Double(m[0, $1]))
          } * 0.125
        }
        let wanted = Rows(5, heads) { Float(sum($0, $1) { $0 }) }
        let problem = y.mismatch(wanted) {
          (5 + Float(width) / 32) * ulp * Float(sum($0, $1, abs))
        }
        #expect(problem == nil)
        #expect(x.isIntact && m.isIntact)
      }
    }
  }

  @Test(arguments: KernelSet.all) func columnsHaveTops(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      let x = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 7)
      let top = Rows(1, columns) { _, column in column % 3 == 0 ? 100 : -.infinity }
      let wanted = Rows(1, columns) { _, column in
        max(top[0, column], (0..<rows).map { x[$0, column] }.max() ?? 0)
      }
      set.table.column_maxima(x.pointer, x.stride, rows, columns, top.pointer)
      #expect(top.mismatch(wanted, within: 0) == nil)

      for scale: Float in [1, 0.25] {
        let y = Rows.output(rows, columns, stride: columns + 2 * gap)
        set.table.exp_columns(
          x.pointer, x.stride, y.pointer, y.stride, rows, columns, top.pointer, scale)
        let powers = Rows(rows, columns) {
          Float(exp(Double(x[$0, $1] * scale) - Double(top[0, $1] * scale)))
        }
        // What is 87 below the top may be 0.
        #expect(y.mismatch(powers) { 16 * ulp * powers[$0, $1] + 1.2e-38 } == nil)
      }
      #expect(x.isIntact && top.isIntact)
    }
  }

  @Test(arguments: KernelSet.all) func headsAreMirrored(set: KernelSet) {
    for heads in [1, 3] {
      for width in [1, 2, 7, 16, 17, 32, 40] {
        let x = Rows(4, heads * width, stride: heads * width + 3, seed: width, scale: 2)
        let raw = (0..<width).map { Double($0 % 5) - 1.5 }
        let length = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let v = Rows(raw.map { Float($0 / length) })
        let y = Rows.output(4, heads * width, stride: heads * width + 1)
        set.table.reflect_rows(
          x.pointer, x.stride, y.pointer, y.stride, 4, heads, width, v.pointer)
        func head(_ row: Int, _ column: Int) -> [Double] {
          (0..<width).map { Double(x[row, column / width * width + $0]) }
        }
        let wanted = Rows(4, heads * width) { row, column in
          let dot = zip(head(row, column), 0..<width).reduce(0) { $0 + $1.0 * Double(v[0, $1.1]) }
          return Float(Double(x[row, column]) - 2 * dot * Double(v[0, column % width]))
        }
        let problem = y.mismatch(wanted) { row, column in
          let norm = head(row, column).reduce(0) { $0 + $1 * $1 }.squareRoot()
          return (8 + Float(width) / 16) * ulp * Float(norm)
        }
        #expect(problem == nil)
        set.table.reflect_rows(
          x.pointer, x.stride, x.pointer, x.stride, 4, heads, width, v.pointer)
        #expect(x.mismatch(y, within: 0) == nil, "in place differs")
      }
    }
  }

  @Test(arguments: KernelSet.all) func randomFeaturesAreTheirDefinition(set: KernelSet) {
    for (rows, columns, gap) in Extents.shapes {
      for hasTop in [false, true] {
        let x = Rows(rows, 9, stride: 9 + gap, seed: 3)
        let y = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 3)
        let given = Rows([2])
        let wanted = Rows(rows, columns) { row, column in
          let top = hasTop ? 2 : (0..<columns).map { Double(y[row, $0]) }.max() ?? 0
          let squares = (0..<9).reduce(0) { $0 + Double(x[row, $1]) * Double(x[row, $1]) }
          return Float(exp(Double(y[row, column]) - top - 0.5 * squares) + 0.25)
        }
        set.table.exp_features(
          y.pointer, y.stride, rows, columns, x.pointer, x.stride, 9, 0.5,
          hasTop ? UnsafePointer(given.pointer) : nil, 0.25)
        #expect(y.mismatch(wanted) { 24 * ulp * wanted[$0, $1] } == nil)
        #expect(x.isIntact)
      }
    }
  }

  @Test(arguments: KernelSet.all) func aNaNIsNoTopButStays(set: KernelSet) {
    let x = Rows(3, 18) { row, column in row == 1 && column > 16 ? .nan : Float(row) }
    let top = Rows(1, 18) { _, _ in -.infinity }
    set.table.column_maxima(x.pointer, 18, 3, 18, top.pointer)
    #expect(top.values == [Float](repeating: 2, count: 18))
    set.table.exp_columns(x.pointer, 18, x.pointer, 18, 3, 18, top.pointer, 1)
    #expect(x[1, 17].isNaN && x[2, 17] == 1 && x[1, 16] < 1)
  }
}
