import TestSupport
import Testing

@Suite struct DetectionOperatorsTests {
  /// A case of an operator that no suite knows would be skipped in silence.
  @Test(arguments: Fixtures.detectionCases(kind: "det_op"))
  func aSuiteKnowsTheOperator(of fixture: FixtureCase) throws {
    let known = DetectionOperators.regions.union(DetectionOperators.tensors)
      .union(DetectionOperators.training)
    #expect(known.contains(try #require(fixture.json()["params"]["op"].text)))
  }
}
