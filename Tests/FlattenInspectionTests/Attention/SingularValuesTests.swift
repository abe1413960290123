import FlattenInspection
import Foundation
import TestSupport
import Testing

/// Singular values and ranks against numpy's (`Tools/reference/attention_matrices.py`), and where they are
/// known.
@Suite struct SingularValuesTests {
  static let matrices = try? FixtureTensor.read(AttentionMatrices.file("ranks"))
  static let names = (matrices ?? [:]).keys.filter { !$0.contains(".") }.sorted()

  @Test func theSetIsWhole() {
    #expect(Self.names.count == 15, "\(AttentionMatrices.file("ranks").path)")
  }

  @Test(arguments: names) func agreesWithNumpy(name: String) throws {
    let matrix = try #require(Self.matrices?[name])
    let expected = try #require(Self.matrices?["\(name).values"]).doubles
    let ranks = try #require(Self.matrices?["\(name).ranks"]).integers
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    let elements = matrix.doubles
    var asked: [Int] = []
    let values = SingularValues(rows: rows, columns: columns) { row in
      asked.append(row)
      return Array(elements[row * columns..<(row + 1) * columns])
    }
    #expect(asked == Array(0..<rows))
    #expect(values.count == expected.count)
    let tolerance = 1e-14 * Double(rows + columns) * expected[0]
    for (index, value) in expected.enumerated() {
      let difference = abs(values[index] - value)
      #expect(difference <= tolerance, "\(index): \(values[index]), expected \(value)")
    }
    #expect(values.rank(epsilon: Double(Float.ulpOfOne)) == ranks[0])
    #expect(values.rank(epsilon: Double.ulpOfOne) == ranks[1])
  }

  /// Of the second difference, whose values are `2 - 2 cos(k pi / (n + 1))`.
  @Test func aLargeMatrixWithKnownValues() {
    let count = 301
    let values = SingularValues(rows: count, columns: count) { row in
      (0..<count).map { $0 == row ? 2 : abs($0 - row) == 1 ? -1 : 0 }
    }
    for index in 0..<count {
      let known = 2 - 2 * cos(Double(count - index) * .pi / Double(count + 1))
      #expect(abs(values[index] - known) <= 1e-13)
    }
    #expect(values.count(above: 2) == 150)
    // The last value is 1.08e-4, the bound 4 * 301 * 1.19e-7.
    #expect(values.rank(epsilon: Double(Float.ulpOfOne)) == count - 1)
    #expect(values.rank(epsilon: Double.ulpOfOne) == count)
  }

  /// `u v^T` of every shape around the size of a block of rows.
  @Test(arguments: [(1, 1), (2, 1), (64, 1), (66, 1), (131, 40), (40, 131), (300, 64)])
  func productsOfTwoVectors(rows: Int, columns: Int) {
    let values = SingularValues(rows: rows, columns: columns) { row in
      (0..<columns).map { Double((row % 7 + 1) * ($0 % 5 - 2)) + (columns == 1 ? 3 : 0) }
    }
    #expect(values.rank(epsilon: Double.ulpOfOne) == 1)
  }
}
