import FlattenFiles
import FlattenRegions

/// The objects of a picture as text, in the formats that other tools read.
///
/// Boxes are x, y, width, height in pixels of the picture as it is shown, EXIF orientation applied, from the left
/// edge of its first column and the upper edge of its first row. Numbers have as many digits as single precision
/// needs to come back unchanged.
public struct DetectionDocument: Sendable {
  /// What a JSON document tells of each object beside class and score.
  public enum Contents: Sendable, CaseIterable {
    /// Box, area and run lengths.
    case all
    /// Run lengths.
    case runLengths
    /// Polygons with holes.
    case polygons
  }

  /// The picture's name in the documents.
  public let file: String
  /// Its objects.
  public let detections: Detections

  /// Makes the documents of a picture.
  ///
  /// - Parameter file: the picture's name in the documents.
  public init(_ detections: Detections, file: String) {
    self.detections = detections
    self.file = file
  }

  /// The version of ``json(_:)``'s keys; it changes when a key changes its meaning or goes away.
  public static let schemaVersion = 1

  /// What the JSON documents say of their boxes.
  static let boxes = """
    x, y, width, height in pixels of the picture as shown (EXIF orientation applied), from its upper left corner
    """
  static let rings = """
    of each polygon first the outline, then its holes; [x, y] in pixels of the picture as shown, on the corners of \
    pixels, from its upper left corner; to be filled by the even-odd rule
    """

  /// One JSON object: the picture's name and size, and a list `objects` with an object on each line.
  ///
  /// `number` counts from 1 and is the object's number in an instance map. `segmentation` is COCO's: `size` is
  /// height and width, `counts` a string; it is null where a detector finds boxes alone, and `area` is then that of
  /// the box.
  public func json(_ contents: Contents = .all) -> String {
    var head: [(String, OrderedJSON)] = [
      ("schema_version", .integer(Self.schemaVersion)),
      ("file", .string(file)),
      ("width", .integer(detections.size.width)),
      ("height", .integer(detections.size.height)),
    ]
    switch contents {
    case .all: head.append(("bbox_xywh", .string(Self.boxes)))
    case .runLengths: break
    case .polygons: head.append(("polygons", .string(Self.rings)))
    }
    return Self.document(head, list: "objects", objects(contents))
  }

  /// The objects of ``json(_:)``.
  package func objects(_ contents: Contents = .all) -> [OrderedJSON] {
    detections.objects.enumerated().map { index, object in
      var fields: [(String, OrderedJSON)] = [
        ("number", .integer(index + 1)),
        ("label", .integer(object.label)),
        ("category_id", .integer(object.categoryID)),
        ("name", .string(object.name)),
        ("score", Self.number(object.score)),
      ]
      switch contents {
      case .all:
        let sides = Self.sides(of: object.box)
        fields += [
          ("bbox_xywh", .array(sides.map { .number($0) })),
          ("area", object.mask.map { .integer($0.area) } ?? .number(sides[2] * sides[3])),
          ("segmentation", Self.segmentation(of: object)),
        ]
      case .runLengths: fields.append(("segmentation", Self.segmentation(of: object)))
      case .polygons: fields.append(("polygons", Self.polygons(of: object)))
      }
      return OrderedJSON.object(fields)
    }
  }

  /// Entries of a COCO results file, a JSON object for each object of the picture, each on one line: `image_id`,
  /// `category_id`, `bbox`, `score`, and `segmentation` where there is a mask.
  ///
  /// A results file is `[`, the entries of all pictures with `,` between them, and `]`.
  public func cocoResults(imageID: Int) -> [String] {
    detections.objects.map { object in
      var fields: [(String, OrderedJSON)] = [
        ("image_id", .integer(imageID)),
        ("category_id", .integer(object.categoryID)),
        ("bbox", .array(Self.sides(of: object.box).map { .number($0) })),
        ("score", Self.number(object.score)),
      ]
      if object.mask != nil { fields.append(("segmentation", Self.segmentation(of: object))) }
      return OrderedJSON.object(fields).line
    }
  }

  /// LabelMe's JSON: a polygon for each region of an object's mask, or the rectangle of its box.
  ///
  /// Regions of one object share their `group_id`, the object's number from 1. LabelMe knows no holes: they are
  /// filled. The score is in `description`.
  public func labelMe() -> String {
    let shapes = detections.objects.enumerated().flatMap { index, object in
      let outlines: [[[Double]]] =
        if let mask = object.mask {
          mask.polygons().map { $0.outline.map { [Double($0.x), Double($0.y)] } }
        } else {
          [
            [
              [Self.shortest(object.box.left), Self.shortest(object.box.top)],
              [Self.shortest(object.box.right), Self.shortest(object.box.bottom)],
            ]
          ]
        }
      return outlines.map { points in
        OrderedJSON.object([
          ("label", .string(object.name)),
          ("points", .array(points.map { .array($0.map { .number($0) }) })),
          ("group_id", .integer(index + 1)),
          ("description", .string("score \(object.score)")),
          ("shape_type", .string(object.mask == nil ? "rectangle" : "polygon")),
          ("flags", .object([])),
        ])
      }
    }
    return Self.document(
      [
        ("version", .string("5.5.0")),
        ("flags", .object([])),
        ("imagePath", .string(file)),
        ("imageData", .null),
        ("imageHeight", .integer(detections.size.height)),
        ("imageWidth", .integer(detections.size.width)),
      ], list: "shapes", shapes)
  }

