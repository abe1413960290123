import FlattenRegions
import FlattenVision
import Foundation
import TestSupport
import Testing

@Suite struct DetectionDocumentTests {
  private static let size = PixelSize(height: 40, width: 60)
  private static let awkward = "a \"quoted\", name\nof two lines \u{E9}\u{1F697}"

  /// A ring with a hole and a pixel apart; a box alone; a class with an awkward name.
  private static func detections(seed: UInt64 = 1) -> Detections {
    var pixels = [UInt8](repeating: 0, count: size.area)
    for y in 5..<20 {
      for x in 10..<30 where !(8..<12).contains(y) || !(15..<20).contains(x) {
        pixels[y * size.width + x] = 1
      }
    }
    pixels[30 * size.width + 50] = 1
    var numbers = SteadyNumbers(seed: seed)
    func edge(_ limit: Float) -> Float { Float.random(in: 0...limit, using: &numbers) }
    let boxes = (0..<3).map { _ in
      let (left, top) = (edge(30), edge(20))
      return Box(left: left, top: top, right: left + edge(30), bottom: top + edge(20))
    }
    return Detections(
      size: size,
      objects: [
        DetectedObject(
          label: 0, categoryID: 1, name: "person", score: .random(in: 0...1, using: &numbers),
          box: boxes[0], mask: RunLengthMask(bitmap: pixels, size: size)),
        DetectedObject(
          label: 2, categoryID: 90, name: awkward, score: 1e-7, box: boxes[1], mask: nil),
        DetectedObject(
          label: 2, categoryID: 90, name: awkward, score: 1, box: boxes[2],
          mask: RunLengthMask(bitmap: [UInt8](repeating: 0, count: size.area), size: size)),
      ])
  }

  private static func parse(_ text: String) throws -> JSONValue {
    try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
  }

  /// Edges from x, y, width and height, as a reader in single precision has them.
  private static func box(_ sides: [JSONValue]) throws -> Box {
    let numbers = sides.compactMap(\.number)
    try #require(numbers.count == 4)
    return Box(
      left: Float(numbers[0]), top: Float(numbers[1]), right: Float(numbers[0] + numbers[2]),
      bottom: Float(numbers[1] + numbers[3]))
  }

  private static func mask(_ segmentation: JSONValue) throws -> RunLengthMask? {
    if segmentation.isNull { return nil }
    let size = segmentation["size"].ints
    return try RunLengthMask(
      cocoString: #require(segmentation["counts"].text),
      size: PixelSize(height: size[0], width: size[1]))
  }

  @Test(arguments: 0..<50) func jsonTellsAll(seed: UInt64) throws {
    let found = Self.detections(seed: seed)
    let json = try Self.parse(DetectionDocument(found, file: Self.awkward).json())
    #expect(json["schema_version"].int == DetectionDocument.schemaVersion)
    #expect(json["file"].text == Self.awkward)
    #expect(json["width"].int == 60 && json["height"].int == 40)
    #expect(json["bbox_xywh"].text?.hasPrefix("x, y, width, height in pixels") == true)
    #expect(json["objects"].list.count == 3)
    for (index, (object, read)) in zip(found.objects, json["objects"].list).enumerated() {
      #expect(read["number"].int == index + 1)
      let again = DetectedObject(
        label: try #require(read["label"].int), categoryID: try #require(read["category_id"].int),
        name: try #require(read["name"].text), score: Float(try #require(read["score"].number)),
        box: try Self.box(read["bbox_xywh"].list), mask: try Self.mask(read["segmentation"]))
      #expect(again == object)
      let area = try #require(read["area"].number)
      let expected =
        object.mask.map { Double($0.area) } ?? Double(object.box.width * object.box.height)
      #expect(abs(area - expected) <= 1e-4 * max(expected, 1))
    }
  }

  @Test func objectsAreOnALineEach() {
    let text = DetectionDocument(Self.detections(), file: "a.jpg").json()
    #expect(text.split(separator: "\n").filter { $0.hasPrefix("    {\"number\": ") }.count == 3)
    let none = Detections(size: Self.size, objects: [])
    #expect(DetectionDocument(none, file: "a.jpg").json().contains("\"objects\": []\n}\n"))
  }

  @Test func runLengthsAndPolygonsAreTheMasks() throws {
    let found = Self.detections()
    let document = DetectionDocument(found, file: "a.jpg")
    let runs = try Self.parse(document.json(.runLengths))["objects"].list
    #expect(try runs.map { try Self.mask($0["segmentation"]) } == found.objects.map(\.mask))
    #expect(runs[0]["bbox_xywh"].isNull)

    let json = try Self.parse(document.json(.polygons))
    #expect(json["polygons"].text?.contains("even-odd") == true)
    for (object, read) in zip(found.objects, json["objects"].list) {
      let polygons = read["polygons"].list.map { polygon in
        polygon.list.map { ring in
          ring.list.map { Polygon.Corner(x: $0[0].int ?? -1, y: $0[1].int ?? -1) }
        }
      }
      #expect(polygons == (object.mask?.polygons() ?? []).map { [$0.outline] + $0.holes })
      #expect(read["polygons"].isNull == (object.mask == nil))
    }
    #expect(json["objects"][0]["polygons"].list.map(\.list.count) == [2, 1])
  }

