import FlattenData
import FlattenRegions

/// What was found of a picture, at an intersection over union of .5 and in all sizes; crowds do not count.
public struct PictureFaults: Sendable, Equatable {
  /// The picture's id.
  public let picture: Int
  /// Objects that were found.
  public internal(set) var found = 0
  /// Objects that were not.
  public internal(set) var missed = 0
  /// Detections of nothing, of another class, or of what another detection has found.
  public internal(set) var falseFinds = 0

  /// Missed objects and false finds together.
  public var count: Int { missed + falseFinds }
}

/// An object or a detection, and what became of it.
public struct ComparedObject: Sendable {
  /// What became of it.
  public enum Verdict: Sendable {
    /// A detection of an object.
    case found
    /// An object without a detection.
    case missed
    /// A detection without an object.
    case falseFind
  }

  /// What became of it.
  public let verdict: Verdict
  /// Its category's name.
  public let name: String
  /// A detection's; `nil` of an object.
  public let score: Double?
  /// Its box; NaN where there is a mask alone.
  public let box: COCOBox
  /// Its mask, where masks are compared.
  public let mask: RunLengthMask?
}

/// All sizes at the lowest threshold: the first of the matcher's cases.
private let firstCase: UInt64 = 1

extension COCOEvaluation {
  /// What was found of each picture, the one with the most faults first, of equal ones the one of the lower id.
  ///
  /// - Parameter score: detections of no higher score count for nothing.
  public func faults(above score: Double) -> [PictureFaults] {
    var all = Dictionary(uniqueKeysWithValues: pictures.map { ($0, PictureFaults(picture: $0)) })
    for group in groups {
      let first = group.start
      var (hits, falseFinds) = (0, 0)
      for detection in first..<first + Int(group.count)
      where scores[detection] > score && ignored[detection] & firstCase == 0 {
        if found[detection] & firstCase != 0 { hits += 1 } else { falseFinds += 1 }
      }
      all[group.picture]?.found += hits
      all[group.picture]?.missed += Int(group.wanted[0]) - hits
      all[group.picture]?.falseFinds += falseFinds
    }
    return all.values.sorted {
      $0.count != $1.count ? $0.count > $1.count : $0.picture < $1.picture
    }
  }
}

extension COCOPictureScorer {
  /// What became of each object and detection of a picture, by the rules of ``COCOEvaluation/faults(above:)``.
  ///
  /// - Parameters:
  ///   - results: detections of this picture, perhaps among those of others.
  ///   - picture: its place in the annotations' list.
  ///   - score: detections of no higher score are left out.
  /// - Throws: as ``evaluation(of:picture:)``.
  public func compared(
    _ results: COCOResults, picture: Int, above score: Double
  ) throws -> [ComparedObject] {
    let entries = results.pictureIndex.indices.filter {
      results.pictureIndex[$0] == picture && results.scores[$0] > score
    }.map { Int32(truncatingIfNeeded: $0) }
    var compared: [ComparedObject] = []
    var work = PictureWork()
    try matchGroups(of: picture, results, entries[...], keepsMatches: true, &work) {
      _, work, objects in
      let hits = Set(work.matcher.matches.prefix(work.sorted.count).map(Int.init))
      for (place, detection) in work.sorted.enumerated()
      where work.matcher.ignored[place] & firstCase == 0 {
        let isFound = work.matcher.found[place] & firstCase != 0
        compared.append(
          ComparedObject(
            verdict: isFound ? .found : .falseFind, name: name(results.categoryIndex[detection]),
            score: results.scores[detection],
            box: comparesMasks ? results.boxes[detection] : try box(detection, results),
            mask: try comparesMasks ? results.mask(detection, annotations) : nil))
      }
      for (place, member) in work.objects[objects].enumerated() where !hits.contains(place) {
        let object = Int(member.index)
        if annotations.isCrowd[object] { continue }
        compared.append(
          ComparedObject(
            verdict: .missed, name: name(annotations.categoryIndex[object]), score: nil,
            box: annotations.boxes[object], mask: try comparesMasks ? annotations.mask(object) : nil
          ))
      }
    }
    return compared
  }

  private func name(_ category: Int32) -> String { annotations.categories[Int(category)].name }

  private var comparesMasks: Bool { empty.settings.kind == .segm }
}
