import FlattenFiles
import FlattenRegions

/// What a detector found in the pictures of a data set, as a COCO results file has it: a list of
/// `{image_id, category_id, bbox, score, segmentation}`.
public struct COCOResults: Sendable {
  /// The files, in the order in which they were read.
  public private(set) var paths: [String] = []
  /// The first detection of each file.
  private var starts: [Int] = []

  // The detections in the order of the files, a list a field.

  /// Places in the annotations' pictures.
  package private(set) var pictureIndex: [Int32] = []
  /// Places in the annotations' categories.
  package private(set) var categoryIndex: [Int32] = []
  /// NaN where there is none.
  package private(set) var boxes: [COCOBox] = []
  package private(set) var scores: [Double] = []
  /// Empty where they were not asked for.
  package private(set) var segmentations = COCOSegmentations()
  /// The places of the detections in their files' lists.
  private var places: [Int32] = []

  /// How many detections were left out as their category is none of the annotations'.
  public private(set) var skipped = 0
  /// The lowest score; `nil` where there is no detection.
  public private(set) var lowestScore: Double?

  /// How many detections there are.
  public var count: Int { scores.count }

  /// Whether all have boxes.
  package private(set) var haveBoxes = true

  /// What is odd: one sentence each.
  public var warnings: [String] {
    var warnings: [String] = []
    if skipped > 0 {
      warnings.append(
        "\(skipped) of \(counted(skipped + count, "detection")) are left out: their categories are none of "
          + "the annotations'. Results name categories by the ids of the annotations")
    }
    if let lowestScore, lowestScore > 0.1 {
      warnings.append(
        "no score is below \(lowestScore): where detections were cut at a score, average precision is "
          + "lower than it would be with all above 0.05")
    }
    return warnings
  }

  /// What can be compared: boxes where there are boxes, masks where all detections have one and objects do too.
  package func comparable(with annotations: COCOAnnotations) -> (boxes: Bool, masks: Bool) {
    let masks =
      segmentations.count > 0 && annotations.hasMasks
      && (0..<segmentations.count).allSatisfy { segmentations.form($0) != .none }
    return (haveBoxes || !masks, masks)
  }

  /// Reads files.
  ///
  /// - Parameters:
  ///   - annotations: those of the data set that was detected on.
  ///   - masks: whether segmentations are kept.
  /// - Throws: ``FileError`` where a file is no JSON, ``COCOProblem`` where it cannot be scored.
  public static func load(
    paths: [String], for annotations: COCOAnnotations, masks: Bool
  ) throws -> COCOResults {
    var results = COCOResults()
    for path in paths {
      let file = try FileReader(path: path)
      try COCOFile.requireJSON(file, wanted: "COCO results")
      var json = JSONStream(file)
      try results.read(&json, path: path, annotations, masks: masks)
    }
    return results
  }

  init() {}

  /// Takes what was found in one picture; detections of categories that the annotations do not have are left out.
  ///
  /// - Parameter index: the picture's place in the annotations' list.
  package init(_ detections: Detections, picture index: Int, for annotations: COCOAnnotations) {
    paths = [annotations.pictures[index].fileName]
    starts = [0]
    for (place, object) in detections.objects.enumerated() {
      let category = annotations.categoryTable[object.categoryID]
      guard category >= 0 else {
        skipped += 1
        continue
      }
      pictureIndex.append(Int32(index))
      categoryIndex.append(category)
      // In double precision, as all that write results files do.
      let (left, top) = (Double(object.box.left), Double(object.box.top))
      boxes.append(
        COCOBox(
          x: left, y: top, width: Double(object.box.right) - left,
          height: Double(object.box.bottom) - top))
      scores.append(Double(object.score))
      if let mask = object.mask {
        segmentations.append(
          runs: mask.counts, size: (Int32(mask.size.height), Int32(mask.size.width)))
      } else {
        segmentations.appendNone()
      }
      places.append(Int32(place))
    }
    lowestScore = scores.min()
  }

  /// A place in a list of results, for messages, and the file that has it.
  package func place(_ index: Int) -> (path: String, place: String) {
    let file = max(0, (starts.firstIndex { $0 > index } ?? starts.count) - 1)
    guard paths.indices.contains(file) else { return ("", "[\(index)]") }
    return (paths[file], "[\(places[index])]")
  }

  mutating func read(
    _ json: inout JSONStream, path: String, _ annotations: COCOAnnotations, masks: Bool
  ) throws {
    paths.append(path)
    starts.append(count)
    guard try json.peek() == .array else {
      throw COCOProblem(
        .structure, path: path, place: "", reason: "is no list of results",
        remedy: try json.peek() == .object
          ? "Results are a list of objects; a file of annotations is given apart"
          : "Write a list of objects with image_id, category_id, bbox and score")
    }
    var fields = COCOFieldReader()
    var index = -1
    try json.beginArray()
    while try json.nextElement() {
      index += 1
      guard try json.peek() == .object else {
        throw COCOProblem(
          .structure, path: path, place: "[\(index)]", reason: "is no object",
          remedy: "Write an object with image_id, category_id, bbox and score")
      }
      fields.begin()
      try readOne(&json, &fields, annotations, masks: masks, path: path, index: index)
    }
    try json.finish()
    guard index >= 0 else {
      throw COCOProblem(
        .empty, path: path, place: "", reason: "holds no results",
        remedy: "There is nothing to score; pycocotools ends with an IndexError")
    }
  }

