/// Non-maximum suppression: of boxes that overlap much, the one with the highest score is kept.
///
/// Bit by bit what mmcv's CPU kernel does in single precision: boxes are taken by descending score, the lower index
/// first among equals, and one is kept unless its intersection over union with a kept one is above the threshold.
/// The union is not bounded below: two equal boxes without area are 0 / 0 and both kept.
package enum NonMaximumSuppression {
  /// The indices of the kept boxes, best score first.
  ///
  /// - Parameters:
  ///   - scores: one a box.
  ///   - threshold: an overlap above it drops the box with the lower score.
  ///   - offset: added to every side: 1 where boxes end with their last pixel.
  ///   - scoreThreshold: where it is above 0, only boxes with a higher score take part.
  ///   - limit: no more than so many are kept; `nil` is any number.
  package static func keep(
    _ boxes: [Box], scores: [Float], threshold: Float, offset: Float = 0,
    scoreThreshold: Float = 0, limit: Int? = nil
  ) -> [Int] {
    precondition(boxes.count == scores.count, "\(scores.count) scores for \(boxes.count) boxes")
    var order = ScoreOrder.descending(scores)
    if scoreThreshold > 0 { order.removeAll { !(scores[$0] > scoreThreshold) } }
    return greedy(
      boxes, in: order, groups: Groups(count: boxes.count), threshold: threshold, offset: offset,
      limit: limit)
  }

  /// The same within each class (mmcv's `batched_nms`).
  ///
  /// Boxes of class k are moved by `k * (largest coordinate + 1)` before they are compared, which rounds them, and
  /// where coordinates are negative does not keep the classes quite apart.
  ///
  /// - Parameters:
  ///   - classes: one a box, none negative. Levels of a pyramid may stand for classes.
  ///   - threshold: an overlap above it drops the box with the lower score; `nil` only sorts.
  ///   - limit: no more than so many are kept; `nil` is any number.
  ///   - splitThreshold: from so many boxes on each class is taken by itself.
  ///   - classAgnostic: boxes of different classes suppress each other. Upstream: mmcv `ops/nms.py:291` takes each
  ///     class by itself from `splitThreshold` boxes on all the same.
  package static func batched(
    _ boxes: [Box], scores: [Float], classes: [Int], threshold: Float?, limit: Int? = nil,
    splitThreshold: Int = 10_000, classAgnostic: Bool = false
  ) -> [Int] {
    precondition(
      boxes.count == scores.count && boxes.count == classes.count,
      "\(scores.count) scores and \(classes.count) classes for \(boxes.count) boxes")
    let order = ScoreOrder.descending(scores)
    guard let threshold else { return Array(order.prefix(limit ?? order.count)) }
    let moved = classAgnostic ? boxes : movedApart(boxes, classes)
    let byClass = Groups(classes)
    let isByClass =
      boxes.count >= splitThreshold || !classAgnostic && byClass.areApart(moved, classes)
    return greedy(
      moved, in: order, groups: isByClass ? byClass : Groups(count: boxes.count),
      threshold: threshold, offset: 0, limit: limit)
  }

  private static func movedApart(_ boxes: [Box], _ classes: [Int]) -> [Box] {
    var largest = -Float.infinity
    for box in boxes {
      for value in [box.left, box.top, box.right, box.bottom] where !(value <= largest) {
        largest = value
      }
    }
    let step = largest + 1
    return zip(boxes, classes).map { box, number in
      let offset = Float(number) * step
      return Box(
        left: box.left + offset, top: box.top + offset, right: box.right + offset,
        bottom: box.bottom + offset)
    }
  }

  /// Takes boxes in their order and keeps each that overlaps none that its group has kept.
  private static func greedy(
    _ boxes: [Box], in order: [Int], groups: Groups, threshold: Float, offset: Float, limit: Int?
  ) -> [Int] {
    var kept: [Int] = []
    let limit = limit ?? order.count
    kept.reserveCapacity(min(limit, order.count))
    var blocks = [Block](repeating: Block(), count: groups.blocks)
    var counts = [Int](repeating: 0, count: groups.first.count)
    blocks.withUnsafeMutableBufferPointer { blocks in
      for index in order {
        if kept.count >= limit { break }
        let box = boxes[index]
        let area = (box.width + offset) * (box.height + offset)
        let group = groups.group(of: index)
        let (first, count) = (groups.first[group], counts[group])
        let used = first..<first + (count + Block.lanes - 1) / Block.lanes
        let isDropped = blocks[used].contains {
          $0.overlaps(box, area: area, above: threshold, offset: offset)
        }
        if isDropped { continue }
        kept.append(index)
        blocks[first + count / Block.lanes].set(count % Block.lanes, box, area: area)
        counts[group] = count + 1
      }
    }
    return kept
  }
}

