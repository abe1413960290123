import FlattenRegions
import FlattenTensor
import FlattenTraining
import TestSupport
import Testing

@Suite struct MaxIoUAssignerTests {
  @Test func noOperatorIsMissing() {
    #expect(Fixtures.lackingDetection(operators: DetectionOperators.training).isEmpty)
  }

  private func assigner(_ p: JSONValue) throws -> MaxIoUAssigner {
    let limits = p["neg_iou_thr"].list.compactMap(\.number).map(Float.init)
    let negative =
      limits.count == 2
      ? limits[0]..<limits[1] : 0..<Float(try #require(p["neg_iou_thr"].number))
    let share = p["ignore_iof_thr"].number ?? -1
    return MaxIoUAssigner(
      positive: Float(try #require(p["pos_iou_thr"].number)), negative: negative,
      leastBest: p["match_low_quality"].bool == false ? nil : Float(p["min_pos_iou"].number ?? 0),
      takesAllBest: p["gt_max_assign_all"].bool ?? true,
      ignoredShare: share > 0 ? Float(share) : nil)
  }

  @Test(arguments: trainingCases("assign")) func assignmentsAgree(with fixture: FixtureCase) throws
  {
    let golden = try Golden(fixture)
    let ignored =
      try golden.inputs["gt_ignore"] == nil ? [] : Box.all(golden.input("gt_ignore").elements)
    let (assignments, overlaps) = try assigner(golden.parameters["assigner"]).assign(
      Box.all(try golden.input("priors").elements),
      to: Box.all(try golden.input("gt_boxes").elements), ignoring: ignored)
    let labels = try #require(golden.inputs["gt_labels"]).integers
    let numbers = assignments.map { assignment in
      switch assignment {
      case .ignored: -1
      case .background: 0
      case .object(let index): index + 1
      }
    }
    #expect(numbers == golden.expected["gt_inds"]?.integers)
    #expect(numbers.map { $0 > 0 ? labels[$0 - 1] : -1 } == golden.expected["labels"]?.integers)
    #expect(golden.mismatch("max_overlaps", Tensor([overlaps.count], overlaps)) == nil)
  }
}
