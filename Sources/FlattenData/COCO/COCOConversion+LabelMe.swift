import FlattenFiles
import FlattenRegions

extension COCOConversion {
  /// Makes objects of the JSON files that LabelMe writes, one a picture.
  ///
  /// Polygons, rectangles and circles become objects; shapes of one label and `group_id` are one object. Points and
  /// lines are left out.
  ///
  /// - Parameter classNames: the classes in their order; `nil` takes all labels that occur, sorted.
  /// - Throws: ``FileError`` where a file is damaged.
  public init(labelMe folder: String, classNames: [String]?) throws {
    self.init(path: folder)
    var found: [(path: String, picture: Int, shapes: [LabelMeShape])] = []
    for name in try Self.files(folder, [".json"]) {
      let path = folder + "/" + name
      let file = try LabelMeFile(path: path)
      let picture = add(picture: file.picture ?? String(name.dropLast(5)), size: file.size)
      found.append((path, picture, file.shapes))
    }
    let labels = found.flatMap { $0.shapes.map(\.label) }
    let names = classNames ?? Set(labels).sorted()
    let places = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    var (unknown, others) = (0, 0)
    for (path, picture, shapes) in found {
      for object in LabelMeShape.objects(shapes) {
        guard let category = places[object.label] else {
          unknown += 1
          continue
        }
        let polygons = object.polygons
        guard !polygons.isEmpty, let size = annotations.pictures[picture].size else {
          others += 1
          continue
        }
        let area: Int
        do throws(RunLengthError) {
          area = try RunLengthMask(checking: polygons, size: size).area
        } catch {
          throw FileError(
            path: path, kind: .refused,
            reason: "a shape of '\(printable(object.label, limit: 40))' is no mask: \(error)")
        }
        add(
          picture: picture, category: category, box: COCOBox(around: polygons), area: Double(area))
        annotations.segmentations.append(
          polygons: polygons.flatMap(\.self), counts: polygons.map { Int32($0.count) })
      }
    }
    if unknown > 0 {
      warnings.append("\(counted(unknown, "object")) of other classes than those named left out")
    }
    if others > 0 {
      warnings.append("\(counted(others, "shape")) left out: points and lines have no area")
    }
    try finish(names)
  }
}

extension COCOBox {
  /// The box around polygons of at least one point.
  init(around polygons: [[Double]]) {
    var (left, top, right, bottom) = (
      Double.infinity, Double.infinity, -Double.infinity, -Double.infinity
    )
    for polygon in polygons {
      for at in stride(from: 0, to: polygon.count - 1, by: 2) {
        (left, right) = (min(left, polygon[at]), max(right, polygon[at]))
        (top, bottom) = (min(top, polygon[at + 1]), max(bottom, polygon[at + 1]))
      }
    }
    self.init(x: left, y: top, width: right - left, height: bottom - top)
  }
}

/// A shape of a LabelMe file, or several that are one object.
private struct LabelMeShape {
  var label: String
  var group: Int?
  var type = "polygon"
  var points: [Double] = []
  /// What it covers; empty for points and lines.
  var polygons: [[Double]] {
    guard joined.isEmpty else { return joined }
    switch (type, points.count) {
    case ("polygon", 6...): return [points]
    case ("rectangle", 4):
      let (x0, y0, x1, y1) = (points[0], points[1], points[2], points[3])
      return [[x0, y0, x1, y0, x1, y1, x0, y1]]
    case ("circle", 4):
      // Centre and a point of the edge, as 64 corners.
      let (dx, dy) = (points[2] - points[0], points[3] - points[1])
      return [
        LabelMeShape.circle.flatMap { cosine, sine in
          [points[0] + dx * cosine - dy * sine, points[1] + dx * sine + dy * cosine]
        }
      ]
    default: return []
    }
  }
  private var joined: [[Double]] = []

  init(label: String) { self.label = label }

  /// 64 points of the unit circle, each turned from the one before.
  private static let circle: [(Double, Double)] = {
    let (cosine, sine) = (0.9951847266721969, 0.0980171403295606)  // of a 64th of a turn
    var points: [(Double, Double)] = [(1, 0)]
    for _ in 1..<64 {
      let (x, y) = points[points.count - 1]
      points.append((x * cosine - y * sine, x * sine + y * cosine))
    }
    return points
  }()

  /// Shapes of one label and group as one.
  static func objects(_ shapes: [LabelMeShape]) -> [LabelMeShape] {
    var objects: [LabelMeShape] = []
    var places: [String: Int] = [:]
    for shape in shapes {
      let key = shape.group.map { "\($0) \(shape.label)" }
      if let key, let place = places[key] {
        objects[place].joined += shape.polygons
        continue
      }
      if let key { places[key] = objects.count }
      var object = shape
      object.joined = shape.polygons
      objects.append(object)
    }
    return objects
  }
}

/// A file of LabelMe.
private struct LabelMeFile {
  var picture: String?
  var size = PixelSize(height: 0, width: 0)
  var shapes: [LabelMeShape] = []

  init(path: String) throws {
    let file = try FileReader(path: path)
    try COCOFile.requireJSON(file, wanted: "a file of LabelMe")
    var json = JSONStream(file)
    var hasShapes = false
    try json.beginObject()
    while try json.nextKey() {
      if json.textIs("shapes") {
        hasShapes = true
        try json.beginArray()
        while try json.nextElement() { shapes.append(try Self.shape(&json)) }
      } else if json.textIs("imagePath") {
        // Written on Windows it may have backslashes; the folder is not kept.
        let parts = try json.string().split { $0 == "/" || $0 == "\\" }
        picture = parts.last.map(String.init)
      } else if json.textIs("imageWidth") {
        size.width = try json.integer()
      } else if json.textIs("imageHeight") {
        size.height = try json.integer()
      } else {
        try json.skipValue()
      }
    }
    try json.finish()
    guard hasShapes else {
      throw FileError(
        path: path, kind: .refused, reason: "has no 'shapes': it is no file of LabelMe")
    }
    guard max(size.width, size.height) <= COCOAnnotations.longestSide,
      (try? RunLengthMask.check(size)) != nil
    else {
      throw FileError(
        path: path, kind: .refused,
        reason:
          "has no imageWidth and imageHeight that a picture can have. Save it with LabelMe again")
    }
  }

  /// How far from the picture's corner a point may lie, in pixels.
  private static let farthest = 1e9

  private static func shape(_ json: inout JSONStream) throws -> LabelMeShape {
    var shape = LabelMeShape(label: "")
    try json.beginObject()
    while try json.nextKey() {
      if json.textIs("label") {
        shape.label = try json.string()
      } else if json.textIs("group_id") {
        shape.group = try json.skipNull() ? nil : json.integer()
      } else if json.textIs("shape_type") {
        shape.type = try json.string()
      } else if json.textIs("points") {
        try json.beginArray()
        while try json.nextElement() {
          let start = json.offset
          var count = 0
          try json.beginArray()
          while try json.nextElement() {
            let coordinate = try json.number()
            guard abs(coordinate) <= farthest else {
              throw json.failure("a point lies within \(Int(farthest)) pixels", at: start)
            }
            shape.points.append(coordinate)
            count += 1
          }
          guard count == 2 else { throw json.failure("a point has two numbers", at: start) }
        }
      } else {
        try json.skipValue()
      }
    }
    return shape
  }
}
