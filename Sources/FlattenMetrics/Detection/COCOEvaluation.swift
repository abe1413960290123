import FlattenData

/// Average precision as pycocotools computes it, picture by picture.
///
/// A picture's detections are matched with its objects when it is added, and a few words of each detection remain.
/// Pictures may be added in any order; evaluations of other pictures of the same set merge into one that is equal to
/// that of all.
///
///     let evaluation = try COCOEvaluation(annotations, results, COCOSettings(.bbox))
///     let scores = AveragePrecision(evaluation)
public struct COCOEvaluation: Sendable {
  /// The rules.
  public let settings: COCOSettings
  /// The categories that are scored, in ascending order of their ids; one of id -1 where categories are not told
  /// apart.
  public let categories: [COCOAnnotations.Category]
  /// The ids of the pictures that were added.
  public private(set) var pictures: Set<Int> = []

  /// The detections of a picture and category.
  struct Group: Sendable, Equatable {
    /// The picture's id.
    var picture: Int
    /// Its place in ``categories``.
    var category: Int32
    var count: Int32
    /// The first of the lists below.
    var start: Int
    /// Objects that must be found: of all sizes, small, medium, large.
    var wanted: SIMD4<Int32>
  }

  /// What finding the annotation of id 0 did to a detection.
  struct ZeroMatch: Sendable, Equatable {
    var detection: Int
    /// The cases in which it was found.
    var found: UInt64
    /// The cases whose size the detection is not of.
    var outside: UInt64
  }

  private(set) var groups: [Group] = []
  /// Of each detection, best first in each group.
  private(set) var scores: [Double] = []
  private(set) var found: [UInt64] = []
  private(set) var ignored: [UInt64] = []
  private(set) var zeroMatches: [ZeroMatch] = []
  /// Whether an annotation has the id 0.
  public private(set) var hasZeroID = false

  /// Makes an evaluation of no pictures.
  ///
  /// - Parameter categories: those of the data set, in any order.
  public init(categories: [COCOAnnotations.Category], _ settings: COCOSettings) {
    self.settings = settings
    if settings.usesCategories {
      var byID: [Int: COCOAnnotations.Category] = [:]
      for category in categories { byID[category.id] = byID[category.id] ?? category }
      let ids = settings.categoryIDs.map(Set.init) ?? Set(byID.keys)
      self.categories = ids.sorted().map { byID[$0] ?? .init(id: $0, name: "category \($0)") }
    } else {
      self.categories = [.init(id: -1, name: "all")]
    }
  }

  /// Adds the evaluation of other pictures.
  ///
  /// - Throws: ``DetectionError`` where rules or categories differ, or a picture is in both.
  public mutating func merge(_ other: COCOEvaluation) throws {
    guard settings == other.settings, categories == other.categories else {
      throw DetectionError.otherSettings
    }
    if let twice = pictures.intersection(other.pictures).min() {
      throw DetectionError.pictureTwice(twice)
    }
    append(other)
  }

  mutating func append(_ other: COCOEvaluation) {
    pictures.formUnion(other.pictures)
    let base = scores.count
    for var group in other.groups {
      group.start += base
      groups.append(group)
    }
    for var match in other.zeroMatches {
      match.detection += base
      zeroMatches.append(match)
    }
    scores.append(contentsOf: other.scores)
    found.append(contentsOf: other.found)
    ignored.append(contentsOf: other.ignored)
    hasZeroID = hasZeroID || other.hasZeroID
  }

  mutating func reserve(_ detections: Int) {
    scores.reserveCapacity(detections)
    found.reserveCapacity(detections)
    ignored.reserveCapacity(detections)
  }

  mutating func add(picture: Int) { pictures.insert(picture) }

  mutating func noteZeroID() { hasZeroID = true }

  /// Adds what a matcher found out of a picture and category.
  ///
  /// - Parameters:
  ///   - zero: the object whose annotation has the id 0.
  ///   - areas: the detections' areas.
  mutating func add(
    picture: Int, category: Int32, scores ordered: some Collection<Double>,
    _ matcher: DetectionMatcher, zero: Int?, areas: [Double]
  ) {
    let start = scores.count
    groups.append(
      Group(
        picture: picture, category: category, count: Int32(ordered.count), start: start,
        wanted: matcher.wanted))
    scores.append(contentsOf: ordered)
    found.append(contentsOf: matcher.found)
    ignored.append(contentsOf: matcher.ignored)
    guard let zero else { return }
    for detection in 0..<ordered.count {
      var bits: UInt64 = 0
      for number in 0..<DetectionMatcher.caseCount
      where matcher.matches[number * ordered.count + detection] == zero {
        bits |= 1 << UInt64(number)
      }
      if bits != 0 {
        zeroMatches.append(
          ZeroMatch(
            detection: start + detection, found: bits,
            outside: DetectionMatcher.outside(areas[detection])))
      }
    }
  }

  /// Adds a group that was written down.
  mutating func add(_ group: Group, scores: [Double], found: [UInt64], ignored: [UInt64]) {
    var group = group
    group.start = self.scores.count
    groups.append(group)
    self.scores.append(contentsOf: scores)
    self.found.append(contentsOf: found)
    self.ignored.append(contentsOf: ignored)
  }

  mutating func add(_ match: ZeroMatch) { zeroMatches.append(match) }
}

/// An error of scoring detections: one sentence that ends in what to do.
public enum DetectionError: Error, CustomStringConvertible, Sendable, Equatable {
  /// A picture, by its id, that was scored already.
  case pictureTwice(Int)
  /// Evaluations of other rules or categories.
  case otherSettings
  /// Results without masks, or annotations without.
  case noMasks(path: String, place: String)
  /// Results without boxes, or annotations without.
  case noBox(path: String, place: String)

  /// One sentence that ends in what to do.
  public var description: String {
    switch self {
    case .pictureTwice(let id):
      "picture \(id) is in two parts. Score each picture in one part."
    case .otherSettings:
      "the parts were scored by other rules or with other categories. Score all parts alike."
    case .noMasks(let path, let place):
      "\(path): \(place) has no segmentation. Score boxes alone, or write masks for all."
    case .noBox(let path, let place):
      "\(path): \(place) has no bbox. Score masks alone, or write boxes for all."
    }
  }
}
