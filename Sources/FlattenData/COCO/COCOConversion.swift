import FlattenFiles
import FlattenImage
import FlattenRegions

/// COCO annotations made of other files.
public struct COCOConversion: Sendable {
  /// The annotations; their path is that of the source.
  public internal(set) var annotations: COCOAnnotations
  /// What was left out, one sentence each.
  public internal(set) var warnings: [String] = []

  /// Takes what can be used of a checked file.
  public init(annotations check: COCOCheck) {
    annotations = check.annotations
    warnings = check.groups.filter { !$0.kind.isHarmless }.map { group in
      "\(counted(group.count, "problem")) (\(group.kind.rawValue)) that cannot be mended, the first: "
        + (group.problems.first?.place ?? "") + ". What has it was left out"
    }
  }

  /// An empty set.
  init(path: String) { annotations = COCOAnnotations(path: path) }

  /// Adds a picture and gives its place.
  mutating func add(picture name: String, size: PixelSize) -> Int {
    annotations.pictures.append(
      .init(id: annotations.pictures.count + 1, fileName: name, size: size))
    return annotations.pictures.count - 1
  }

  /// Adds an object; its mask is appended apart.
  mutating func add(picture: Int, category: Int, box: COCOBox, area: Double) {
    annotations.ids.append(annotations.ids.count + 1)
    annotations.pictureIndex.append(Int32(picture))
    annotations.categoryIndex.append(Int32(category))
    annotations.boxes.append(box)
    annotations.areas.append(area)
    annotations.isCrowd.append(false)
    annotations.places.append(Int32(annotations.places.count))
  }

  /// Numbers the categories from 1 and ends the making.
  mutating func finish(_ names: [String]) throws {
    guard names.count <= COCOAnnotations.mostCategories else {
      throw FileError(
        path: annotations.path, kind: .refused,
        reason:
          "has \(names.count) classes; at most \(COCOAnnotations.mostCategories) can be read. "
          + "Check that its labels are classes")
    }
    annotations.categories = names.enumerated().map { .init(id: $0.offset + 1, name: $0.element) }
    annotations.pictureTable = IDTable(annotations.pictures.map(\.id))
    annotations.categoryTable = IDTable(annotations.categories.map(\.id))
    guard !annotations.pictures.isEmpty else {
      throw FileError(
        path: annotations.path, kind: .refused, reason: "holds nothing to convert. Check the folder"
      )
    }
  }

  /// The files of a folder that have one of the suffixes.
  static func files(_ folder: String, _ suffixes: [String]) throws -> [String] {
    let walk = FolderWalk(folder)
    if let problem = walk.problems.first { throw problem.error }
    return walk.files.filter { name in suffixes.contains { name.lowercased().hasSuffix($0) } }
  }

  // MARK: PNGs of instances

  /// Makes objects of PNGs whose pixels are object numbers, 0 for none.
  ///
  /// - Parameters:
  ///   - folder: the PNGs, 8 or 16 bits of grey or palette; pictures get their names.
  ///   - labels: label pictures of the same names, whose pixels are classes from 0: an object's class is that of most
  ///     of its pixels. `nil` makes all of one class.
  ///   - classNames: by id; `nil` calls them `class_0`, `class_1`, ...
  /// - Throws: ``FileError``.
  public init(
    instances folder: String, labels: String?, classNames: [String]?,
    limits: DecodingLimits = DecodingLimits(), exif: ExifOrientation = .apply
  ) throws {
    self.init(path: folder)
    var highest = 0
    for name in try Self.files(folder, [".png"]) {
      let path = folder + "/" + name
      let map = try LabelImage.decode(path: path, limits: limits, exif: exif).value
      let classes = try labels.map {
        try LabelImage.decode(path: $0 + "/" + name, limits: limits, exif: exif).value
      }
      if let classes, classes.width != map.width || classes.height != map.height {
        throw FileError(
          path: path, kind: .refused,
          reason: "is \(map.width)x\(map.height), its label picture \(classes.width)x"
            + "\(classes.height). Both must have one size")
      }
      let picture = add(
        picture: name, size: PixelSize(height: map.height, width: map.width))
      for (mask, category) in Self.objects(of: map, classes) {
        highest = max(highest, category)
        add(
          picture: picture, category: category,
          box: COCOBox(
            x: Double(mask.bounds.x), y: Double(mask.bounds.y), width: Double(mask.bounds.width),
            height: Double(mask.bounds.height)), area: Double(mask.area))
        annotations.segmentations.append(mask)
      }
    }
    let names = classNames ?? (labels == nil ? ["object"] : [])
    let missing = DatasetOptions.classNames(count: max(names.count, highest + 1)).dropFirst(
      names.count)
    try finish(names + missing)
  }

  /// The objects of a map in the order of their numbers, and their classes.
  private static func objects(
    of map: LabelMap, _ classes: LabelMap?
  ) -> [(mask: RunLengthMask, category: Int)] {
    // Column by column, as run lengths are counted: of each number the stretches of pixels.
    var runs: [UInt16: [(start: Int, count: Int)]] = [:]
    var votes: [UInt16: [UInt16: Int]] = [:]
    for x in 0..<map.width {
      var y = 0
      while y < map.height {
        let number = map.ids[y * map.width + x]
        let start = y
        while y < map.height, map.ids[y * map.width + x] == number {
          if number != 0, let classes {
            votes[number, default: [:]][classes.ids[y * map.width + x], default: 0] += 1
          }
          y += 1
        }
        if number != 0 {
          runs[number, default: []].append((x * map.height + start, y - start))
        }
      }
    }
    let area = map.width * map.height
    return runs.keys.sorted().map { number in
      var counts: [UInt32] = []
      var end = 0
      for run in runs[number] ?? [] {
        counts += [UInt32(run.start - end), UInt32(run.count)]
        end = run.start + run.count
      }
      counts.append(UInt32(area - end))
      let vote = votes[number]?.max { ($0.value, -Int($0.key)) < ($1.value, -Int($1.key)) }
      let mask = RunLengthMask(size: PixelSize(height: map.height, width: map.width), runs: counts)
      return (mask, Int(vote?.key ?? 0))
    }
  }
}

extension COCOSegmentations {
  /// Appends a mask as compressed run lengths.
  mutating func append(_ mask: RunLengthMask) {
    var text = mask.cocoString
    text.withUTF8 { bytes in
      append(text: bytes, size: (Int32(mask.size.height), Int32(mask.size.width)))
    }
  }
}
