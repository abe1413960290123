import FlattenFiles
import FlattenImage
import FlattenRegions

extension COCOConversion {
  /// Makes objects of a folder as YOLO's programs have it: pictures, and a text file of each with a line an object.
  ///
  /// A line is `class x y width height` or `class x0 y0 x1 y1 ...`, in fractions of the picture's sides, x and y the
  /// middle of a box. The text stands beside its picture, or under `labels` where the picture is under `images`. A
  /// picture without one has no objects. Names of classes stand in `classes.txt` or `obj.names`, one a line.
  ///
  /// - Parameter classNames: by id; `nil` takes those of the folder, else `class_0`, `class_1`, ...
  /// - Throws: ``FileError`` where a file is damaged.
  public init(
    yolo folder: String, classNames: [String]?, limits: DecodingLimits = DecodingLimits(),
    exif: ExifOrientation = .apply
  ) throws {
    self.init(path: folder)
    var highest = 0
    for name in try Self.files(folder, Image.fileSuffixes) {
      let size = try EncodedPicture(path: folder + "/" + name, limits: limits, exif: exif).size
      let picture = add(picture: name, size: size)
      let text = folder + "/" + Self.labelFile(of: name)
      guard FileIdentity(path: text) != nil else { continue }
      for (number, line) in try TextLines(path: text).lines.enumerated() {
        let object = try YOLOLine(line, path: text, number: number + 1, size: size)
        highest = max(highest, object.category)
        add(picture: picture, category: object.category, box: object.box, area: object.area)
        if object.polygon.isEmpty {
          annotations.segmentations.appendNone()
        } else {
          annotations.segmentations.append(
            polygons: object.polygon, counts: [Int32(object.polygon.count)])
        }
      }
    }
    let names = try classNames ?? Self.names(in: folder)
    let missing = DatasetOptions.classNames(count: max(names.count, highest + 1)).dropFirst(
      names.count)
    try finish(names + missing)
  }

  /// `images/train/a.jpg` -> `labels/train/a.txt`.
  private static func labelFile(of picture: String) -> String {
    var parts = picture.split(separator: "/").map(String.init)
    if let place = parts.dropLast().lastIndex(of: "images") { parts[place] = "labels" }
    let last = parts.removeLast()
    let stem = last.lastIndex(of: ".").map { String(last[..<$0]) } ?? last
    return (parts + [stem + ".txt"]).joined(separator: "/")
  }

  private static func names(in folder: String) throws -> [String] {
    for name in ["classes.txt", "obj.names"] where FileIdentity(path: "\(folder)/\(name)") != nil {
      return try TextLines(path: "\(folder)/\(name)").lines
    }
    return []
  }
}

/// An object of a text file of YOLO.
private struct YOLOLine {
  let category: Int
  let box: COCOBox
  let area: Double
  /// Empty where it is a box.
  let polygon: [Double]

  init(_ line: String, path: String, number: Int, size: PixelSize) throws {
    func refusal(_ reason: String) -> FileError {
      FileError(path: path, kind: .refused, reason: "line \(number) \(reason)")
    }
    let words = line.split { $0 == " " || $0 == "\t" }
    guard let first = words.first, let category = Int(first),
      (0..<DatasetDescription.classLimit).contains(category)
    else { throw refusal("does not begin with a class, 0 or more") }
    let values = words.dropFirst().map { Double($0) ?? .nan }
    guard values.allSatisfy({ $0.isFinite && abs($0) <= 1e6 }) else {
      throw refusal("has something else where numbers are wanted")
    }
    guard values.count == 4 || (values.count >= 6 && values.count % 2 == 0) else {
      throw refusal(
        "has \(counted(values.count, "number")) after the class; a box has 4, a polygon an even "
          + "count of 6 or more")
    }
    guard values.allSatisfy({ (-0.5...1.5).contains($0) }) else {
      throw refusal("has a number that is no fraction of the picture: write 0 to 1, not pixels")
    }
    self.category = category
    let (width, height) = (Double(size.width), Double(size.height))
    if values.count == 4 {
      box = COCOBox(
        x: (values[0] - values[2] / 2) * width, y: (values[1] - values[3] / 2) * height,
        width: values[2] * width, height: values[3] * height)
      polygon = []
      area = box.area
    } else {
      polygon = values.enumerated().map { $0.element * ($0.offset % 2 == 0 ? width : height) }
      box = COCOBox(around: [polygon])
      do throws(RunLengthError) {
        area = Double(try RunLengthMask(checking: [polygon], size: size).area)
      } catch {
        throw refusal("has a polygon that is no mask: \(error)")
      }
    }
  }
}
