// What a dense head's scores and deltas become with the semantics of mmdetection 3.3.0,
// mmdet/models/dense_heads/base_dense_head.py and rpn_head.py.
//
// What surprises:
// - RetinaNet keeps pairs of anchor and class, so that one anchor can become several objects;
// - its boxes are brought to the picture's size before overlaps are compared; proposals stay at the network's;
// - boxes end where the picture does, not where its padding does.

import FlattenRegions
import FlattenTensor

/// The boxes of a dense head: anchors, moved.
package struct AnchorBoxes: Sendable {
  private let anchors: AnchorShapes
  private let coder = BoxCoder()

  /// - Parameters:
  ///   - numbers: of the anchors of a cell.
  ///   - strides: one a level, finest first.
  package init(_ numbers: AnchorNumbers, strides: [Int]) {
    anchors = AnchorShapes(
      strides: strides.map { AnchorShapes.Stride($0) }, scales: numbers.scales,
      ratios: numbers.ratios)
  }

  /// RetinaNet's objects of one picture.
  package func objects(
    _ dense: DenseOutput, item: Int, placement: PicturePlacement, _ selection: DetectionSelection,
    _ pass: ForwardPass
  ) -> [ScoredBox] {
    if pass.isDryRun { return [] }
    var found: [ScoredBox] = []
    for level in dense.scores.indices {
      let best = pass.topScores(
        dense.scores[level], elements: dense.scores[level].elements(of: item),
        above: selection.score, limit: selection.perLevel)
      found += decoded(best, dense, item: item, level: level, placement.inside).map {
        var found = $0
        found.box = placement.enlarged(found.box)
        return found
      }
    }
    return selection.sifted(found.filter { $0.box.isWiderAndHigher(than: selection.leastSide) })
  }

  /// The regions of one picture that are worth a second look, best first, at the network's size.
  package func proposals(
    _ dense: DenseOutput, item: Int, placement: PicturePlacement, _ selection: DetectionSelection,
    _ pass: ForwardPass
  ) -> [ScoredBox] {
    let rule = selection.proposals
    if pass.isDryRun {
      let scores = dense.scores.map { min(rule.perLevel, $0.count / $0.shape[0]) }
      return Self.placeholders(min(rule.most, scores.reduce(0, +)), placement)
    }
    var found: [ScoredBox] = []
    var levels: [Int] = []
    for level in dense.scores.indices {
      let best = pass.topScores(
        dense.scores[level], elements: dense.scores[level].elements(of: item), above: nil,
        limit: rule.perLevel)
      let boxes = decoded(best, dense, item: item, level: level, placement.inside)
        .filter { $0.box.isWiderAndHigher(than: rule.leastSide) }
      found += boxes
      levels += boxes.map { _ in level }
    }
    // Boxes of different levels are not compared.
    return NonMaximumSuppression.batched(
      found.map(\.box), scores: found.map(\.score), classes: levels, threshold: rule.overlap,
      limit: rule.most
    ).map { found[$0] }
  }

  /// The boxes of some scores of a level, moved as the deltas say and clipped to the picture.
  private func decoded(
    _ best: [ScoredIndex], _ dense: DenseOutput, item: Int, level: Int, _ inside: PixelSize
  ) -> [ScoredBox] {
    let deltas = dense.deltas[level]
    let grid = AnchorGrid(anchors, sizes: dense.gridSizes)
    // Scores of an anchor.
    let scores = 4 * dense.scores[level].count / deltas.count
    let first = deltas.elements(of: item).lowerBound
    return deltas.withUnsafeBuffer { deltas in
      best.map { found in
        let (anchor, label) = found.index.quotientAndRemainder(dividingBy: scores)
        let box = coder.decode(
          SIMD4(deltas, at: first + 4 * anchor), of: grid.anchor(level: level, index: anchor),
          clip: inside)
        return ScoredBox(index: found.index, label: label, score: found.score, box: box)
      }
    }
  }

  /// In a dry run, which has no scores: as many boxes as there can be.
  static func placeholders(_ count: Int, _ placement: PicturePlacement) -> [ScoredBox] {
    let box = Box(
      left: 0, top: 0, right: Float(placement.inside.width), bottom: Float(placement.inside.height))
    return (0..<count).map { ScoredBox(index: $0, label: 0, score: 1, box: box) }
  }
}

extension SIMD4<Float> {
  /// Four numbers that lie side by side.
  init(_ numbers: UnsafeBufferPointer<Float>, at first: Int) {
    self.init(numbers[first], numbers[first + 1], numbers[first + 2], numbers[first + 3])
  }
}

extension Box {
  /// Whether both sides are longer than a number.
  fileprivate func isWiderAndHigher(than least: Float) -> Bool { width > least && height > least }
}

extension DetectionSelection {
  /// From so many boxes on each class is taken by itself. Upstream does so where classes are compared with each other
  /// as well, which is not what is asked for then.
  var splitThreshold: Int { isClassAgnostic ? .max : 10_000 }

  /// Drops each box that overlaps a better one of its class too much; the rest, best first.
  func sifted(_ found: [ScoredBox]) -> [ScoredBox] {
    let found = labels.map { wanted in found.filter { wanted.contains($0.label) } } ?? found
    return NonMaximumSuppression.batched(
      found.map(\.box), scores: found.map(\.score), classes: found.map(\.label),
      threshold: overlap, limit: most, splitThreshold: splitThreshold,
      classAgnostic: isClassAgnostic
    ).map { found[$0] }
  }
}

extension Tensor {
  /// The elements of one picture of a batch.
  fileprivate func elements(of item: Int) -> Range<Int> {
    let count = count / shape[0]
    return item * count..<(item + 1) * count
  }
}
