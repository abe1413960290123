import FlattenRegions

/// What a prior or proposal is trained towards.
package enum Assignment: Sendable, Hashable {
  /// Nothing: it has no part in the losses.
  case ignored
  /// The background.
  case background
  /// An object of the annotations, by its index.
  case object(Int)
}

/// Assigns boxes to the objects that they overlap most (mmdetection's `MaxIoUAssigner`).
package struct MaxIoUAssigner: Sendable {
  /// An overlap from here on is an object's.
  package var positive: Float
  /// Overlaps in this range are background's; others below ``positive`` are ignored.
  package var negative: Range<Float>
  /// An object also gets the boxes that overlap it most, from this overlap on; `nil` where it does not.
  package var leastBest: Float?
  /// An object gets all boxes that overlap it equally most, not the first of them alone.
  package var takesAllBest: Bool
  /// A box of whose area more than this lies in a region to ignore is ignored; `nil` looks at none.
  package var ignoredShare: Float?

  package init(
    positive: Float, negative: Range<Float>, leastBest: Float? = 0, takesAllBest: Bool = true,
    ignoredShare: Float? = nil
  ) {
    self.positive = positive
    self.negative = negative
    self.leastBest = leastBest
    self.takesAllBest = takesAllBest
    self.ignoredShare = ignoredShare
  }

  /// Assigns each box.
  ///
  /// - Parameters:
  ///   - ignored: regions to ignore, such as crowds.
  /// - Returns: the assignments and the largest overlap of each box with an object; -1 where a region to ignore
  ///   took the box.
  package func assign(
    _ boxes: [Box], to objects: [Box], ignoring ignored: [Box] = []
  ) -> (assignments: [Assignment], overlaps: [Float]) {
    if objects.isEmpty {
      return (
        [Assignment](repeating: .background, count: boxes.count),
        [Float](repeating: 0, count: boxes.count)
      )
    }
    // [objects][boxes]
    var overlaps = objects.map { object in boxes.map(object.intersectionOverUnion(with:)) }
    if let ignoredShare {
      for (index, box) in boxes.enumerated()
      where ignored.contains(where: { box.intersectionOverArea(with: $0) > ignoredShare }) {
        for object in objects.indices { overlaps[object][index] = -1 }
      }
    }
    var assignments = [Assignment](repeating: .ignored, count: boxes.count)
    var largest = [Float](repeating: 0, count: boxes.count)
    for index in boxes.indices {
      var best = 0
      for object in objects.indices where overlaps[object][index] > overlaps[best][index] {
        best = object
      }
      largest[index] = overlaps[best][index]
      if negative.contains(largest[index]) { assignments[index] = .background }
      if largest[index] >= positive { assignments[index] = .object(best) }
    }
    guard let leastBest else { return (assignments, largest) }
    // Upstream: mmdetection `max_iou_assigner.py:309`: a later object takes boxes from an earlier one, even where
    // those overlap the earlier one more.
    for object in objects.indices {
      guard let best = overlaps[object].max(), best >= leastBest else { continue }
      for index in boxes.indices where overlaps[object][index] == best {
        assignments[index] = .object(object)
        if !takesAllBest { break }
      }
    }
    return (assignments, largest)
  }
}
