import FlattenFiles
import FlattenImage
import FlattenRegions

/// What is written of every picture in which objects are looked for, and where.
public struct DetectionOutputs: Sendable {
  /// A kind of result.
  public enum Kind: String, Sendable, CaseIterable {
    /// `<name>.json`: the objects with their boxes, scores and masks.
    case json
    /// `<name>.overlay.jpg`: the picture with masks, boxes, names and scores.
    case overlay
    /// `<name>.instances.png`: 16 bits, the number of the object that a pixel belongs to.
    case instances
    /// `<name>.masks/`: a 1-bit PNG an object; comes with `json`.
    case masks
    /// `<name>.rle.json`: masks as COCO's run lengths.
    case rle
    /// `<name>.polygons.json`: masks as outlines with holes.
    case polygons
    /// `<name>.labels.png`: the class of a pixel, 0 where there is no object.
    case labels
    /// `<name>.crops/`: the picture cut to each object's box; comes with `json`.
    case crops
    /// `<name>.txt`: boxes as YOLO has them.
    case yolo
    /// `<name>.labelme.json`: boxes and outlines as LabelMe has them.
    case labelme
    /// `<name>.csv`: a row an object.
    case csv

    /// Whether there is nothing to write for a model that draws no masks.
    public var needsMasks: Bool { [.masks, .rle, .polygons].contains(self) }

    /// What the result is called behind the picture's name.
    var name: ResultName {
      switch self {
      case .json: .file(".json")
      case .overlay: .overlay
      case .instances: .file(".instances.png")
      case .masks: .folder(".masks")
      case .rle: .file(".rle.json")
      case .polygons: .file(".polygons.json")
      case .labels: .file(".labels.png")
      case .crops: .folder(".crops")
      case .yolo: .file(".txt")
      case .labelme: .file(".labelme.json")
      case .csv: .file(".csv")
      }
    }
  }

  /// The folder of the results.
  public var folder: String
  /// What to do where results exist already.
  public var existing = ExistingResults.refuse
  /// What is written, in the order of `Kind`.
  public let kinds: [Kind]
  /// Objects with no higher score are not written; `nil` writes all that are found.
  public var score: Float?

  /// - Parameter kinds: what is written; masks and crops bring the document that says which is which.
  public init(folder: String, kinds: some Sequence<Kind>) {
    self.folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    var kinds = Set(kinds)
    if kinds.contains(.masks) || kinds.contains(.crops) { kinds.insert(.json) }
    self.kinds = Kind.allCases.filter(kinds.contains)
  }

  /// Refuses what would lose data or could not be written, before anything is computed.
  ///
  /// - Throws: `FileError` of kind `.unwritable` where two results share a name, a result would
  ///   replace one of the pictures, or the target cannot be written to.
  public func check(_ sources: [PictureSource]) throws { try check(sources, besides: []) }

  /// The same.
  ///
  /// - Parameter others: files that are written besides.
  package func check(_ sources: [PictureSource], besides others: [String]) throws {
    try layout.check(sources, besides: others)
  }

  /// The files of a picture. The first appears last: the document, where there is one.
  var layout: ResultLayout {
    ResultLayout(target: .folder(folder), existing: existing, names: kinds.map(\.name))
  }

  /// The objects that are written.
  package func shown(_ found: Detections) -> Detections {
    guard let score else { return found }
    return Detections(size: found.size, objects: found.objects.filter { $0.score > score })
  }

  /// The bytes that making the files of a picture takes, one after the other.
  func memoryNeed(of size: PixelSize) -> Int {
    // An overlay and its copy, compressed; a map's numbers and samples; a crop of the whole and its file.
    let bytes: [Kind: Int] = [.overlay: 10, .instances: 6, .labels: 5, .crops: 6, .masks: 1]
    return size.area * (kinds.compactMap { bytes[$0] }.max() ?? 0)
  }

  /// Writes what was found beside its final names, the main file last.
  ///
  /// - Parameters:
  ///   - palette: the colours of the classes.
  ///   - onNote: called with what is worth telling.
  func stage(
    _ found: Detections, of picture: Image, _ source: PictureSource, _ files: ResultFiles,
    palette: Palette, onNote: (OverlayNote) -> Void
  ) throws -> [any StagedResult] {
    let objects = ShownObjects(found: shown(found), source: source, palette: palette)
    return try kinds.reversed().map { kind in
      let path = files.path(kind.name)
      switch kind {
      case .masks:
        return try folder(path, objects) { object in
          try object.mask.map { (try $0.encodedAsPNG(name: path), ".png") }
        }
      case .crops:
        return try folder(path, objects) { object in
          try picture.cropped(to: object.box).map { try $0.encodedForViewing(name: path) }
        }
      case .overlay:
        let drawing = DetectionOverlay(objects.found, palette: palette).drawn(on: picture)
        if drawing.namesLeftOut > 0 { onNote(.lacksNames) }
        let (bytes, suffix) = try drawing.image.encodedForViewing(name: path)
        if suffix == ".png" { onNote(.isPNG) }
        return try AtomicFile(path: path, holding: bytes)
      default:
        return try AtomicFile(path: path, holding: objects.bytes(of: kind, name: path))
      }
    }
  }

  /// A folder of a file an object, `001_car.png`, numbered as in the document.
  private func folder(
    _ path: String, _ objects: ShownObjects,
    _ encoded: (DetectedObject) throws -> (bytes: [UInt8], suffix: String)?
  ) throws -> AtomicFolder {
    let folder = try AtomicFolder(path: path) { name in
      (name.hasSuffix(".png") || name.hasSuffix(".jpg"))
        && name.wholeMatch(of: #/[0-9]{3,}_.*/#) != nil
    }
    for (index, object) in objects.found.objects.enumerated() {
      guard let file = try encoded(object) else { continue }
      try folder.write(file.bytes, to: objects.fileName(index) + file.suffix)
    }
    return folder
  }
}

extension AtomicFolder: StagedResult {}
