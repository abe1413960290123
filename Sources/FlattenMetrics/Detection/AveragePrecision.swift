import FlattenData

/// Precision over recall, and the twelve numbers of COCO, of an evaluation.
///
/// A category's detections of all pictures are taken best first (of equal scores the picture of lower id first).
/// Precision at a recall is the highest that any larger recall has. -1 stands where there is no object to find.
public struct AveragePrecision: Sendable {
  /// The names of ``numbers``.
  public static let names = [
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
  ]

  /// The rules.
  public let settings: COCOSettings
  /// The categories, in ascending order of their ids.
  public let categories: [COCOAnnotations.Category]
  /// Objects of each category that must be found.
  public let objects: [Int]
  /// Pictures that were scored.
  public let pictures: Int
  /// AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl, 0 to 1 or -1; under mmdetection's convention
  /// the recalls are those at 100, 300 and 1000.
  public private(set) var numbers: [Double] = []

  // [thresholds, categories, sizes, limits], -1 a recall point where there is no object.

  /// The sum of the precisions at the 101 recalls.
  package private(set) var precisionSums: [Double]
  /// The sum of the scores at which the recalls are reached.
  package private(set) var scoreSums: [Double]
  /// The highest recall.
  package private(set) var recalls: [Double]
  /// Of each category the precision at the 101 recalls, a threshold after the other, for all sizes and the last
  /// limit; empty where it has no objects.
  private var curves: [[Double]]

  private static let (thresholdCount, recallCount, sizeCount, limitCount) = (10, 101, 4, 3)

  /// Scores an evaluation.
  ///
  /// - Parameter likePycocotools: whether an annotation of id 0 counts as missed, as it does there by mistake.
  public init(_ evaluation: COCOEvaluation, likePycocotools: Bool = false) {
    settings = evaluation.settings
    categories = evaluation.categories
    pictures = evaluation.pictures.count
    let count = categories.count
    let cases = Self.thresholdCount * count * Self.sizeCount * Self.limitCount
    precisionSums = [Double](repeating: -Double(Self.recallCount), count: cases)
    scoreSums = precisionSums
    recalls = [Double](repeating: -1, count: cases)
    curves = [[Double]](repeating: [], count: count)

    var found = evaluation.found
    var ignored = evaluation.ignored
    if likePycocotools {
      for match in evaluation.zeroMatches {
        found[match.detection] &= ~match.found
        ignored[match.detection] |= match.found & match.outside
      }
    }
    var groups = [[COCOEvaluation.Group]](repeating: [], count: count)
    for group in evaluation.groups { groups[Int(group.category)].append(group) }
    objects = groups.map { $0.reduce(0) { $0 + Int($1.wanted[0]) } }
    for category in groups.indices {
      groups[category].sort { $0.picture < $1.picture }
      var wanted: SIMD4<Int> = .zero
      for group in groups[category] { wanted &+= SIMD4<Int>(truncatingIfNeeded: group.wanted) }
      let ranking = Ranking(groups[category], evaluation.scores, found, ignored)
      for limit in 0..<Self.limitCount {
        fill(category, limit, ranking, wanted)
      }
    }
    numbers = twelveNumbers()
  }

  // MARK: Numbers

  private func twelveNumbers() -> [Double] {
    let limits = settings.convention.maxDetections
    let hundred = limits.firstIndex(of: 100) ?? limits.count - 1
    let last = limits.count - 1
    return [
      averagePrecision(limit: hundred), averagePrecision(threshold: 0, limit: last),
      averagePrecision(threshold: 5, limit: last), averagePrecision(size: 1, limit: last),
      averagePrecision(size: 2, limit: last), averagePrecision(size: 3, limit: last),
      averageRecall(limit: 0), averageRecall(limit: 1), averageRecall(limit: last),
      averageRecall(size: 1, limit: last), averageRecall(size: 2, limit: last),
      averageRecall(size: 3, limit: last),
    ]
  }

  /// The mean of the precisions that are there, over thresholds, recalls and categories; -1 where there are none.
  ///
  /// - Parameters:
  ///   - threshold: one of the ten; `nil` for all.
  ///   - category: one of the categories; `nil` for all.
  ///   - size: all, small, medium, large.
  ///   - limit: one of the three limits; `nil` for the last.
  package func averagePrecision(
    threshold: Int? = nil, category: Int? = nil, size: Int = 0, limit: Int? = nil
  ) -> Double {
    let mean = mean(precisionSums, threshold, category, size, limit)
    return mean < 0 ? -1 : mean / Double(Self.recallCount)
  }

  /// The mean of the recalls that are there, over thresholds and categories; -1 where there are none.
  package func averageRecall(category: Int? = nil, size: Int = 0, limit: Int? = nil) -> Double {
    mean(recalls, nil, category, size, limit)
  }

  private func mean(
    _ values: [Double], _ threshold: Int?, _ category: Int?, _ size: Int, _ limit: Int?
  ) -> Double {
    var (sum, count) = (0.0, 0)
    for threshold in threshold.map({ $0..<$0 + 1 }) ?? 0..<Self.thresholdCount {
      for category in category.map({ $0..<$0 + 1 }) ?? 0..<categories.count {
        let value = values[index(threshold, category, size, limit ?? Self.limitCount - 1)]
        if value >= 0 {
          sum += value
          count += 1
        }
      }
    }
    return count == 0 ? -1 : sum / Double(count)
  }

