// Masks as sets of pixels. All walks go over the runs of two masks at once; no bitmap is made.

extension RunLengthMask {
  /// The pixels that are in either mask.
  ///
  /// - Precondition: both have the same size.
  public func union(_ other: RunLengthMask) -> RunLengthMask {
    combined(with: other, intersect: false)
  }

  /// The pixels that are in both masks.
  ///
  /// - Precondition: both have the same size.
  public func intersection(_ other: RunLengthMask) -> RunLengthMask {
    combined(with: other, intersect: true)
  }

  /// The pixels that are in any of the masks, or in all of them; `nil` where there is no mask.
  ///
  /// - Precondition: all have the same size.
  public static func merge(_ masks: [RunLengthMask], intersect: Bool = false) -> RunLengthMask? {
    // Two and two, then the results two and two: each run is walked over log n times and not n times.
    var masks = masks
    while masks.count > 1 {
      masks = stride(from: 0, to: masks.count, by: 2).map { first in
        first + 1 < masks.count
          ? masks[first].combined(with: masks[first + 1], intersect: intersect) : masks[first]
      }
    }
    return masks.first
  }

  /// Area of the intersection over area of the union, 0 where nothing is shared.
  ///
  /// - Parameters:
  ///   - other: the mask of an annotation. One of another size shares nothing.
  ///   - isCrowd: whether `other` stands for many objects; then it is intersection over the area of this mask.
  public func intersectionOverUnion(with other: RunLengthMask, isCrowd: Bool = false) -> Double {
    guard size == other.size else { return 0 }
    let shared = intersectionArea(with: other)
    guard shared > 0 else { return 0 }
    return Double(shared) / Double(isCrowd ? area : area + other.area - shared)
  }

  /// How many pixels are in both masks.
  ///
  /// Nothing is allocated; masks whose bounds are apart cost a comparison.
  ///
  /// - Precondition: both have the same size.
  package func intersectionArea(with other: RunLengthMask) -> Int {
    precondition(size == other.size, "masks of \(size) and \(other.size)")
    guard bounds.overlaps(other.bounds) else { return 0 }
    return counts.withUnsafeBufferPointer { a in
      other.counts.withUnsafeBufferPointer { b in
        Self.sharedPixels(a, b)
      }
    }
  }

  /// Pixels that are 1 in both lists of runs, which are not those of empty masks.
  private static func sharedPixels(
    _ a: UnsafeBufferPointer<UInt32>, _ b: UnsafeBufferPointer<UInt32>
  ) -> Int {
    // The current stretches of ones, [aStart, aEnd) and [bStart, bEnd), and the places of their lengths.
    var (i, j) = (1, 1)
    var (aStart, bStart) = (a[0], b[0])
    var (aEnd, bEnd) = (aStart &+ a[1], bStart &+ b[1])
    var shared = 0
    while true {
      let (start, end) = (max(aStart, bStart), min(aEnd, bEnd))
      shared += end > start ? Int(end - start) : 0
      if aEnd < bEnd {
        i += 2
        if i >= a.count { return shared }
        aStart = aEnd &+ a[i - 1]
        aEnd = aStart &+ a[i]
      } else {
        j += 2
        if j >= b.count { return shared }
        bStart = bEnd &+ b[j - 1]
        bEnd = bStart &+ b[j]
      }
    }
  }

  private func combined(with other: RunLengthMask, intersect: Bool) -> RunLengthMask {
    precondition(size == other.size, "masks of \(size) and \(other.size)")
    let merged = counts.withUnsafeBufferPointer { a in
      other.counts.withUnsafeBufferPointer { b in
        [UInt32](unsafeUninitializedCapacity: a.count + b.count) { out, count in
          count = Self.combine(a, b, intersect: intersect, into: out)
        }
      }
    }
    return RunLengthMask(size: size, runs: merged)
  }

  /// Writes the runs of the union or the intersection; returns how many there are.
  private static func combine(
    _ a: UnsafeBufferPointer<UInt32>, _ b: UnsafeBufferPointer<UInt32>, intersect: Bool,
    into out: UnsafeMutableBufferPointer<UInt32>
  ) -> Int {
    var written = 0
    var (i, j) = (0, 0)  // Odd where the current run is of ones.
    var (aEnd, bEnd) = (a[0], b[0])
    var start: UInt32 = 0  // Of the run that is being made.
    var value = 0
    while true {
      let end = min(aEnd, bEnd)
      if aEnd == end {
        i += 1
        if i < a.count { aEnd += a[i] }
      }
      if bEnd == end {
        j += 1
        if j < b.count { bEnd += b[j] }
      }
      let isLast = i == a.count && j == b.count
      let next = intersect ? i & j & 1 : (i | j) & 1
      if next != value || isLast {
        out[written] = end - start
        written += 1
        start = end
        value = next
      }
      if isLast { return written }
    }
  }
}
