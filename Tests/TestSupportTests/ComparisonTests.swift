import FlattenTensor
import TestSupport
import Testing

/// The judge's own tests: what it must refuse, and what it must let pass.
@Suite struct ComparisonTests {
  private func mismatch(
    _ got: [Float], _ expected: [Double], shape: Shape? = nil, expectedShape: Shape? = nil,
    atol: Double = 1e-3, rtol: Double = 0, finiteOnly: Bool = false
  ) -> String? {
    Comparison.mismatch(
      got, shape: shape ?? [got.count], expected: expected,
      expectedShape: expectedShape ?? [expected.count], atol: atol, rtol: rtol,
      finiteOnly: finiteOnly)
  }

  @Test func acceptsWhatIsEqual() {
    #expect(mismatch([1, -2, 0, 1e30], [1, -2, -0.0, Double(Float(1e30))], atol: 0) == nil)
    #expect(mismatch([.infinity, -.infinity, .nan], [.infinity, -.infinity, .nan]) == nil)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, -1, 1.01]) func rejects(got: Float) {
    #expect(mismatch([0, got], [0, 1]) != nil)
    #expect(mismatch([0, got], [0, 1], finiteOnly: true) != nil)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity]) func rejectsNumbersForOthers(
    expected: Double
  ) {
    #expect(mismatch([0, 3], [0, expected]) != nil)
    #expect(mismatch([0, Float(-expected)], [0, expected]) != nil || expected.isNaN)
    #expect(mismatch([0, expected.isNaN ? .infinity : .nan], [0, expected]) != nil)
    #expect(mismatch([0, 3], [0, expected], finiteOnly: true) == nil)
    #expect(mismatch([1, 3], [0, expected], finiteOnly: true) != nil)
  }

  @Test func rejectsAGapBetweenNegativeNumbers() {
    #expect(mismatch([-3, -1], [-1, -1]) != nil)
    #expect(mismatch([-1, -1], [-3, -1]) != nil)
    #expect(mismatch([-3, -1], [-1, -1], rtol: 1) != nil)
  }

  /// The largest number there is must not hide the worst of small ones, nor a wide relative tolerance
  /// a sign.
  @Test func aRelativeToleranceIsOfTheExpectation() {
    #expect(mismatch([101], [100], atol: 0, rtol: 0.01) == nil)
    #expect(mismatch([102], [100], atol: 0, rtol: 0.01) != nil)
    #expect(mismatch([1000, 0.1], [1000, 0], atol: 0, rtol: 0.01) != nil)
    #expect(mismatch([-99], [-100], atol: 0, rtol: 0.01) == nil)
    #expect(mismatch([99], [-100], atol: 0, rtol: 1) != nil)
  }

  @Test func theToleranceIsExact() {
    #expect(mismatch([1.25], [1], atol: 0.25) == nil)
    #expect(mismatch([1.25], [1], atol: (0.25).nextDown) != nil)
    #expect(mismatch([0.75], [1], atol: 0.25) == nil)
    #expect(mismatch([0.75], [1], atol: (0.25).nextDown) != nil)
    #expect(mismatch([1], [1], atol: 0) == nil)
    #expect(mismatch([Float(1).nextUp], [1], atol: 0) != nil)
    #expect(mismatch([1], [1], atol: .nan) != nil)
    #expect(mismatch([1], [1], atol: -1) != nil)
  }

  @Test func rejectsAPermutation() {
    let values = (0..<24).map(Float.init)
    let turned = (0..<24).map { Float($0 % 4 * 6 + $0 / 4) }
    #expect(mismatch(turned, values.map(Double.init)) != nil)
    #expect(mismatch(values.reversed(), values.map(Double.init)) != nil)
  }

  @Test func rejectsAnotherShape() {
    let values: [Float] = [1, 2, 3, 4, 5, 6]
    let expected = values.map(Double.init)
    #expect(mismatch(values, expected, shape: [2, 3], expectedShape: [2, 3]) == nil)
    #expect(mismatch(values, expected, shape: [2, 3], expectedShape: [3, 2]) != nil)
    #expect(mismatch(values, expected, shape: [1, 6], expectedShape: [6]) != nil)
    #expect(mismatch(values, Array(expected.dropLast()), shape: [6], expectedShape: [6]) != nil)
  }

  @Test func rejectsNothing() {
    #expect(mismatch([], []) != nil)
    #expect(mismatch([], [], shape: [0, 3], expectedShape: [0, 3]) != nil)
    #expect(mismatch([], [1]) != nil)
    #expect(mismatch([1], []) != nil)
  }

  @Test func namesTheWorst() throws {
    var got = [Float](repeating: 0, count: 12)
    got[3] = 0.5
    got[7] = -2
    got[11] = 1
    let text = try #require(
      mismatch(
        got, [Double](repeating: 0, count: 12), shape: [3, 4], expectedShape: [3, 4], atol: 0.1))
    #expect(
      text == "3 of 12 elements out of tolerance 0.1; worst at [1, 3]: got -2.0, expected 0.0")
  }

  @Test(arguments: [Float.nan, .infinity]) func namesWhatIsNoNumber(bad: Float) throws {
    let text = try #require(mismatch([5, bad, 0], [0, 0, 0]))
    #expect(text.hasPrefix("2 of 3 elements") && text.contains("worst at [1]: got \(bad)"))
  }
}
