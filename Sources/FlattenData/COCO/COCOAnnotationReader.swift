import FlattenFiles
import FlattenRegions

/// Reads files of COCO annotations.
struct COCOAnnotationReader {
  typealias Report = (COCOProblem) throws -> Void

  private var annotations: COCOAnnotations
  private let masks: Bool
  private let objects: Bool
  private let report: Report
  private var fields = COCOFieldReader()
  // Ids as they were read: pictures and categories may stand behind the annotations.
  private var pictureIDs: [Int] = []
  private var categoryIDs: [Int] = []
  private var withoutCrowd = 0
  private var withoutArea = 0
  private var read = 0

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - masks: whether segmentations are kept.
  ///   - objects: whether annotations are read; a list of pictures to be detected on has none.
  ///   - report: is told of each mistake; where it does not throw, the entry is mended or left out.
  static func read(
    path: String, masks: Bool, objects: Bool = true, report: @escaping Report
  ) throws -> COCOAnnotations {
    let file = try FileReader(path: path)
    try COCOFile.requireJSON(file, wanted: "COCO annotations")
    var json = JSONStream(file)
    return try read(&json, path: path, masks: masks, objects: objects, report: report)
  }

  static func read(
    _ json: inout JSONStream, path: String, masks: Bool, objects: Bool = true,
    report: @escaping Report
  ) throws -> COCOAnnotations {
    var reader = COCOAnnotationReader(
      annotations: COCOAnnotations(path: path), masks: masks, objects: objects, report: report)
    try reader.readAll(&json)
    return reader.annotations
  }

  private init(
    annotations: COCOAnnotations, masks: Bool, objects: Bool, report: @escaping Report
  ) {
    self.annotations = annotations
    self.masks = masks
    self.objects = objects
    self.report = report
  }

  private func problem(
    _ kind: COCOProblem.Kind, _ place: String, _ reason: String, _ remedy: String
  ) throws {
    try report(
      COCOProblem(kind, path: annotations.path, place: place, reason: reason, remedy: remedy))
  }

  // MARK: The file

  private mutating func readAll(_ json: inout JSONStream) throws {
    guard try json.peek() == .object else {
      let isList = try json.peek() == .array
      throw COCOProblem(
        .structure, path: annotations.path, place: "",
        reason: isList
          ? "is a list, as results are; annotations are an object with images, annotations and "
            + "categories"
          : "is no object with images, annotations and categories",
        remedy: "Give the file of annotations")
    }
    let wanted = ["images", "categories"] + (objects ? ["annotations"] : [])
    var seen: Set<String> = []
    try json.beginObject()
    while try json.nextKey() {
      let key = String(decoding: json.text, as: UTF8.self)
      guard wanted.contains(key) else {
        try json.skipValue()
        continue
      }
      guard seen.insert(key).inserted else {
        throw COCOProblem(
          .duplicateField, path: annotations.path, place: key, reason: "is there twice",
          remedy: "Keep one of them")
      }
      guard try json.peek() == .array else {
        throw COCOProblem(
          .structure, path: annotations.path, place: key, reason: "is no list",
          remedy: "Write a list of objects")
      }
      switch key {
      case "images": try readPictures(&json)
      case "categories": try readCategories(&json)
      default: try readObjects(&json)
      }
    }
    try json.finish()
    for key in wanted where !seen.contains(key) {
      throw COCOProblem(
        .structure, path: annotations.path, place: "", reason: "has no list '\(key)'",
        remedy: "COCO annotations have images, annotations and categories")
    }
    for (name, isEmpty) in [
      ("images", annotations.pictures.isEmpty), ("annotations", objects && read == 0),
      ("categories", annotations.categories.isEmpty),
    ] where isEmpty {
      try problem(.empty, name, "holds nothing", "Without it there is nothing to score")
    }
    try resolve()
  }

  /// Enters the next object of a list, or passes over what is none.
  private mutating func enters(_ json: inout JSONStream, _ list: String, _ index: Int) throws
    -> Bool
  {
    guard try json.peek() == .object else {
      try json.skipValue()
      try problem(
        .structure, "\(list)[\(index)]", "is no object", "Write an object with its fields")
      return false
    }
    fields.begin()
    try json.beginObject()
    return true
  }

