import FlattenKernels
import Foundation
import Testing

func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

/// Bias, activation and residual, and the GELU inside.
@Suite struct KernelEpilogueTests {
  /// Whether bias and residual are given.
  static let combinations = [(false, false), (true, false), (false, true), (true, true)]

  @Test(arguments: KernelSet.present, fk_activation.all)
  func agreesWithTheReference(set: KernelSet, activation: fk_activation) {
    for (rows, columns, gap) in Extents.shapes {
      for (hasBias, hasResidual) in Self.combinations {
        let c = Rows(rows, columns, stride: columns + gap, seed: columns, scale: 4)
        let before = c.copy()
        let wanted = c.copy()
        let bias = hasBias ? Rows(1, columns, seed: 2) : nil
        let residual =
          hasResidual ? Rows(rows, columns, stride: columns + 2 * gap, seed: 3) : nil
        for (table, target) in [(set.table, c), (KernelSet.reference, wanted)] {
          table.epilogue(
            target.pointer, target.stride, rows, columns, bias?.pointer, activation,
            residual?.pointer, residual?.stride ?? 0)
        }
        let problem = c.mismatch(wanted) { row, column in
          if activation == FK_NONE || activation == FK_RELU { return 0 }
          let x = abs(before[row, column] + (bias?[0, column] ?? 0))
          if activation != FK_GELU {
            return 4 * ulp * (x + abs(residual?[row, column] ?? 0))
          }
          // Half of x times the error of erf, and the rounding of what is added.
          return 0.5 * x * 2.5e-7 + 2 * ulp * (x + abs(residual?[row, column] ?? 0))
        }
        #expect(problem == nil)
        #expect(bias?.isIntact ?? true)
        #expect(residual?.isIntact ?? true)
      }
    }
  }

  /// The definition itself, written once more.
  @Test func theReferenceIsTheDefinition() {
    let c = Rows(3, 17, stride: 20, seed: 1, scale: 4)
    let bias = Rows(1, 17, seed: 2)
    let residual = Rows(3, 17, stride: 19, seed: 3)
    for activation in fk_activation.all {
      let got = c.copy()
      KernelSet.reference.epilogue(
        got.pointer, 20, 3, 17, bias.pointer, activation, residual.pointer, 19)
      let wanted = Rows(3, 17) { row, column in
        let x = Double(c[row, column]) + Double(bias[0, column])
        return Float(activation.defined(x) + Double(residual[row, column]))
      }
      #expect(got.mismatch(wanted, within: 1e-6) == nil)
    }
  }

  /// The header promises an erf within 2.5e-7; GELU turns that into half of |x| times as much, and
  /// rounds three times.
  @Test(arguments: KernelSet.all) func geluKeepsItsPromise(set: KernelSet) {
    let count = 24_001
    let x = (0..<count).map { Float(-12 + 24 * Double($0) / Double(count - 1)) }
    let y = Rows(x)
    set.table.epilogue(y.pointer, count, 1, count, nil, FK_GELU, nil, 0)
    var worstErf = 0.0
    var worstGelu = 0.0
    for index in x.indices {
      let value = Double(x[index])
      let wanted = 0.5 * value * (1 + erf(value / 2.0.squareRoot()))
      let error = abs(Double(y[0, index]) - wanted)
      worstGelu = max(worstGelu, error)
      if abs(value) > 1e-3 {
        worstErf = max(worstErf, (error - 2e-7 * abs(wanted)) / (0.5 * abs(value)))
      }
    }
    #expect(worstErf <= 2.5e-7, "erf: \(worstErf)")
    #expect(worstGelu <= 5e-7, "GELU: \(worstGelu)")
    #expect(y.isIntact)
  }

