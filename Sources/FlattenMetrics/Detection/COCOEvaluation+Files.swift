import Dispatch
import FlattenData
import FlattenRegions
import Synchronization

extension COCOEvaluation {
  /// A part of a set: every picture whose place in the order of ids leaves the rest `index` by `count`.
  public struct Shard: Sendable, Hashable {
    /// From 0.
    public let index: Int
    /// How many parts there are.
    public let count: Int

    /// Makes a part.
    ///
    /// - Precondition: `0 <= index < count`.
    public init(index: Int, count: Int) {
      precondition(0 <= index && index < count, "part \(index) of \(count)")
      self.index = index
      self.count = count
    }
  }

  /// Scores results.
  ///
  /// - Parameters:
  ///   - shard: which of the pictures.
  ///   - threads: how many pieces are matched at once; the result does not depend on it.
  /// - Throws: ``COCOProblem`` about a mask, ``DetectionError`` where masks or boxes are missing.
  public init(
    _ annotations: COCOAnnotations, _ results: COCOResults, _ settings: COCOSettings,
    shard: Shard = Shard(index: 0, count: 1), threads: Int = 1
  ) throws {
    let scorer = COCOPictureScorer(annotations, settings)
    self = scorer.empty
    reserve(results.count / shard.count)
    let ids = annotations.pictures.map(\.id)
    let pictures = ids.indices.sorted { ids[$0] < ids[$1] }.enumerated()
      .filter { $0.offset % shard.count == shard.index }.map(\.element)
    let order = PictureOrder(results.pictureIndex, pictures: ids.count)
    if threads <= 1 {
      append(try scorer.evaluation(of: pictures[...], results, order))
      return
    }
    // More pieces than threads, as pictures differ; they are put together in their order.
    let pieces = min(pictures.count, threads * 8)
    let parts = Mutex<[Result<COCOEvaluation, any Error>?]>(.init(repeating: nil, count: pieces))
    let lanes = min(threads, pieces)
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: lanes) { _ in
      while true {
        let piece = next.add(1, ordering: .relaxed).oldValue
        guard piece < pieces else { return }
        let count = pictures.count
        let part = Result {
          try scorer.evaluation(
            of: pictures[piece * count / pieces..<(piece + 1) * count / pieces], results, order)
        }
        parts.withLock { $0[piece] = part }
      }
    }
    for case let part? in parts.withLock({ $0 }) { append(try part.get()) }
  }
}

/// The lists of a file in the order of pictures.
private struct PictureOrder: Sendable {
  /// The entries, those of a picture together, in the file's order.
  let entries: [Int32]
  /// The first entry of each picture, and one more.
  let starts: [Int32]

  init(_ pictureOf: [Int32], pictures: Int) {
    var starts = [Int32](repeating: 0, count: pictures + 1)
    for picture in pictureOf { starts[Int(picture) + 1] += 1 }
    for picture in 0..<pictures { starts[picture + 1] += starts[picture] }
    var next = starts
    var entries = [Int32](repeating: 0, count: pictureOf.count)
    for index in pictureOf.indices {
      let picture = Int(pictureOf[index])
      entries[Int(next[picture])] = Int32(truncatingIfNeeded: index)
      next[picture] += 1
    }
    self.entries = entries
    self.starts = starts
  }

  subscript(picture: Int) -> ArraySlice<Int32> {
    entries[Int(starts[picture])..<Int(starts[picture + 1])]
  }
}

/// Matches detections with the objects of a set, picture by picture.
public struct COCOPictureScorer: Sendable {
  /// The evaluation of no pictures, to which those of pictures are merged.
  public let empty: COCOEvaluation
  let annotations: COCOAnnotations
  private let objectOrder: PictureOrder
  /// Of each category of the annotations the place among those that are scored, -1 for none; where categories are
  /// not told apart, the place in the order of ids.
  private let ranks: [Int32]

  /// Prepares the annotations.
  public init(_ annotations: COCOAnnotations, _ settings: COCOSettings) {
    var empty = COCOEvaluation(categories: annotations.categories, settings)
    if annotations.hasZeroID { empty.noteZeroID() }
    self.empty = empty
    self.annotations = annotations
    objectOrder = PictureOrder(annotations.pictureIndex, pictures: annotations.pictures.count)
    let categories = annotations.categories.map(\.id)
    let scored =
      settings.usesCategories
      ? empty.categories.map(\.id) : (settings.categoryIDs ?? categories.sorted())
    let table = IDTable(scored)
    ranks = categories.map { table[$0] }
  }

