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

  /// `[thresholds, recalls, categories, sizes, limits]`.
  package private(set) var precision: [Double]
  /// `[thresholds, categories, sizes, limits]`.
  package private(set) var recall: [Double]
  /// The scores at which the recalls are reached, as ``precision``.
  package private(set) var scores: [Double]

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
    precision = [Double](repeating: -1, count: cases * Self.recallCount)
    scores = precision
    recall = [Double](repeating: -1, count: cases)

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
    mean(threshold, category) { threshold, category, add in
      for point in 0..<Self.recallCount {
        add(precision[index(threshold, point, category, size, limit ?? Self.limitCount - 1)])
      }
    }
  }

  /// The mean of the recalls that are there, over thresholds and categories; -1 where there are none.
  package func averageRecall(category: Int? = nil, size: Int = 0, limit: Int? = nil) -> Double {
    mean(nil, category) { threshold, category, add in
      add(recall[index(threshold, category, size, limit ?? Self.limitCount - 1)])
    }
  }

  private func mean(
    _ threshold: Int?, _ category: Int?, _ values: (Int, Int, (Double) -> Void) -> Void
  ) -> Double {
    var (sum, count) = (0.0, 0)
    for threshold in threshold.map({ $0...$0 }) ?? 0...Self.thresholdCount - 1 {
      for category in category.map({ $0..<$0 + 1 }) ?? categories.indices {
        values(threshold, category) { value in
          if value > -1 {
            sum += value
            count += 1
          }
        }
      }
    }
    return count == 0 ? -1 : sum / Double(count)
  }

  /// Precision at the 101 recalls, the mean over categories (of those that have objects) and thresholds.
  ///
  /// - Returns: empty where there is no object.
  package func curve(threshold: Int? = nil, category: Int? = nil) -> [Double] {
    let points = (0..<Self.recallCount).map { point in
      mean(threshold, category) { threshold, category, add in
        add(precision[index(threshold, point, category, 0, Self.limitCount - 1)])
      }
    }
    return points.contains(-1) ? [] : points
  }

  private func index(_ threshold: Int, _ category: Int, _ size: Int, _ limit: Int) -> Int {
    ((threshold * categories.count + category) * Self.sizeCount + size) * Self.limitCount + limit
  }

  private func index(
    _ threshold: Int, _ point: Int, _ category: Int, _ size: Int, _ limit: Int
  ) -> Int {
    (((threshold * Self.recallCount + point) * categories.count + category) * Self.sizeCount + size)
      * Self.limitCount + limit
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
    for size in 0..<Self.sizeCount where wanted[size] > 0 {
      for threshold in 0..<Self.thresholdCount {
        let number = size * Self.thresholdCount + threshold
        let points = hits.points[number]
        recall[index(threshold, category, size, limit)] =
          Double(points.count) / Double(wanted[size])
        // From the right, precision never falls.
        var envelope = points.map(\.precision)
        for place in envelope.indices.dropLast().reversed() {
          envelope[place] = max(envelope[place], envelope[place + 1])
        }
        var place = 0
        for point in 0..<Self.recallCount {
          let at = index(threshold, point, category, size, limit)
          if point == 0 {
            // The first detection reaches a recall of 0, whether it is right or not.
            precision[at] = envelope.first ?? 0
            scores[at] = hits.first ?? 0
            continue
          }
          while place < points.count,
            Double(place + 1) / Double(wanted[size]) < COCOSettings.recalls[point]
          { place += 1 }
          precision[at] = place < points.count ? envelope[place] : 0
          scores[at] = place < points.count ? points[place].score : 0
        }
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
