import Foundation
import TestSupport
import Testing

@testable import FlattenMetrics

/// Three decimals as C prints them.
@Suite struct FixedTests {
  @Test func agreesWithC() {
    var random = SeededGenerator(seed: 9)
    var values = (0...2000).flatMap { [Double($0) / 2000, (Double($0) / 2000).nextUp] }
    values += (0...64).map { Double($0) / 64 }
    values += (0..<20_000).map { _ in Double.random(in: -2...2, using: &random) }
    values += [0.0005, 0.0015, 0.9995, 0.99949999999999994, 1, -1, -0.0625, 999.9995]
    for value in values {
      #expect(fixed(value) == String(format: "%.3f", value), "\(value)")
    }
  }

  @Test func whatIsNoNumberIsNamed() {
    #expect(fixed(.nan) == "nan" && fixed(.infinity) == "nan")
  }
}
