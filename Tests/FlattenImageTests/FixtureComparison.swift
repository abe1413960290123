import FlattenTensor
import TestSupport
import Testing

/// Holds bytes against a golden tensor, with the tolerance that the case states (0 for pictures).
func expectEqual(
  _ got: [UInt8], shape: Shape, to name: String, of fixture: FixtureCase,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let expected = try #require(
    try fixture.tensors("expected")[name], "no tensor '\(name)'", sourceLocation: sourceLocation)
  let tolerance = try fixture.json()["expected"][name]["atol"].number ?? 0
  let problem = Comparison.mismatch(
    got.map(Float.init), shape: shape, expected: expected.doubles, expectedShape: expected.shape,
    atol: tolerance)
  #expect(problem == nil, "\(name)", sourceLocation: sourceLocation)
}
