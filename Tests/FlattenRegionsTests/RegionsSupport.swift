import FlattenRegions
import TestSupport
import Testing

extension Box {
  init(_ left: Float, _ top: Float, _ right: Float, _ bottom: Float) {
    self.init(left: left, top: top, right: right, bottom: bottom)
  }

  var edges: [Float] { [left, top, right, bottom] }

  /// All boxes of rows of four or more numbers.
  static func all(_ numbers: [Float]) -> [Box] {
    stride(from: 0, to: numbers.count, by: 4).map {
      Box(numbers[$0], numbers[$0 + 1], numbers[$0 + 2], numbers[$0 + 3])
    }
  }
}

/// The tensors of a golden case as plain numbers.
struct GoldenCase {
  let json: JSONValue
  private let inputs: [String: FixtureTensor]
  private let expected: [String: FixtureTensor]

  init(_ fixture: FixtureCase) throws {
    json = try fixture.json()
    inputs = try fixture.tensors("inputs")
    expected = try fixture.tensors("expected")
  }

  var parameters: JSONValue { json["params"] }

  func input(_ name: String) throws -> FixtureTensor { try #require(inputs[name], "\(name)") }
  func expected(_ name: String) throws -> FixtureTensor { try #require(expected[name], "\(name)") }

  func boxes(_ name: String) throws -> [Box] { Box.all(try input(name).floats) }

  /// Holds numbers against an expectation, with the case's own tolerance.
  func expect(_ name: String, _ got: [Double]) throws {
    let wanted = try expected(name).doubles
    let tolerance = try #require(json["expected"][name]["atol"].number, "\(name)")
    try #require(got.count == wanted.count, "\(name): \(got.count) of \(wanted.count) numbers")
    for index in wanted.indices {
      let isClose = abs(got[index] - wanted[index]) <= tolerance
      #expect(isClose, "\(name)[\(index)] is \(got[index]), expected \(wanted[index])")
      if !isClose { return }
    }
  }

  func expect(_ name: String, _ got: [Float]) throws { try expect(name, got.map(Double.init)) }
  func expect(_ name: String, _ got: [Int]) throws { try expect(name, got.map(Double.init)) }
}

/// The cases of one operator, and a check that the set has some.
func regionCases(_ name: String) -> [FixtureCase] {
  Fixtures.detectionCases(kind: "det_op", operators: [name])
}

/// Numbers that depend on the seed alone.
struct Noise {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  mutating func float(_ range: ClosedRange<Float>) -> Float {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    let share = Float((z ^ (z >> 31)) >> 40) * 0x1p-24
    return range.lowerBound + (range.upperBound - range.lowerBound) * share
  }
}