  /// Tells what was noted of an entry.
  private func tell(_ place: @autoclosure () -> String) throws {
    for note in fields.notes { try problem(note.kind, place(), note.reason, note.remedy) }
  }

  // MARK: Pictures and categories

  private mutating func readPictures(_ json: inout JSONStream) throws {
    var index = -1
    try json.beginArray()
    while try json.nextElement() {
      index += 1
      guard try enters(&json, "images", index) else { continue }
      var (id, width, height, name): (Int?, Int?, Int?, String?)
      while try json.nextKey() {
        if json.textIs("id") {
          fields.see(0, "id")
          id = try fields.integer(&json, "id")
        } else if json.textIs("width") {
          fields.see(1, "width")
          width = try fields.integer(&json, "width")
        } else if json.textIs("height") {
          fields.see(2, "height")
          height = try fields.integer(&json, "height")
        } else if json.textIs("file_name") {
          fields.see(3, "file_name")
          name = try fields.text(&json, "file_name")
        } else {
          try json.skipValue()
        }
      }
      let place = "images[\(index)]" + (id.map { " (id \($0))" } ?? "")
      try tell(place)
      var size: PixelSize?
      if let width, let height {
        let checked = PixelSize(height: height, width: width)
        if max(width, height) <= COCOAnnotations.longestSide,
          (try? RunLengthMask.check(checked)) != nil
        {
          size = checked
        } else {
          try problem(
            .value, place, "is \(width)x\(height) pixels",
            "Write the width and height of the picture as it is shown, at most "
              + "\(COCOAnnotations.longestSide) each")
        }
      }
      guard let id else {
        if fields.notes.isEmpty {
          try problem(.missingField, place, "has no id", "Number the pictures")
        }
        continue
      }
      annotations.pictures.append(.init(id: id, fileName: name ?? "", size: size))
    }
    annotations.pictureTable = IDTable(annotations.pictures.map(\.id))
    for (index, picture) in annotations.pictures.enumerated()
    where annotations.pictureTable[picture.id] != index {
      try problem(
        .duplicateID, "images[\(index)] (id \(picture.id))", "another picture has this id",
        "Give each picture an id of its own")
    }
  }

  private mutating func readCategories(_ json: inout JSONStream) throws {
    var index = -1
    try json.beginArray()
    while try json.nextElement() {
      index += 1
      guard try enters(&json, "categories", index) else { continue }
      var (id, name, parent): (Int?, String?, String?)
      while try json.nextKey() {
        if json.textIs("id") {
          fields.see(0, "id")
          id = try fields.integer(&json, "id")
        } else if json.textIs("name") {
          fields.see(1, "name")
          name = try fields.text(&json, "name")
        } else if json.textIs("supercategory"), try json.peek() == .text {
          parent = try json.string()
        } else {
          try json.skipValue()
        }
      }
      let place = "categories[\(index)]" + (id.map { " (id \($0))" } ?? "")
      try tell(place)
      guard let id else {
        if fields.notes.isEmpty {
          try problem(.missingField, place, "has no id", "Number the categories")
        }
        continue
      }
      guard annotations.categories.count < COCOAnnotations.mostCategories else {
        throw COCOProblem(
          .value, path: annotations.path, place: place,
          reason: "there are more than \(COCOAnnotations.mostCategories) categories",
          remedy: "Check what the list holds")
      }
      annotations.categories.append(
        .init(id: id, name: name ?? "category \(id)", supercategory: parent))
    }
    annotations.categoryTable = IDTable(annotations.categories.map(\.id))
    for (index, category) in annotations.categories.enumerated()
    where annotations.categoryTable[category.id] != index {
      try problem(
        .duplicateID, "categories[\(index)] (id \(category.id))", "another category has this id",
        "Give each category an id of its own")
    }
  }

  // MARK: Objects