  /// YOLO's text: a line for each object with its label, from 0, and centre x, centre y, width and height of its box
  /// as shares of the picture.
  ///
  /// - Parameter withScores: whether the score follows, as in ultralytics' `save_conf`.
  public func yolo(withScores: Bool = false) -> String {
    let (width, height) = (Double(detections.size.width), Double(detections.size.height))
    return detections.objects.map { object in
      let box = object.box
      let shares = [
        (Double(box.left) + Double(box.right)) / 2 / width,
        (Double(box.top) + Double(box.bottom)) / 2 / height,
        (Double(box.right) - Double(box.left)) / width,
        (Double(box.bottom) - Double(box.top)) / height,
      ]
      let numbers = shares.map(Self.share) + (withScores ? [Self.share(Double(object.score))] : [])
      return "\(object.label) " + numbers.joined(separator: " ") + "\n"
    }.joined()
  }

  /// The columns of ``csvRows()``.
  public static let csvHeader =
    "file,picture_width,picture_height,number,label,category_id,name,score,x,y,width,height,area\n"

  /// CSV by RFC 4180, a line for each object. Pictures without objects have none.
  public func csvRows() -> String {
    detections.objects.enumerated().map { index, object in
      let sides = Self.sides(of: object.box)
      let fields = [
        csvField(file), "\(detections.size.width)", "\(detections.size.height)", "\(index + 1)",
        "\(object.label)", "\(object.categoryID)", csvField(object.name), "\(object.score)",
      ]
      let area = object.mask.map { "\($0.area)" } ?? "\(sides[2] * sides[3])"
      return (fields + sides.map { "\($0)" } + [area]).joined(separator: ",") + "\n"
    }.joined()
  }
}

// MARK: - Pieces

extension DetectionDocument {
  /// A JSON object of plain values and a list with an item on each line.
  private static func document(
    _ head: [(String, OrderedJSON)], list: String, _ items: [OrderedJSON]
  ) -> String {
    let fields = head.map { "  \(OrderedJSON.string($0.0).line): \($0.1.line),\n" }.joined()
    let lines = items.map { "    \($0.line)" }.joined(separator: ",\n")
    let body = items.isEmpty ? "[]" : "[\n\(lines)\n  ]"
    return "{\n\(fields)  \"\(list)\": \(body)\n}\n"
  }

  private static func segmentation(of object: DetectedObject) -> OrderedJSON {
    guard let mask = object.mask else { return .null }
    return .object([
      ("size", .array([.integer(mask.size.height), .integer(mask.size.width)])),
      ("counts", .string(mask.cocoString)),
    ])
  }

  private static func polygons(of object: DetectedObject) -> OrderedJSON {
    guard let mask = object.mask else { return .null }
    return .array(
      mask.polygons().map { polygon in
        .array(
          ([polygon.outline] + polygon.holes).map { ring in
            .array(ring.map { .array([.integer($0.x), .integer($0.y)]) })
          })
      })
  }

  /// The number with the fewest digits that single precision takes for this one.
  private static func shortest(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

  private static func number(_ value: Float) -> OrderedJSON { .number(shortest(value)) }

  /// x, y, width and height; x + width is the right edge in single precision, y + height the lower.
  static func sides(of box: Box) -> [Double] {
    func length(from: Float, to: Float) -> Double {
      // The difference of the two as they are written has their digits: 30.3 - 10.1 is 20.2.
      let written = ((shortest(to) - shortest(from)) * 1e9).rounded() / 1e9
      return [written, shortest(to - from)].first { Float(shortest(from) + $0) == to }
        ?? Double(to) - Double(from)
    }
    return [
      shortest(box.left), shortest(box.top), length(from: box.left, to: box.right),
      length(from: box.top, to: box.bottom),
    ]
  }

  /// A share of 1 with eight decimals, cut to 0 to 1.
  private static func share(_ value: Double) -> String {
    let units = value.isFinite ? Int((min(max(value, 0), 1) * 1e8).rounded()) : 0
    let digits = "\(units % 100_000_000)"
    return "\(units / 100_000_000)." + String(repeating: "0", count: 8 - digits.count) + digits
  }
}
