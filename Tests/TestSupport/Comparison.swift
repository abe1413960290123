import FlattenTensor

/// Element-by-element comparison, written as "passes only if close" so that NaN fails.
package enum Comparison {
  /// What is wrong with `got`, or `nil` where every element is within `atol + rtol * |expected|`.
  ///
  /// - Parameters:
  ///   - finiteOnly: skip elements whose expected value is NaN or infinite.
  package static func mismatch(
    _ got: [Float], shape: Shape, expected: [Double], expectedShape: Shape,
    atol: Double, rtol: Double = 0, finiteOnly: Bool = false
  ) -> String? {
    guard shape == expectedShape else { return "shape \(shape), expected \(expectedShape)" }
    guard got.count == expected.count else {
      return "\(got.count) elements, expected \(expected.count)"
    }
    guard !expected.isEmpty else { return "nothing to compare: the expected tensor is empty" }
    var worst = 0.0
    var worstIndex = -1
    var out = 0
    var compared = 0
    for index in got.indices {
      let wanted = expected[index]
      if !wanted.isFinite {
        if !finiteOnly { compared += 1 }
        let same = wanted.isNaN ? got[index].isNaN : Double(got[index]) == wanted
        if !finiteOnly, !same {
          out += 1
          if worstIndex < 0 || worst.isFinite { worstIndex = index }
          worst = .infinity
        }
        continue
      }
      compared += 1
      let error = abs(Double(got[index]) - wanted)
      if !(error <= atol + rtol * abs(wanted)) {
        out += 1
        if worstIndex < 0 || !(error <= worst) {
          worst = error
          worstIndex = index
        }
      }
    }
    guard compared > 0 else { return "nothing to compare: no expected element is finite" }
    guard out > 0 else { return nil }
    return "\(out) of \(got.count) elements out of tolerance \(atol); worst at "
      + "\(position(worstIndex, in: shape)): got \(got[worstIndex]), expected "
      + "\(expected[worstIndex])"
  }

  /// The coordinates of a row-major index.
  static func position(_ index: Int, in shape: Shape) -> [Int] {
    var rest = index
    var coordinates: [Int] = []
    for extent in shape.reversed() {
      coordinates.append(rest % max(extent, 1))
      rest /= max(extent, 1)
    }
    return coordinates.reversed()
  }
}