  /// The evaluation of one picture. Safe from several threads at once.
  ///
  /// - Parameter picture: its place in the annotations' list.
  /// - Throws: ``COCOProblem`` about an object's mask, ``DetectionError`` where masks or boxes are missing.
  public func evaluation(of detections: Detections, picture: Int) throws -> COCOEvaluation {
    let results = COCOResults(detections, picture: picture, for: annotations)
    var evaluation = empty
    var work = PictureWork()
    let entries = (0..<results.count).map { Int32(truncatingIfNeeded: $0) }
    try add(picture, results, entries[...], to: &evaluation, &work)
    return evaluation
  }

  /// The evaluation of some pictures of results.
  fileprivate func evaluation(
    of pictures: ArraySlice<Int>, _ results: COCOResults, _ order: PictureOrder
  ) throws -> COCOEvaluation {
    var evaluation = empty
    var work = PictureWork()
    for picture in pictures { try add(picture, results, order[picture], to: &evaluation, &work) }
    return evaluation
  }

  private func add(
    _ picture: Int, _ results: COCOResults, _ entries: ArraySlice<Int32>,
    to evaluation: inout COCOEvaluation, _ piece: inout PictureWork
  ) throws {
    let id = annotations.pictures[picture].id
    evaluation.add(picture: id)
    try matchGroups(of: picture, results, entries, keepsMatches: false, &piece) {
      category, piece, _ in
      evaluation.add(
        picture: id, category: category, scores: piece.sorted.lazy.map { results.scores[$0] },
        piece.matcher, zero: piece.zero, areas: piece.detectionAreas)
    }
  }

  /// Matches the detections of a picture with its objects, category by category.
  ///
  /// - Parameters:
  ///   - entries: the picture's detections in the results.
  ///   - keepsMatches: whether the matcher keeps which object a detection found; it always does where the annotation
  ///     of id 0 is among them.
  ///   - body: takes a category's place among those that are scored, what was matched, and the objects.
  func matchGroups(
    of picture: Int, _ results: COCOResults, _ entries: ArraySlice<Int32>, keepsMatches: Bool,
    _ piece: inout PictureWork,
    _ body: (_ category: Int32, _ matched: PictureWork, _ objects: Range<Int>) throws -> Void
  ) throws {
    piece.gather(objectOrder[picture], annotations.categoryIndex, ranks, into: \.objects)
    piece.gather(entries, results.categoryIndex, ranks, into: \.detections)
    let usesCategories = empty.settings.usesCategories
    let limit = empty.settings.convention.maxDetections.last ?? 100
    var (o, d) = (0, 0)
    while o < piece.objects.count || d < piece.detections.count {
      let rank = min(
        o < piece.objects.count ? piece.objects[o].rank : .max,
        d < piece.detections.count ? piece.detections[d].rank : .max)
      let (firstObject, firstDetection) = (o, d)
      while o < piece.objects.count, piece.objects[o].rank == rank || !usesCategories { o += 1 }
      while d < piece.detections.count, piece.detections[d].rank == rank || !usesCategories {
        d += 1
      }
      piece.sort(firstDetection..<d, by: results.scores, limit: limit)
      try measure(&piece, results, firstObject..<o)
      piece.matcher.match(
        detectionAreas: piece.detectionAreas, objectAreas: piece.objectAreas,
        isCrowd: piece.isCrowd, overlaps: piece.overlaps,
        keepsMatches: keepsMatches || piece.zero != nil)
      try body(usesCategories ? Int32(rank) : 0, piece, firstObject..<o)
    }
  }

  /// Areas of detections and objects, and how they overlap.
  private func measure(
    _ piece: inout PictureWork, _ results: COCOResults, _ objects: Range<Int>
  ) throws {
    piece.objectAreas.removeAll(keepingCapacity: true)
    piece.isCrowd.removeAll(keepingCapacity: true)
    piece.zero = nil
    for place in objects {
      let object = Int(piece.objects[place].index)
      if annotations.ids[object] == 0 { piece.zero = place - objects.lowerBound }
      piece.objectAreas.append(annotations.areas[object])
      piece.isCrowd.append(annotations.isCrowd[object])
    }
    piece.detectionAreas.removeAll(keepingCapacity: true)
    piece.overlaps.removeAll(keepingCapacity: true)
    switch empty.settings.kind {
    case .bbox: try measureBoxes(&piece, results, objects)
    case .segm: try measureMasks(&piece, results, objects)
    }
  }

  private func measureBoxes(
    _ piece: inout PictureWork, _ results: COCOResults, _ objects: Range<Int>
  ) throws {
    for place in objects where annotations.boxes[Int(piece.objects[place].index)].isMissing {
      throw DetectionError.noBox(
        path: annotations.path, place: annotations.place(Int(piece.objects[place].index)))
    }
    for detection in piece.sorted {
      let box = try box(detection, results)
      piece.detectionAreas.append(box.area)
      for place in objects {
        let object = Int(piece.objects[place].index)
        piece.overlaps.append(
          box.overlap(with: annotations.boxes[object], isCrowd: annotations.isCrowd[object]))
      }
    }
  }