  private mutating func readObjects(_ json: inout JSONStream) throws {
    var index = -1
    try json.beginArray()
    while try json.nextElement() {
      index += 1
      guard try enters(&json, "annotations", index) else { continue }
      try readObject(&json, index)
    }
    read = index + 1
  }

  private mutating func readObject(_ json: inout JSONStream, _ index: Int) throws {
    var (id, picture, category): (Int?, Int?, Int?)
    var box: COCOBox?
    var area: Double?
    var isCrowd: Bool?
    var hasMask = false
    while try json.nextKey() {
      if json.textIs("bbox") {
        fields.see(0, "bbox")
        box = try fields.box(&json)
      } else if json.textIs("image_id") {
        fields.see(1, "image_id")
        picture = try fields.integer(&json, "image_id")
      } else if json.textIs("category_id") {
        fields.see(2, "category_id")
        category = try fields.integer(&json, "category_id")
      } else if json.textIs("id") {
        fields.see(3, "id")
        id = try fields.integer(&json, "id")
      } else if json.textIs("area") {
        fields.see(4, "area")
        area = try fields.number(&json, "area")
      } else if json.textIs("iscrowd") {
        fields.see(5, "iscrowd")
        isCrowd = try fields.flag(&json, "iscrowd")
      } else if masks, json.textIs("segmentation") {
        fields.see(6, "segmentation")
        guard !hasMask else {
          try json.skipValue()
          continue
        }
        hasMask = true
        try fields.segmentation(&json, into: &annotations.segmentations)
      } else {
        try json.skipValue()
      }
    }
    if masks, !hasMask { annotations.segmentations.appendNone() }
    judge(id, picture, category, box, area)
    let place = { "annotations[\(index)]" + (id.map { " (id \($0))" } ?? "") }
    try tell(place())
    guard let id, let picture, let category else {
      if masks { annotations.segmentations.removeLast() }
      return
    }
    if id == 0 {
      try problem(
        .zeroID, place(),
        "has the id 0, which pycocotools takes for none: it counts the object as "
          + "missed", "Number annotations from 1; here it is counted right")
    }
    if isCrowd == nil {
      withoutCrowd += 1
      try problem(
        .assumedCrowd, place(), "has no iscrowd", "0 is assumed; pycocotools ends with a KeyError")
    }
    if area == nil { withoutArea += 1 }
    annotations.ids.append(id)
    annotations.boxes.append(box ?? .missing)
    annotations.areas.append(area ?? .nan)
    annotations.isCrowd.append(isCrowd ?? false)
    pictureIDs.append(picture)
    categoryIDs.append(category)
    annotations.places.append(Int32(truncatingIfNeeded: index))
  }

  /// Notes what is missing, and values that cannot be.
  private mutating func judge(
    _ id: Int?, _ picture: Int?, _ category: Int?, _ box: COCOBox?, _ area: Double?
  ) {
    if fields.notes.isEmpty {
      if id == nil { fields.note(.missingField, "has no id", "Number the annotations from 1") }
      if picture == nil {
        fields.note(.missingField, "has no image_id", "Name its picture by the id in images")
      }
      if category == nil {
        fields.note(
          .missingField, "has no category_id", "Name its category by the id in categories")
      }
    }
    if let box {
      if box.width < 0 || box.height < 0 {
        fields.note(
          .value, "bbox has the width \(box.width) and the height \(box.height)",
          "Write [x, y, width, height], not the corners")
      } else if box.width == 0 || box.height == 0 {
        fields.note(
          .emptyBox, "bbox has the width \(box.width) and the height \(box.height)",
          "Nothing can find it: leave the object out")
      }
    }
    if let area, area < 0 {
      fields.note(.value, "area is \(area)", "Write the area of the object in pixels")
    }
  }

  // MARK: What needs the whole file