/// Which boxes can suppress each other, and where the kept ones of each group stand.
private struct Groups {
  /// The group of each box; `nil` where all are one.
  private let numbers: [Int]?
  /// The first block of each group.
  let first: [Int]
  let blocks: Int

  /// One group.
  init(count: Int) {
    numbers = nil
    first = [0]
    blocks = (count + Block.lanes - 1) / Block.lanes
  }

  /// One a class.
  init(_ classes: [Int]) {
    var counts = [Int](repeating: 0, count: (classes.max() ?? 0) + 1)
    for number in classes { counts[number] += 1 }
    var first: [Int] = []
    var blocks = 0
    for count in counts {
      first.append(blocks)
      blocks += (count + Block.lanes - 1) / Block.lanes
    }
    numbers = classes
    self.first = first
    self.blocks = blocks
  }

  func group(of index: Int) -> Int { numbers?[index] ?? 0 }

  /// Whether the columns of any two classes are disjoint, so that no box meets one of another class.
  func areApart(_ boxes: [Box], _ classes: [Int]) -> Bool {
    var least = [Float](repeating: .infinity, count: first.count)
    var largest = [Float](repeating: -.infinity, count: first.count)
    for (box, number) in zip(boxes, classes) {
      least[number] = min(least[number], box.left, box.right)
      largest[number] = max(largest[number], box.left, box.right)
    }
    var end = -Float.infinity
    for (least, largest) in zip(least, largest) where least <= largest {
      if least < end { return false }
      end = largest
    }
    return true
  }
}

/// Some kept boxes side by side. Lanes that are not set overlap nothing.
private struct Block {
  static let lanes = 8
  typealias Lanes = SIMD8<Float>

  private var left = Lanes(repeating: .infinity)
  private var top = Lanes(repeating: .infinity)
  private var right = Lanes(repeating: -.infinity)
  private var bottom = Lanes(repeating: -.infinity)
  private var area = Lanes(repeating: 0)

  mutating func set(_ lane: Int, _ box: Box, area: Float) {
    left[lane] = box.left
    top[lane] = box.top
    right[lane] = box.right
    bottom[lane] = box.bottom
    self.area[lane] = area
  }

  /// Whether a box's intersection over union with one of these is above the threshold.
  @inline(__always)
  func overlaps(_ box: Box, area: Float, above threshold: Float, offset: Float) -> Bool {
    let zero = Lanes(repeating: 0)
    let left = greater(self.left, Lanes(repeating: box.left))
    let top = greater(self.top, Lanes(repeating: box.top))
    let right = less(self.right, Lanes(repeating: box.right))
    let bottom = less(self.bottom, Lanes(repeating: box.bottom))
    let width = greater(zero, right - left + offset)
    let height = greater(zero, bottom - top + offset)
    let shared = width * height
    let overlap = shared / (self.area + area - shared)
    return any(overlap .> Lanes(repeating: threshold))
  }

  @inline(__always) private func greater(_ a: Lanes, _ b: Lanes) -> Lanes {
    a.replacing(with: b, where: a .< b)
  }

  @inline(__always) private func less(_ a: Lanes, _ b: Lanes) -> Lanes {
    a.replacing(with: b, where: b .< a)
  }
}