  /// Precision at the 101 recalls, the mean over categories (of those that have objects) and thresholds.
  ///
  /// - Returns: empty where there is no object.
  package func curve(threshold: Int? = nil, category: Int? = nil) -> [Double] {
    let chosen = category.map { [curves[$0]] } ?? curves
    let present = chosen.filter { !$0.isEmpty }
    if present.isEmpty { return [] }
    let thresholds = threshold.map { $0..<$0 + 1 } ?? 0..<Self.thresholdCount
    return (0..<Self.recallCount).map { point in
      var sum = 0.0
      for curve in present {
        for threshold in thresholds { sum += curve[threshold * Self.recallCount + point] }
      }
      return sum / Double(present.count * thresholds.count)
    }
  }

  private func index(_ threshold: Int, _ category: Int, _ size: Int, _ limit: Int) -> Int {
    ((threshold * categories.count + category) * Self.sizeCount + size) * Self.limitCount + limit
  }

  // MARK: Curves

  /// Fills in the precisions of a category under a limit.
  ///
  /// Only at a detection that finds an object can precision rise, so only those are points of the curve.
  private mutating func fill(
    _ category: Int, _ limit: Int, _ ranking: Ranking, _ wanted: SIMD4<Int>
  ) {
    guard wanted[0] > 0 || wanted[1] > 0 || wanted[2] > 0 || wanted[3] > 0 else { return }
    let most = settings.convention.maxDetections[limit]
    let hits = Hits(ranking, most)
    let keepsCurve = limit == Self.limitCount - 1 && wanted[0] > 0
    if keepsCurve { curves[category].reserveCapacity(Self.thresholdCount * Self.recallCount) }
    for size in 0..<Self.sizeCount where wanted[size] > 0 {
      for threshold in 0..<Self.thresholdCount {
        let points = hits.points[size * Self.thresholdCount + threshold]
        let place = index(threshold, category, size, limit)
        recalls[place] = Double(points.count) / Double(wanted[size])
        // From the right, precision never falls.
        var envelope = points.map(\.precision)
        for at in envelope.indices.dropLast().reversed() {
          envelope[at] = max(envelope[at], envelope[at + 1])
        }
        // The first detection reaches a recall of 0, whether it is right or not.
        var (precisions, scores) = (envelope.first ?? 0, hits.first ?? 0)
        if keepsCurve, size == 0 { curves[category].append(precisions) }
        var at = 0
        for recall in COCOSettings.recalls.dropFirst() {
          while at < points.count, Double(at + 1) / Double(wanted[size]) < recall { at += 1 }
          let precision = at < points.count ? envelope[at] : 0
          precisions += precision
          scores += at < points.count ? points[at].score : 0
          if keepsCurve, size == 0 { curves[category].append(precision) }
        }
        precisionSums[place] = precisions
        scoreSums[place] = scores
      }
    }
  }
}

/// The detections of a category, best first.
private struct Ranking {
  struct Entry {
    /// Ordered as the scores, the best lowest.
    var key: UInt64
    /// The place in the order of pictures.
    var place: UInt32
    /// The place within picture and category.
    var rank: UInt32
    var score: Double
    var found: UInt64
    var ignored: UInt64
  }

  private(set) var entries: [Entry] = []

  init(
    _ groups: [COCOEvaluation.Group], _ scores: [Double], _ found: [UInt64], _ ignored: [UInt64]
  ) {
    entries.reserveCapacity(groups.reduce(0) { $0 + Int($1.count) })
    var keys: [(key: UInt64, place: UInt32)] = []
    keys.reserveCapacity(entries.capacity)
    var unsorted: [Entry] = []
    unsorted.reserveCapacity(entries.capacity)
    for group in groups {
      for rank in 0..<Int(group.count) {
        let index = group.start + rank
        let bits = (-scores[index] + 0.0).bitPattern  // -0 and 0 are equal
        let key = bits >> 63 == 0 ? bits | 1 << 63 : ~bits
        keys.append((key, UInt32(unsorted.count)))
        unsorted.append(
          Entry(
            key: key, place: UInt32(unsorted.count), rank: UInt32(rank), score: scores[index],
            found: found[index], ignored: ignored[index]))
      }
    }
    keys.sort { $0.key != $1.key ? $0.key < $1.key : $0.place < $1.place }
    for (_, place) in keys { entries.append(unsorted[Int(place)]) }
  }
}

/// The detections that find objects, in each case, and the precision up to them.
private struct Hits {
  struct Point {
    var precision: Double
    var score: Double
  }

  private(set) var points = [[Point]](repeating: [], count: DetectionMatcher.caseCount)
  /// The best score; `nil` where there is no detection.
  private(set) var first: Double?

  /// - Parameter most: how many detections of a picture count.
  init(_ ranking: Ranking, _ most: Int) {
    let ten = DetectionMatcher.thresholdCount
    var wrong = [Int](repeating: 0, count: DetectionMatcher.caseCount)
    // Detections that find nothing in any case are counted once a size.
    var wrongOfSize = [0, 0, 0, 0]
    for entry in ranking.entries where Int(entry.rank) < most {
      if first == nil { first = entry.score }
      if entry.found == 0 {
        for size in 0..<4 where entry.ignored >> UInt64(size * ten) & 1 == 0 {
          wrongOfSize[size] += 1
        }
        continue
      }
      for number in 0..<DetectionMatcher.caseCount where entry.ignored >> UInt64(number) & 1 == 0 {
        if entry.found >> UInt64(number) & 1 == 0 {
          wrong[number] += 1
        } else {
          let right = Double(points[number].count + 1)
          let all = Double(wrong[number] + wrongOfSize[number / ten]) + right
          // Upstream: numpy's spacing of 1 keeps 0/0 away, and makes 1/1 a little less.
          points[number].append(
            Point(precision: right / (all + 0x1p-52), score: entry.score))
        }
      }
    }
  }
}
