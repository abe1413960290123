import FlattenRegions
import TestSupport
import Testing

/// mmcv's loops, word by word: which boxes are kept.
private enum PlainSuppression {
  static func keep(
    _ boxes: [Box], _ scores: [Float], threshold: Float, offset: Float = 0
  ) -> [Int] {
    let order = boxes.indices.sorted {
      scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1
    }
    let areas = boxes.map { ($0.width + offset) * ($0.height + offset) }
    var isKept = [Bool](repeating: true, count: boxes.count)
    for first in order.indices where isKept[first] {
      let (i, one) = (order[first], boxes[order[first]])
      for second in order.indices.dropFirst(first + 1) where isKept[second] {
        let (j, other) = (order[second], boxes[order[second]])
        let width = max(0, min(one.right, other.right) - max(one.left, other.left) + offset)
        let height = max(0, min(one.bottom, other.bottom) - max(one.top, other.top) + offset)
        let shared = width * height
        if shared / (areas[i] + areas[j] - shared) > threshold { isKept[second] = false }
      }
    }
    return order.indices.filter { isKept[$0] }.map { order[$0] }
  }

  static func batched(
    _ boxes: [Box], _ scores: [Float], _ classes: [Int], threshold: Float, splitThreshold: Int
  ) -> [Int] {
    let step = (boxes.flatMap(\.edges).max() ?? 0) + 1
    let moved = zip(boxes, classes).map { box, number in
      Box.all(box.edges.map { $0 + Float(number) * step })[0]
    }
    if boxes.count < splitThreshold { return keep(moved, scores, threshold: threshold) }
    var kept: [Int] = []
    for number in Set(classes) {
      let members = classes.indices.filter { classes[$0] == number }
      kept += keep(members.map { moved[$0] }, members.map { scores[$0] }, threshold: threshold)
        .map { members[$0] }
    }
    return kept.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
  }
}

@Suite struct NonMaximumSuppressionTests {
  /// Boxes and scores as the reference gives them: coordinates, then the score.
  private func expect(_ golden: GoldenCase, _ boxes: [Box], _ scores: [Float], keep: [Int]) throws {
    try golden.expect("keep", keep)
    try golden.expect("dets", keep.flatMap { boxes[$0].edges + [scores[$0]] })
  }

  @Test(arguments: regionCases("nms")) func suppressionAgrees(with fixture: FixtureCase) throws {
    let golden = try GoldenCase(fixture)
    let p = golden.parameters
    let (boxes, scores) = (try golden.boxes("boxes"), try golden.input("scores").floats)
    let limit = p["max_num"].int ?? -1
    let keep = NonMaximumSuppression.keep(
      boxes, scores: scores, threshold: Float(try #require(p["iou_threshold"].number)),
      offset: Float(p["offset"].number ?? 0),
      scoreThreshold: Float(p["score_threshold"].number ?? 0), limit: limit > 0 ? limit : nil)
    try expect(golden, boxes, scores, keep: keep)
  }

  @Test(arguments: regionCases("batched_nms")) func batchesAgree(with fixture: FixtureCase) throws {
    let golden = try GoldenCase(fixture)
    let p = golden.parameters["nms_cfg"]
    let (boxes, scores) = (try golden.boxes("boxes"), try golden.input("scores").floats)
    let limit = p["max_num"].int ?? -1
    let keep = NonMaximumSuppression.batched(
      boxes, scores: scores, classes: try golden.input("idxs").integers,
      threshold: p["iou_threshold"].number.map(Float.init), limit: limit > 0 ? limit : nil,
      splitThreshold: p["split_thr"].int ?? 10_000,
      classAgnostic: (p["class_agnostic"].bool ?? golden.parameters["class_agnostic"].bool) == true)
    try expect(golden, boxes, scores, keep: keep)
  }

  @Test(arguments: regionCases("multiclass_nms"))
  func selectionAgrees(with fixture: FixtureCase) throws {
    let golden = try GoldenCase(fixture)
    let p = golden.parameters
    let scores = try golden.input("scores")
    let classes = scores.shape[1] - 1
    let boxes = try golden.boxes("boxes")
    let boxesOfARow = boxes.count / scores.shape[0]
    let limit = p["max_num"].int ?? -1
    let found = scores.floats.withUnsafeBufferPointer {
      NonMaximumSuppression.multiclass(
        scores: $0, classes: classes, scoreThreshold: Float(p["score_thr"].number ?? 0),
        threshold: p["nms_cfg"]["iou_threshold"].number.map(Float.init),
        limit: limit > 0 ? limit : nil
      ) { row, label in boxesOfARow == 1 ? boxes[row] : boxes[row * classes + label] }
    }
    try golden.expect("dets", found.flatMap { $0.box.edges + [$0.score] })
    try golden.expect("labels", found.map(\.label))
    try golden.expect("inds", found.map(\.index))
  }

  /// Boxes of a few objects each, with scores that tie now and then.
  private func crowd(
    _ count: Int, seed: UInt64, least: Float = 0
  ) -> (boxes: [Box], scores: [Float], classes: [Int]) {
    var noise = Noise(seed)
    var boxes: [Box] = []
    for _ in 0..<count {
      let (x, y) = (noise.float(least...300), noise.float(least...200))
      boxes.append(Box(x, y, x + noise.float(0...60), y + noise.float(-2...50)))
    }
    let scores = (0..<count).map { _ in noise.float(0...1) > 0.5 ? 0.5 : noise.float(0...1) }
    return (boxes, scores, (0..<count).map { _ in Int(noise.float(0...6.99)) })
  }

  @Test(arguments: [0, 1, 2, 7, 8, 9, 40, 333], [Float(0), 0.3, 0.5, 0.9])
  func itIsThePlainLoop(count: Int, threshold: Float) {
    for offset: Float in [0, 1] {
      let (boxes, scores, _) = crowd(count, seed: UInt64(count))
      let wanted = PlainSuppression.keep(boxes, scores, threshold: threshold, offset: offset)
      let got = NonMaximumSuppression.keep(
        boxes, scores: scores, threshold: threshold, offset: offset)
      #expect(got == wanted)
      let few = NonMaximumSuppression.keep(
        boxes, scores: scores, threshold: threshold, offset: offset, limit: 5)
      #expect(few == Array(wanted.prefix(5)))
    }
  }

  /// Negative coordinates bring boxes of different classes together; from the threshold on they are apart.
  @Test(arguments: [Float(0), -40, -400], [10_000, 100])
  func classesAreKeptApartAsUpstreamDoes(least: Float, splitThreshold: Int) {
    let (boxes, scores, classes) = crowd(300, seed: 5, least: least)
    let wanted = PlainSuppression.batched(
      boxes, scores, classes, threshold: 0.3, splitThreshold: splitThreshold)
    let got = NonMaximumSuppression.batched(
      boxes, scores: scores, classes: classes, threshold: 0.3, splitThreshold: splitThreshold)
    #expect(got == wanted)
    let few = NonMaximumSuppression.batched(
      boxes, scores: scores, classes: classes, threshold: 0.3, limit: 7,
      splitThreshold: splitThreshold)
    #expect(few == Array(wanted.prefix(7)))
  }

  @Test func boxesThatAreNoNumbersDropNothing() {
    let boxes = [Box(.nan, 0, 5, 5), Box(0, 0, 5, 5), Box(0, 0, .infinity, 5), Box(0, 0, 5, 5)]
    let kept = NonMaximumSuppression.keep(boxes, scores: [.nan, 0.9, 0.8, 0.7], threshold: 0.5)
    #expect(kept == [1, 2, 0])
  }
}
