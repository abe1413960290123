/// A box that a box head found, with the class it was found for.
package struct ScoredBox: Sendable, Hashable {
  /// `row * classes + label` in the head's outputs.
  package let index: Int
  package let label: Int
  package let score: Float
  package var box: Box

  package init(index: Int, label: Int, score: Float, box: Box) {
    self.index = index
    self.label = label
    self.score = score
    self.box = box
  }
}

extension NonMaximumSuppression {
  /// The best boxes of a head that scores each of its rows for every class (mmdetection's `multiclass_nms`).
  ///
  /// - Parameters:
  ///   - scores: `[rows, classes + 1]`; the last column is the background and ignored.
  ///   - scoreThreshold: only pairs of row and class with a higher score take part.
  ///   - threshold: of ``batched(_:scores:classes:threshold:limit:splitThreshold:classAgnostic:)``.
  ///   - limit: no more than so many boxes in all; `nil` is any number.
  ///   - labels: the classes that take part; `nil` is all.
  ///   - box: the box of a row for a class; asked for the pairs that take part.
  /// - Returns: best score first.
  package static func multiclass(
    scores: UnsafeBufferPointer<Float>, classes: Int, scoreThreshold: Float, threshold: Float?,
    limit: Int?, labels: Set<Int>? = nil, splitThreshold: Int = 10_000,
    classAgnostic: Bool = false, box: (_ row: Int, _ label: Int) -> Box
  ) -> [ScoredBox] {
    precondition(
      classes >= 0 && scores.count % (classes + 1) == 0,
      "\(scores.count) scores of \(classes) classes and the background")
    var found: [ScoredBox] = []
    for row in 0..<scores.count / (classes + 1) {
      for label in 0..<classes where labels?.contains(label) ?? true {
        let score = scores[row * (classes + 1) + label]
        guard score > scoreThreshold else { continue }
        found.append(
          ScoredBox(
            index: row * classes + label, label: label, score: score, box: box(row, label)))
      }
    }
    let kept = batched(
      found.map(\.box), scores: found.map(\.score), classes: found.map(\.label),
      threshold: threshold, limit: limit, splitThreshold: splitThreshold,
      classAgnostic: classAgnostic)
    return kept.map { found[$0] }
  }
}