  /// A detection's box; where it has a mask alone, the one around it.
  func box(_ detection: Int, _ results: COCOResults) throws -> COCOBox {
    let box = results.boxes[detection]
    if !box.isMissing { return box }
    guard let mask = try results.mask(detection, annotations) else {
      let (path, place) = results.place(detection)
      throw DetectionError.noBox(path: path, place: place)
    }
    return COCOBox(
      x: Double(mask.bounds.x), y: Double(mask.bounds.y), width: Double(mask.bounds.width),
      height: Double(mask.bounds.height))
  }

  private func measureMasks(
    _ piece: inout PictureWork, _ results: COCOResults, _ objects: Range<Int>
  ) throws {
    let maskAreas = empty.settings.usesMaskAreas
    var masks: [RunLengthMask] = []
    for place in objects {
      let object = Int(piece.objects[place].index)
      guard let mask = try annotations.mask(object) else {
        throw DetectionError.noMasks(path: annotations.path, place: annotations.place(object))
      }
      masks.append(mask)
    }
    for detection in piece.sorted {
      let box = results.boxes[detection]
      let needsMask = !masks.isEmpty || maskAreas || box.isMissing
      guard results.segmentations.form(detection) != .none else {
        let (path, place) = results.place(detection)
        throw DetectionError.noMasks(path: path, place: place)
      }
      guard needsMask, let mask = try results.mask(detection, annotations) else {
        piece.detectionAreas.append(box.area)
        continue
      }
      piece.detectionAreas.append(maskAreas || box.isMissing ? Double(mask.area) : box.area)
      for (place, other) in zip(objects, masks) {
        let isCrowd = annotations.isCrowd[Int(piece.objects[place].index)]
        piece.overlaps.append(mask.intersectionOverUnion(with: other, isCrowd: isCrowd))
      }
    }
  }
}

/// Memory that the pictures of a piece share.
struct PictureWork {
  /// An object or detection of a picture, and the place of its category in the order of ids.
  struct Member {
    var rank: UInt32
    var index: Int32
  }

  var objects: [Member] = []
  var detections: [Member] = []
  /// The detections of a category, best first.
  var sorted: [Int] = []
  var detectionAreas: [Double] = []
  var objectAreas: [Double] = []
  var isCrowd: [Bool] = []
  var overlaps: [Double] = []
  var zero: Int?
  var matcher = DetectionMatcher()
  private var keys: [UInt64] = []

  /// Sorts a picture's entries by category; those of one stay in the file's order.
  mutating func gather(
    _ entries: ArraySlice<Int32>, _ categories: [Int32], _ ranks: [Int32],
    into list: WritableKeyPath<PictureWork, [Member]>
  ) {
    keys.removeAll(keepingCapacity: true)
    for entry in entries {
      let rank = ranks[Int(categories[Int(entry)])]
      if rank >= 0 { keys.append(UInt64(rank) << 32 | UInt64(entry)) }
    }
    keys.sort()
    self[keyPath: list].removeAll(keepingCapacity: true)
    for key in keys {
      self[keyPath: list].append(
        Member(rank: UInt32(key >> 32), index: Int32(truncatingIfNeeded: key & 0xFFFF_FFFF)))
    }
  }

  /// Puts the detections of a category in the order of their scores, those of equal ones in the file's.
  mutating func sort(_ range: Range<Int>, by scores: [Double], limit: Int) {
    sorted.removeAll(keepingCapacity: true)
    if range.count <= 12 {
      for place in range {
        let detection = Int(detections[place].index)
        var at = sorted.count
        sorted.append(detection)
        while at > 0, scores[sorted[at - 1]] < scores[detection] {
          sorted[at] = sorted[at - 1]
          at -= 1
        }
        sorted[at] = detection
      }
    } else {
      let places = range.sorted { a, b in
        let (left, right) = (scores[Int(detections[a].index)], scores[Int(detections[b].index)])
        return left != right ? left > right : a < b
      }
      for place in places { sorted.append(Int(detections[place].index)) }
    }
    if sorted.count > limit { sorted.removeLast(sorted.count - limit) }
  }
}

extension COCOBox {
  /// Intersection over union with an object's box; with a crowd's, over the area of this box.
  @inline(__always)
  package func overlap(with object: COCOBox, isCrowd: Bool) -> Double {
    let width = min(x + self.width, object.x + object.width) - max(x, object.x)
    guard width > 0 else { return 0 }
    let height = min(y + self.height, object.y + object.height) - max(y, object.y)
    guard height > 0 else { return 0 }
    let shared = width * height
    return shared / (isCrowd ? area : area + object.area - shared)
  }
}