  /// Finds the objects' pictures and categories, and computes areas that are absent.
  private mutating func resolve() throws {
    var kept: [Int] = []
    kept.reserveCapacity(pictureIDs.count)
    for index in pictureIDs.indices {
      let picture = annotations.pictureTable[pictureIDs[index]]
      let category = annotations.categoryTable[categoryIDs[index]]
      if picture < 0 {
        try problem(
          .unknownPicture, annotations.place(index),
          "image_id is \(pictureIDs[index]), which images do not have",
          "Add the picture to images, or leave the annotation out")
      } else if category < 0 {
        try problem(
          .unknownCategory, annotations.place(index),
          "category_id is \(categoryIDs[index]), which categories do not have",
          "Add the category to categories, or leave the annotation out")
      } else {
        kept.append(index)
        annotations.pictureIndex.append(picture)
        annotations.categoryIndex.append(category)
      }
    }
    if kept.count < pictureIDs.count { keep(kept) }
    try checkIDs()
    try checkBoxes()
    try computeAreas()
    warn()
  }

  private mutating func keep(_ indices: [Int]) {
    annotations.ids = indices.map { annotations.ids[$0] }
    annotations.boxes = indices.map { annotations.boxes[$0] }
    annotations.areas = indices.map { annotations.areas[$0] }
    annotations.isCrowd = indices.map { annotations.isCrowd[$0] }
    if masks { annotations.segmentations.keep(indices) }
    annotations.places = indices.map { annotations.places[$0] }
  }

  private func checkIDs() throws {
    let table = IDTable(annotations.ids)
    for (index, id) in annotations.ids.enumerated() where table[id] != index {
      try problem(
        .duplicateID, annotations.place(index),
        "annotations[\(annotations.places[Int(table[id])])] has this id as well",
        "Give each annotation an id of its own; pycocotools would count one of them twice")
    }
  }

  private mutating func checkBoxes() throws {
    for index in annotations.ids.indices {
      let box = annotations.boxes[index]
      guard let size = annotations.pictures[Int(annotations.pictureIndex[index])].size,
        !box.isMissing
      else { continue }
      // Half a pixel is rounding.
      if box.x < -0.5 || box.y < -0.5 || box.x + box.width > Double(size.width) + 0.5
        || box.y + box.height > Double(size.height) + 0.5
      {
        try problem(
          .boxOutside, annotations.place(index),
          "bbox [\(box.x), \(box.y), \(box.width), \(box.height)] leaves its picture of "
            + "\(size.width)x\(size.height)",
          "Clip it; where many do, width and height may be swapped or EXIF orientations be in the way"
        )
      }
    }
  }

  private mutating func computeAreas() throws {
    for index in annotations.ids.indices where annotations.areas[index].isNaN {
      let mask = masks ? try? annotations.mask(index) : nil
      let box = annotations.boxes[index]
      annotations.areas[index] = mask.map { Double($0.area) } ?? (box.isMissing ? 0 : box.area)
      try problem(
        .assumedArea, annotations.place(index), "has no area",
        "\(mask == nil ? "The box's" : "The mask's") is taken; pycocotools ends with a KeyError")
    }
  }

  private mutating func warn() {
    let all = annotations.ids.count
    func warn(_ count: Int, _ text: String) {
      if count > 0 {
        annotations.warnings.append("\(count) of \(counted(all, "annotation")) \(text)")
      }
    }
    warn(withoutCrowd, "have no iscrowd: 0 is assumed")
    warn(
      withoutArea, "have no area: \(masks ? "the mask's, else the box's," : "the box's") is taken")
    let empty = annotations.boxes.count { !$0.isMissing && ($0.width == 0 || $0.height == 0) }
    warn(empty, "have a box without area: nothing can find them, they count as missed")
  }
}

extension COCOBox {
  /// Stands for a box that is not there.
  static let missing = COCOBox(x: .nan, y: .nan, width: .nan, height: .nan)

  /// Whether there is no box.
  package var isMissing: Bool { x.isNaN }
}

/// What files of annotations and results share.
enum COCOFile {
  /// Refuses what is no JSON by its beginning, in words that help.
  static func requireJSON(_ file: FileReader, wanted: String) throws {
    let start = try file.read(at: 0, count: min(file.size, StrayContent.length))
    switch StrayContent(firstBytes: start) {
    case .json, nil: break
    case let stray?:
      throw FileError(
        path: file.path, kind: .refused, reason: stray.refusal(insteadOf: wanted))
    }
  }
}