  @inline(__always)
  private mutating func readOne(
    _ json: inout JSONStream, _ fields: inout COCOFieldReader, _ annotations: COCOAnnotations,
    masks: Bool, path: String, index: Int
  ) throws {
    var (picture, category): (Int?, Int?)
    var box: COCOBox?
    var score: Double?
    var hasMask = false
    try json.beginObject()
    while try json.nextKey() {
      if json.textIs("image_id") {
        fields.see(0, "image_id")
        picture = try fields.integer(&json, "image_id")
      } else if json.textIs("category_id") {
        fields.see(1, "category_id")
        category = try fields.integer(&json, "category_id")
      } else if json.textIs("bbox") {
        fields.see(2, "bbox")
        box = try fields.box(&json)
      } else if json.textIs("score") {
        fields.see(3, "score")
        score = try fields.number(&json, "score")
      } else if masks, json.textIs("segmentation") {
        fields.see(4, "segmentation")
        guard !hasMask else {
          try json.skipValue()
          continue
        }
        hasMask = true
        try fields.segmentation(&json, into: &segmentations)
      } else {
        try json.skipValue()
      }
    }
    if masks, !hasMask { segmentations.appendNone() }
    if let box, box.width < 0 || box.height < 0 {
      fields.note(
        .value, "bbox has the width \(box.width) and the height \(box.height)",
        "Write [x, y, width, height], not the corners")
    }
    guard let picture, let category, let score, fields.notes.isEmpty else {
      throw Self.refusal(fields, picture, category, score, path: path, index: index)
    }
    let pictureIndex = annotations.pictureTable[picture]
    guard pictureIndex >= 0 else {
      throw COCOProblem(
        .unknownPicture, path: path, place: "[\(index)]",
        reason: "image_id is \(picture), which \(annotations.path) does not have",
        remedy: "Score results with the annotations of the pictures that were detected on")
    }
    let categoryIndex = annotations.categoryTable[category]
    if categoryIndex < 0 {
      skipped += 1
      if masks { segmentations.removeLast() }
      return
    }
    self.pictureIndex.append(pictureIndex)
    self.categoryIndex.append(categoryIndex)
    scores.append(score)
    boxes.append(box ?? .missing)
    if box == nil { haveBoxes = false }
    lowestScore = min(lowestScore ?? score, score)
    places.append(Int32(truncatingIfNeeded: index))
  }

  /// What is wrong with a result that lacks something.
  private static func refusal(
    _ fields: COCOFieldReader, _ picture: Int?, _ category: Int?, _ score: Double?, path: String,
    index: Int
  ) -> COCOProblem {
    var fields = fields
    if fields.notes.isEmpty {
      let missing =
        picture == nil ? "image_id" : category == nil ? "category_id" : "score"
      fields.note(
        .missingField, "has no \(missing)",
        "Each result needs image_id, category_id, score, and bbox or segmentation")
    }
    let note = fields.notes[0]
    return COCOProblem(
      note.kind, path: path, place: "[\(index)]", reason: note.reason, remedy: note.remedy)
  }

  /// The mask of a detection; `nil` where it has none.
  ///
  /// - Throws: ``COCOProblem``.
  package func mask(_ index: Int, _ annotations: COCOAnnotations) throws -> RunLengthMask? {
    let picture = annotations.pictures[Int(pictureIndex[index])]
    func refuse(_ kind: COCOProblem.Kind, _ reason: String, _ remedy: String) -> COCOProblem {
      let (path, place) = place(index)
      return COCOProblem(kind, path: path, place: place, reason: reason, remedy: remedy)
    }
    guard segmentations.form(index) != .none else { return nil }
    guard let size = picture.size ?? segmentations.size(index) else {
      throw refuse(
        .missingField, "its picture \(picture.id) has no width and height, which polygons need",
        "Write them into the annotations' list of pictures")
    }
    if let named = segmentations.size(index), named != size {
      throw refuse(
        .runs,
        "its run lengths are of \(named.width)x\(named.height), its picture "
          + "\(picture.id) is \(size.width)x\(size.height)",
        "Encode masks at the picture's size; size is [height, width]")
    }
    do throws(RunLengthError) {
      return try segmentations.mask(index, in: size)
    } catch {
      throw refuse(.runs, "\(error)", "Encode the mask anew")
    }
  }
}
