/// Which detections of a picture and category find which of its objects, as pycocotools decides it
/// (`cocoeval.py`, `evaluateImg`).
///
/// Detections come best first. Each takes, of the objects that nobody took, the one of highest intersection over
/// union that reaches the threshold, the last of equals; crowds and objects of other sizes only where no other was
/// found, and crowds as often as they are found. That is done for each of four ranges of size and ten thresholds.
struct DetectionMatcher {
  static let thresholdCount = COCOSettings.thresholds.count
  /// Sizes and thresholds together: the bits of ``found`` and ``ignored``, a size's ten side by side.
  static let caseCount = COCOSettings.areas.count * thresholdCount

  /// The object that a detection found, `-1` for none: a list of detections for each case.
  ///
  /// Objects are counted as they were given.
  private(set) var matches: [Int32] = []
  /// The cases in which a detection found an object, a bit each.
  private(set) var found: [UInt64] = []
  /// The cases in which a detection neither helps nor harms.
  private(set) var ignored: [UInt64] = []
  /// Objects of each size that must be found.
  private(set) var wanted: SIMD4<Int32> = .zero

  private static let least = COCOSettings.thresholds.map { min($0, 1 - 1e-10) }
  private static let tenBits: UInt64 = (1 << UInt64(thresholdCount)) - 1
  private var order: [Int32] = []
  private var isIgnored: [Bool] = []
  private var isTaken: [Bool] = []
  private var candidates: [Int32] = []

  /// The cases of a size, where an area is outside it.
  static func outside(_ area: Double) -> UInt64 {
    var bits: UInt64 = 0
    for (index, range) in COCOSettings.areas.enumerated()
    where area < range.lowerBound || area > range.upperBound {
      bits |= tenBits << UInt64(index * thresholdCount)
    }
    return bits
  }

  /// Matches the detections of a picture and category.
  ///
  /// - Parameters:
  ///   - detectionAreas: best first.
  ///   - overlaps: intersection over union of each detection with each object.
  mutating func match(
    detectionAreas: [Double], objectAreas: [Double], isCrowd: [Bool], overlaps: [Double],
    keepsMatches: Bool = false
  ) {
    let (detections, objects) = (detectionAreas.count, objectAreas.count)
    found.removeAll(keepingCapacity: true)
    ignored.removeAll(keepingCapacity: true)
    for area in detectionAreas {
      found.append(0)
      ignored.append(Self.outside(area))
    }
    if keepsMatches { matches = [Int32](repeating: -1, count: Self.caseCount * detections) }
    wanted = .zero
    guard objects > 0 else { return }

    // Most detections reach no object at the lowest threshold.
    candidates.removeAll(keepingCapacity: true)
    for detection in 0..<detections {
      for object in 0..<objects where overlaps[detection * objects + object] >= Self.least[0] {
        candidates.append(Int32(detection))
        break
      }
    }
    for (size, range) in COCOSettings.areas.enumerated() {
      sort(objectAreas, isCrowd, range)
      wanted[size] = Int32(isIgnored.count { !$0 })
      if candidates.isEmpty { continue }
      for threshold in 0..<Self.thresholdCount {
        match(size, threshold, isCrowd, overlaps, objects, detections, keepsMatches)
      }
    }
  }

  /// Puts the objects of other sizes and the crowds behind the others.
  private mutating func sort(
    _ areas: [Double], _ isCrowd: [Bool], _ range: ClosedRange<Double>
  ) {
    isIgnored.removeAll(keepingCapacity: true)
    order.removeAll(keepingCapacity: true)
    for object in areas.indices {
      let isOther = areas[object] < range.lowerBound || areas[object] > range.upperBound
      isIgnored.append(isCrowd[object] || isOther)
      if !isIgnored[object] { order.append(Int32(object)) }
    }
    for object in areas.indices where isIgnored[object] { order.append(Int32(object)) }
  }

  private mutating func match(
    _ size: Int, _ threshold: Int, _ isCrowd: [Bool], _ overlaps: [Double], _ objects: Int,
    _ detections: Int, _ keepsMatches: Bool
  ) {
    let number = size * Self.thresholdCount + threshold
    let bit: UInt64 = 1 << UInt64(number)
    isTaken.removeAll(keepingCapacity: true)
    for _ in 0..<objects { isTaken.append(false) }
    for candidate in candidates {
      let detection = Int(candidate)
      var best = Self.least[threshold]
      var match = -1
      for object in order {
        let object = Int(object)
        if isTaken[object], !isCrowd[object] { continue }
        if match >= 0, !isIgnored[match], isIgnored[object] { break }
        let overlap = overlaps[detection * objects + object]
        if overlap < best { continue }
        best = overlap
        match = object
      }
      guard match >= 0 else { continue }
      isTaken[match] = true
      found[detection] |= bit
      ignored[detection] = isIgnored[match] ? ignored[detection] | bit : ignored[detection] & ~bit
      if keepsMatches { matches[number * detections + detection] = Int32(match) }
    }
  }
}