  /// The header's promises: 5e-7 and 2 ulp of x, and 2 ulp of x.
  @Test(arguments: KernelSet.all) func theOthersKeepTheirPromises(set: KernelSet) {
    let count = 24_001
    let x =
      (0..<count).map { Float(-12 + 24 * Double($0) / Double(count - 1)) } + [88, -88, 1e30, -1e30]
    for (activation, floor) in [(FK_GELU_TANH, 5e-7), (FK_HARD_SWISH, 0.0)] {
      let y = Rows(x)
      set.table.epilogue(y.pointer, x.count, 1, x.count, nil, activation, nil, 0)
      for index in x.indices {
        let value = Double(x[index])
        let error = abs(Double(y[0, index]) - activation.defined(value))
        let allowed = floor + 2 * Double(ulp) * abs(value)
        #expect(error <= allowed, "\(activation.testDescription) of \(value): \(error)")
      }
      #expect(y.isIntact)
    }
  }

  /// Where both pieces of erf meet, and at both ends.
  @Test(arguments: KernelSet.all) func geluHasNoSteps(set: KernelSet) {
    let borders: [Float] = [1, 4].map { $0 * Float(2).squareRoot() }
    for border in borders + borders.map({ -$0 }) + [0] {
      var x = [border]
      for _ in 0..<40 { x.append(x[x.count - 1].nextUp) }
      let y = Rows(x)
      set.table.epilogue(y.pointer, x.count, 1, x.count, nil, FK_GELU, nil, 0)
      for index in 1..<x.count { #expect(abs(y[0, index] - y[0, index - 1]) <= 2e-6) }
    }
  }

  @Test(arguments: KernelSet.all, fk_activation.all)
  func whatIsNotANumberStaysVisible(set: KernelSet, activation: fk_activation) {
    for columns in [1, 5, 16, 23, 32] {
      for position in [0, columns / 2, columns - 1] {
        let c = Rows(1, columns, seed: 1)
        c[0, position] = .nan
        set.table.epilogue(c.pointer, columns, 1, columns, nil, activation, nil, 0)
        for column in 0..<columns { #expect(c[0, column].isNaN == (column == position)) }
        #expect(c.isIntact)
      }
    }
  }

  @Test(arguments: KernelSet.all) func extremesArriveUnchanged(set: KernelSet) {
    let extremes: [Float] = [
      .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
      .leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1, -1,
    ]
    for activation in fk_activation.all {
      let got = Rows(extremes + extremes)
      let count = got.columns
      set.table.epilogue(got.pointer, count, 1, count, nil, activation, nil, 0)
      for (index, x) in (extremes + extremes).enumerated() {
        let y = got[0, index]
        switch activation {
        case FK_NONE: #expect(y == x)
        case FK_RELU: #expect(y == max(x, 0))
        default:
          // x Phi(x) of minus infinity: 0 times infinity is NaN by the formula, the limit is 0.
          if x == -.infinity {
            #expect(y.isNaN || abs(y) <= 5e-7)
          } else {
            #expect(x == .infinity ? y == x : abs(x) < 1e-30 ? abs(y) <= abs(x) : y.isFinite)
          }
        }
      }
    }
  }

  @Test(arguments: KernelSet.all) func nothingIsDoneToNothing(set: KernelSet) {
    let c = Rows(2, 3, seed: 1)
    let before = c.values
    for activation in fk_activation.all {
      set.table.epilogue(c.pointer, 3, 0, 3, c.pointer, activation, nil, 0)
      set.table.epilogue(c.pointer, 3, 2, 0, c.pointer, activation, nil, 0)
    }
    #expect(c.values == before)
    #expect(c.isIntact)
  }
}

extension fk_activation: @retroactive CustomTestStringConvertible {
  static let all = [FK_NONE, FK_RELU, FK_GELU, FK_GELU_TANH, FK_HARD_SWISH]

  /// The definition.
  func defined(_ x: Double) -> Double {
    switch self {
    case FK_RELU: max(x, 0)
    case FK_GELU: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case FK_GELU_TANH:
      0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case FK_HARD_SWISH: x * min(max(x + 3, 0), 6) / 6
    default: x
    }
  }

  /// The name in a test's arguments.
  public var testDescription: String {
    switch self {
    case FK_RELU: "ReLU"
    case FK_GELU: "GELU"
    case FK_GELU_TANH: "GELU by tanh"
    case FK_HARD_SWISH: "hard swish"
    default: "no activation"
    }
  }
}