  @Test(arguments: 0..<50) func cocoResultsComeBack(seed: UInt64) throws {
    let found = Self.detections(seed: seed)
    let lines = DetectionDocument(found, file: "a.jpg").cocoResults(imageID: 139)
    let json = try Self.parse("[" + lines.joined(separator: ",\n") + "]")
    #expect(json.list.count == 3 && !lines.contains { $0.contains("\n") })
    for (object, read) in zip(found.objects, json.list) {
      #expect(read["image_id"].int == 139 && read["category_id"].int == object.categoryID)
      #expect(read["score"].number.map { Float($0) } == object.score)
      #expect(try Self.box(read["bbox"].list) == object.box)
      #expect(try Self.mask(read["segmentation"]) == object.mask)
      #expect((read.fields["segmentation"] != nil) == (object.mask != nil))
    }
  }

  @Test func numbersHaveNoMoreDigitsThanTheyNeed() throws {
    let object = DetectedObject(
      label: 0, categoryID: 1, name: "car", score: 0.87,
      box: Box(left: 10.1, top: 20.2, right: 30.3, bottom: 40.5), mask: nil)
    let found = Detections(size: Self.size, objects: [object])
    #expect(
      DetectionDocument(found, file: "a.jpg").cocoResults(imageID: 7)[0].hasPrefix(
        "{\"image_id\": 7, \"category_id\": 1, \"bbox\": [10.1, 20.2, 20.2"))
    #expect(
      DetectionDocument(found, file: "a.jpg").cocoResults(imageID: 7)[0].hasSuffix(
        "\"score\": 0.87}"))
  }

  @Test func labelMeHasPolygonsAndRectangles() throws {
    let found = Self.detections()
    let json = try Self.parse(DetectionDocument(found, file: "b/a.jpg").labelMe())
    #expect(json["imagePath"].text == "b/a.jpg" && json.fields["imageData"] == .null)
    #expect(json["imageHeight"].int == 40 && json["imageWidth"].int == 60)
    let shapes = json["shapes"].list
    #expect(shapes.map { $0["shape_type"].text } == ["polygon", "polygon", "rectangle"])
    #expect(shapes.map { $0["group_id"].int } == [1, 1, 2])
    #expect(shapes.map { $0["label"].text } == ["person", "person", Self.awkward])
    // The region whose hole is filled, and the pixel.
    let flat = shapes[0..<2].map { $0["points"].list.flatMap { $0.list.compactMap(\.number) } }
    let filled = RunLengthMask(polygons: flat, size: Self.size)
    let mask = try #require(found.objects[0].mask)
    #expect(filled.area == mask.area + 4 * 5 && filled.intersection(mask) == mask)
    let corners = shapes[2]["points"].list.flatMap { $0.list.compactMap(\.number) }
    let box = found.objects[1].box
    #expect(corners.map { Float($0) } == [box.left, box.top, box.right, box.bottom])
  }

  @Test(arguments: [false, true]) func yoloHasSharesOfThePicture(withScores: Bool) throws {
    let found = Self.detections()
    let text = DetectionDocument(found, file: "a.jpg").yolo(withScores: withScores)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 4 && lines.last == "")
    for (object, line) in zip(found.objects, lines) {
      let fields = line.split(separator: " ")
      #expect(fields.count == (withScores ? 6 : 5))
      #expect(Int(fields[0]) == object.label)
      let numbers = fields.dropFirst().compactMap { Double($0) }
      let (x, y) = (numbers[0] * 60, numbers[1] * 40)
      let (width, height) = (numbers[2] * 60, numbers[3] * 40)
      #expect(abs(x - width / 2 - Double(object.box.left)) < 1e-5)
      #expect(abs(y - height / 2 - Double(object.box.top)) < 1e-5)
      #expect(abs(x + width / 2 - Double(object.box.right)) < 1e-5)
      #expect(abs(y + height / 2 - Double(object.box.bottom)) < 1e-5)
      if withScores { #expect(abs(numbers[4] - Double(object.score)) < 1e-8) }
    }
  }

  @Test func csvFieldsComeBack() throws {
    let found = Self.detections()
    let document = DetectionDocument(found, file: "b,\"c\".jpg")
    let rows = Self.csv(DetectionDocument.csvHeader + document.csvRows())
    #expect(rows.count == 4 && rows.allSatisfy { $0.count == 13 })
    let column = { (name: String) throws in try #require(rows[0].firstIndex(of: name)) }
    for (index, (object, row)) in zip(found.objects, rows.dropFirst()).enumerated() {
      #expect(try row[column("file")] == "b,\"c\".jpg")
      #expect(try row[column("name")] == object.name)
      #expect(try row[column("number")] == "\(index + 1)")
      #expect(try row[column("picture_width")] == "60" && row[column("picture_height")] == "40")
      #expect(try Float(row[column("score")]) == object.score)
      #expect(try Float(row[column("x")]) == object.box.left)
      let right =
        try #require(try Double(row[column("x")])) + (try #require(Double(row[column("width")])))
      #expect(Float(right) == object.box.right)
    }
  }

  /// The rows of a CSV file, by RFC 4180.
  private static func csv(_ text: String) -> [[String]] {
    var rows: [[String]] = []
    var row: [String] = []
    var field = ""
    var isQuoted = false
    var scalars = Array(text.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
      switch scalar {
      case "\"" where isQuoted && scalars.first == "\"":
        field.unicodeScalars.append("\"")
        scalars.removeFirst()
      case "\"": isQuoted.toggle()
      case "," where !isQuoted:
        row.append(field)
        field = ""
      case "\n" where !isQuoted:
        rows.append(row + [field])
        (row, field) = ([], "")
      default: field.unicodeScalars.append(scalar)
      }
    }
    return rows
  }
}

/// A generator whose numbers are the same each time (SplitMix64).
private struct SteadyNumbers: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
