import FlattenTensor
import TestSupport
import Testing

/// Holds bytes against a golden tensor, with the tolerance that the case states (0 for pictures).
///
/// - Parameter isLenient: whether what the case calls acceptable will do.
func expectEqual(
  _ got: [UInt8], shape: Shape, to name: String, of fixture: FixtureCase,
  isLenient: Bool = false,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let expected = try #require(
    try fixture.tensors("expected")[name], "no tensor '\(name)'", sourceLocation: sourceLocation)
  let described = try fixture.json()["expected"][name]
  let tolerance = described[isLenient ? "acceptable_atol" : "atol"].number ?? 0
  let problem = Comparison.mismatch(
    got.map(Float.init), shape: shape, expected: expected.doubles, expectedShape: expected.shape,
    atol: tolerance)
  #expect(problem == nil, "\(name)", sourceLocation: sourceLocation)
}
