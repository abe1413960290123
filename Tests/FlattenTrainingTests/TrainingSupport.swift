import FlattenRegions
import TestSupport

/// The golden cases of an operator.
func trainingCases(_ name: String) -> [FixtureCase] {
  Fixtures.detectionCases(kind: "det_op", operators: [name])
}

extension Box {
  /// The boxes of rows of numbers, four of each row from `column` on.
  static func all(_ numbers: [Float], width: Int = 4, from column: Int = 0) -> [Box] {
    stride(from: column, to: numbers.count, by: width).map {
      Box(
        left: numbers[$0], top: numbers[$0 + 1], right: numbers[$0 + 2], bottom: numbers[$0 + 3])
    }
  }
}
