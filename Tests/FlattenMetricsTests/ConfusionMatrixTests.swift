import FlattenMetrics
import Testing

@Suite struct ConfusionMatrixTests {
  private func matrix(
    _ truth: [UInt16], _ prediction: [UInt16], classes: Int = 3, ignore: Int? = 255
  ) -> ConfusionMatrix {
    var matrix = ConfusionMatrix(classes: classes)
    matrix.add(prediction: prediction, truth: truth, ignoreIndex: ignore)
    return matrix
  }

  @Test func rowsAreTruth() {
    let counted = matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 0, 2])
    #expect(counted[truth: 0, prediction: 1] == 1)
    #expect(counted[truth: 1, prediction: 0] == 0)
    #expect(counted[truth: 2, prediction: 0] == 2)
    #expect(counted.intersection == [1, 1, 1])
    #expect(counted.truthArea == [2, 1, 3])
    #expect(counted.predictionArea == [3, 2, 1])
    #expect(counted.unionArea == [4, 2, 3])
    #expect(counted.pixels == 6)
  }

  @Test func ignoredPixelsLeaveEverything() {
    let counted = matrix([255, 0, 255], [1, 0, 900])
    #expect(counted.pixels == 1)
    #expect(counted.pixelsIgnored == 2)
    #expect(counted.predictionArea == [1, 0, 0])
  }

  @Test func theIgnoreIndexMayBeAClassOrAbsent() {
    #expect(matrix([0, 1], [0, 1], ignore: 0).truthArea == [0, 1, 0])
    let none = matrix([0, 255], [0, 1], ignore: nil)
    #expect(none.pixelsIgnored == 0)
    #expect(none.pixelsOutOfRange == 1)
    #expect(matrix([0, 1], [0, 1], ignore: 70_000).pixels == 2)
  }

  /// What is out of range or ignored is in no row.
  @Test func rowsHoldTheClassesAlone() {
    let counted = matrix([0, 0, 1, 9, 2], [0, 1, 1, 2, 9])
    #expect(counted.rows == [[1, 1, 0], [0, 1, 0], [0, 0, 0]])
  }

  @Test func outOfRangeTruthStillCountsItsPrediction() {
    let counted = matrix([7, 65535, 1], [1, 2, 1])
    #expect(counted.pixelsOutOfRange == 2)
    #expect(counted.truthArea == [0, 1, 0])
    #expect(counted.predictionArea == [0, 2, 1])
    #expect(counted.unionArea == [0, 2, 1])
  }

  @Test func outOfRangePredictionStillCountsItsTruth() {
    let counted = matrix([0, 1, 9], [9, 65535, 9])
    #expect(counted.truthArea == [1, 1, 0])
    #expect(counted.predictionArea == [0, 0, 0])
    #expect(counted.pixels == 2)
  }

  /// Any split of the pixels, added in any order, gives the same matrix.
  @Test func shardsAddUp() {
    var state: UInt32 = 7
    func random(_ bound: UInt32) -> UInt16 {
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt16((state >> 16) % bound)
    }
    let truth = (0..<5000).map { _ in random(21) }
    let prediction = (0..<5000).map { _ in random(19) }
    var whole = ConfusionMatrix(classes: 19)
    whole.add(prediction: prediction, truth: truth, ignoreIndex: 20)
    for cut in [0, 1, 777, 4999, 5000] {
      var first = ConfusionMatrix(classes: 19)
      var second = ConfusionMatrix(classes: 19)
      first.add(
        prediction: Array(prediction[..<cut]), truth: Array(truth[..<cut]), ignoreIndex: 20)
      second.add(
        prediction: Array(prediction[cut...]), truth: Array(truth[cut...]), ignoreIndex: 20)
      #expect(first + second == whole)
      #expect(second + first == whole)
    }
    var plain = [Int](repeating: 0, count: 19 * 19)
    for (t, p) in zip(truth, prediction) where t < 19 && p < 19 { plain[Int(t) * 19 + Int(p)] += 1 }
    for t in 0..<19 {
      for p in 0..<19 { #expect(whole[truth: t, prediction: p] == plain[t * 19 + p]) }
    }
  }

  @Test func manyClassesWork() {
    let counted = matrix([0, 999, 65535], [0, 999, 3], classes: 1000, ignore: 65535)
    #expect(counted.pixels == 2)
    #expect(counted.pixelsIgnored == 1)
  }

  /// The whole table in one place: what each kind of class gives.
  @Test func absentAndPredictedOnlyClasses() {
    // 0 present and right, 1 only predicted, 2 absent, 3 never right but both there.
    let counted = matrix([0, 0, 0, 3], [0, 0, 3, 1], classes: 4)
    let scores = SegmentationScores(counted)
    #expect(scores[.iou][0] == 2.0 / 3)
    #expect(scores[.iou][1] == 0 && scores[.accuracy][1].isNaN)
    #expect(scores[.iou][2].isNaN && scores[.dice][2].isNaN && scores[.precision][2].isNaN)
    #expect(scores[.iou][3] == 0 && scores[.dice][3] == 0 && scores[.fscore][3].isNaN)
    #expect(scores.mIoU == 2.0 / 9)
    #expect(scores.mAcc == 1.0 / 3)
    #expect(scores.aAcc == 0.5)
    let zeroed = SegmentationScores(counted, nanReplacement: 0)
    #expect(zeroed.mIoU == 2.0 / 12)
    #expect(scores == SegmentationScores(counted) && scores != zeroed)
  }

  // MARK: Predictions that count otherwise

  @Test(
    arguments: [
      ([0, 1, 2, 3, 0, 1], [1, 2, 3, 4, 1, 2], -1), ([0, 1, 2, 3, 0, 1], [1, 2, 3, 4, 0, 2], -1),
      ([1, 2, 3, 2], [0, 1, 2, 1], 1), ([0, 1, 2, 3], [0, 1, 2, 3], nil),
      ([0, 1, 2, 3, 1, 2], [1, 2, 2, 3, 1, 2], nil), ([0, 1, 2, 3], [3, 3, 3, 3], nil),
      // One class says nothing: it may be wrong everywhere.
      ([0, 0, 0, 0], [1, 1, 1, 1], nil),
    ] as [([UInt16], [UInt16], Int?)])
  func anOffsetThatFits(truth: [UInt16], prediction: [UInt16], offset: Int?) {
    var matrix = ConfusionMatrix(classes: 4)
    matrix.add(prediction: prediction, truth: truth, ignoreIndex: 255)
    #expect(matrix.fittingOffset == offset)
  }

  @Test func predictionsOfNoClassAreCounted() {
    var matrix = ConfusionMatrix(classes: 2)
    matrix.add(prediction: [0, 255, 2, 255, 9], truth: [0, 1, 0, 255, 7], ignoreIndex: 255)
    // Not those whose truth is ignored or no class.
    #expect(matrix.predictionsOutOfRange == 2)
    #expect(ConfusionMatrix(classes: 3).predictionsOutOfRange == 0)
    #expect(ConfusionMatrix(classes: 3).fittingOffset == nil)
  }
}
