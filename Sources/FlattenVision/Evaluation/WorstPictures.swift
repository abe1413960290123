import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenRegions

/// Draws the pictures of a data set in which a detector was most often wrong: missed objects red, false finds
/// yellow with their scores, what was found green.
public struct WorstPictures: Sendable {
  /// Where the drawings and their list, `worst.csv`, are written; a folder of an earlier run is replaced.
  public var folder: String
  /// The most pictures that are drawn; those without faults never are.
  public var count: Int
  /// Detections of no higher score count for nothing.
  public var score: Double
  /// Larger pictures are refused.
  public var limits = DecodingLimits()
  /// What is done with EXIF orientations.
  public var exif = ExifOrientation.apply

  /// Makes a drawing order.
  public init(folder: String, count: Int, score: Double) {
    self.folder = folder
    self.count = count
    self.score = score
  }

  private static func colour(of verdict: ComparedObject.Verdict) -> RGBColor {
    switch verdict {
    case .missed: RGBColor(red: 230, green: 30, blue: 40)
    case .falseFind: RGBColor(red: 255, green: 210, blue: 0)
    case .found: RGBColor(red: 60, green: 170, blue: 80)
    }
  }

  /// Writes the drawings.
  ///
  /// - Parameters:
  ///   - evaluation: tells which pictures are the worst, and what is compared.
  ///   - annotations: what was evaluated against.
  ///   - images: the folder of the pictures.
  ///   - results: the detections of a picture of the annotations, perhaps among those of others.
  ///   - onFailure: called with what kept one picture from being drawn; the others are.
  /// - Throws: `FileError` where the folder cannot be written.
  public func write(
    _ evaluation: COCOEvaluation, _ annotations: COCOAnnotations, images: String,
    results: (_ picture: Int, _ image: Image) throws -> COCOResults,
    onFailure: (any Error) -> Void
  ) throws {
    let folder = try Self.begin(folder)
    let scorer = COCOPictureScorer(annotations, evaluation.settings)
    let places = Dictionary(
      annotations.pictures.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first }
    )
    var rows = "rank,file,missed,false_finds,found,drawing\n"
    let worst = evaluation.faults(above: score).prefix(count).filter { $0.count > 0 }
    for (index, faults) in worst.enumerated() {
      guard let place = places[faults.picture] else { continue }
      let picture = AnnotatedPicture(
        index: place, picture: annotations.pictures[place], in: images)
      var name = ""
      do {
        let image = try Image.decode(path: picture.path, limits: limits, exif: exif).value
        try picture.requireSize(image.size)
        let compared = try scorer.compared(
          try results(place, image), picture: place, above: score)
        try picture.requireSize(image.size, of: compared)
        let drawing = Self.overlay(compared).drawn(on: image, opacity: 0.3).image
        let encoded = try drawing.encodedForViewing(name: picture.path)
        let file = Self.fileName(index + 1, annotations.pictures[place].fileName) + encoded.suffix
        try folder.write(encoded.bytes, to: file)
        name = file
      } catch {
        onFailure(error)
      }
      let cells = [
        "\(index + 1)", csvField(annotations.pictures[place].fileName), "\(faults.missed)",
        "\(faults.falseFinds)", "\(faults.found)", csvField(name),
      ]
      rows += cells.joined(separator: ",") + "\n"
    }
    try folder.write(Array(rows.utf8), to: Self.list)
    try folder.commit()
  }

  /// Refuses a folder that could not be written, or that holds anything but results of an earlier run.
  package static func requireWritable(_ folder: String) throws { _ = try begin(folder) }

  private static func begin(_ folder: String) throws -> AtomicFolder {
    try AtomicFolder(path: folder, replacing: isOwn)
  }

  private static let list = "worst.csv"

  /// Whether a file of the folder may be replaced.
  private static func isOwn(_ name: String) -> Bool {
    name == list || name.wholeMatch(of: #/[0-9]{3,}_.*\.(jpg|png)/#) != nil
  }

  private static func overlay(_ compared: [ComparedObject]) -> DetectionOverlay {
    // What is wrong lies above what is right, and its name finds its place first.
    let order: [ComparedObject.Verdict] = [.missed, .falseFind, .found]
    return DetectionOverlay(
      order.flatMap { verdict in
        compared.filter { $0.verdict == verdict }.map { object in
          DetectionOverlay.Item(
            box: Box(object.box), mask: object.mask,
            name: verdict == .missed
              ? "missed \(object.name)" : verdict == .found ? "" : object.name,
            score: verdict == .found ? nil : object.score.map { Float($0) },
            colour: colour(of: verdict))
        }
      })
  }

  /// `001_val_street`: the rank, then the picture's path without its suffix.
  private static func fileName(_ rank: Int, _ path: String) -> String {
    let stem = path.lastIndex(of: ".").map { path[..<$0] } ?? path[...]
    return numberedName(rank, String(stem.unicodeScalars.suffix(60)))
  }
}

extension AnnotatedPicture {
  /// Refuses masks of another size than the picture's, where the annotations do not say what it is.
  fileprivate func requireSize(_ size: PixelSize, of compared: [ComparedObject]) throws {
    guard let mask = compared.lazy.compactMap(\.mask).first(where: { $0.size != size }) else {
      return
    }
    throw COCOProblem(
      .pictureSize, path: path, place: "",
      reason:
        "is \(size.width)x\(size.height), its masks are \(mask.size.width)x\(mask.size.height)",
      remedy: "Take the pictures that were annotated")
  }
}

extension Box {
  fileprivate init(_ box: COCOBox) {
    self.init(
      left: Float(box.x), top: Float(box.y), right: Float(box.x + box.width),
      bottom: Float(box.y + box.height))
  }
}
