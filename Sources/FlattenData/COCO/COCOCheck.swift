import FlattenFiles
import FlattenImage
import FlattenRegions
import Synchronization

/// All mistakes of a file of COCO annotations, and of the pictures that it names.
public struct COCOCheck: Sendable {
  /// Problems of one kind.
  public struct Group: Sendable {
    /// The kind.
    public let kind: COCOProblem.Kind
    /// How many there are.
    public fileprivate(set) var count: Int
    /// The first of them, at most ``COCOCheck/mostKept``.
    public fileprivate(set) var problems: [COCOProblem]
  }

  /// How many problems of a kind are kept.
  public static let mostKept = 100_000

  /// What can be used of the file: entries with mistakes are mended or left out.
  public let annotations: COCOAnnotations
  /// The problems by kind, in the order in which the kinds were first met.
  public let groups: [Group]
  /// Objects of each category, in the order of ``COCOAnnotations/categories``.
  public let objects: [Int]

  /// Whether nothing is wrong.
  public var isClean: Bool { groups.isEmpty }
  /// Whether the file can be scored as it is.
  public var isUsable: Bool { groups.allSatisfy(\.kind.isHarmless) }
  /// How many problems there are.
  public var problemCount: Int { groups.reduce(0) { $0 + $1.count } }

  /// Reads a file and looks at everything in it.
  ///
  /// - Parameters:
  ///   - imageFolder: where the pictures are; `nil` leaves them out.
  ///   - limits: larger pictures are refused.
  ///   - exif: what is done with EXIF orientations when sizes are compared.
  ///   - progress: called after each picture with the number done and the number of all.
  /// - Throws: ``FileError`` where it is no JSON, ``COCOProblem`` where it has no lists of pictures, annotations and
  ///   categories.
  public static func run(
    path: String, imageFolder: String? = nil, limits: DecodingLimits = DecodingLimits(),
    exif: ExifOrientation = .apply, progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> COCOCheck {
    let collector = Collector()
    var annotations = try COCOAnnotationReader.read(path: path, masks: true, report: collector.add)
    annotations.checkMasks(collector.add)
    if let imageFolder {
      annotations.checkPictures(
        imageFolder, limits: limits, exif: exif, collector.add, progress: progress)
    }
    return COCOCheck(annotations, collector.groups)
  }

  private init(_ annotations: COCOAnnotations, _ groups: [Group]) {
    self.annotations = annotations
    self.groups = groups
    var objects = [Int](repeating: 0, count: annotations.categories.count)
    for category in annotations.categoryIndex { objects[Int(category)] += 1 }
    self.objects = objects
  }

  /// Gathers problems.
  private final class Collector: Sendable {
    private let found = Mutex<[Group]>([])

    var groups: [Group] { found.withLock { $0 } }

    func add(_ problem: COCOProblem) {
      found.withLock { groups in
        guard let place = groups.firstIndex(where: { $0.kind == problem.kind }) else {
          groups.append(Group(kind: problem.kind, count: 1, problems: [problem]))
          return
        }
        groups[place].count += 1
        if groups[place].count <= COCOCheck.mostKept { groups[place].problems.append(problem) }
      }
    }
  }
}

extension COCOAnnotations {
  /// Decodes all masks; those that are wrong are taken out.
  fileprivate mutating func checkMasks(_ report: (COCOProblem) -> Void) {
    for index in ids.indices {
      do {
        _ = try mask(index)
      } catch let problem as COCOProblem {
        report(problem)
        segmentations.remove(index)
      } catch {}
    }
  }

  /// Compares the sizes of pictures with those of their files.
  fileprivate func checkPictures(
    _ folder: String, limits: DecodingLimits, exif: ExifOrientation,
    _ report: (COCOProblem) -> Void, progress: (Int, Int) -> Void
  ) {
    for (index, picture) in pictures.enumerated() {
      func tell(_ kind: COCOProblem.Kind, _ reason: String, _ remedy: String) {
        report(
          COCOProblem(
            kind, path: path, place: "images[\(index)] (id \(picture.id))", reason: reason,
            remedy: remedy))
      }
      if let problem = problem(of: picture, folder, limits: limits, exif: exif) {
        tell(problem.kind, problem.reason, problem.remedy)
      }
      progress(index + 1, pictures.count)
    }
  }

  private func problem(
    of picture: Picture, _ folder: String, limits: DecodingLimits, exif: ExifOrientation
  ) -> (kind: COCOProblem.Kind, reason: String, remedy: String)? {
    let name = printable(picture.fileName, limit: 100)
    guard !picture.fileName.isEmpty else {
      return (.missingField, "has no file_name", "Write the name of its file")
    }
    // Names come from the file: none may lead out of the folder.
    guard !picture.fileName.hasPrefix("/"),
      !picture.fileName.split(separator: "/").contains("..")
    else {
      return (.value, "file_name '\(name)' leaves the folder", "Write a name below the folder")
    }
    let path = folder + "/" + picture.fileName
    guard FileIdentity(path: path) != nil else {
      return (
        .missingPicture, "its file '\(name)' is not in the folder",
        "Copy it there, or leave the picture and its annotations out"
      )
    }
    do {
      let found = try EncodedPicture(path: path, limits: limits, exif: exif).size
      guard let size = picture.size else {
        return (.missingField, "has no width and height", "Write those of its file: \(text(found))")
      }
      if found == size { return nil }
      let isTurned = found == PixelSize(height: size.width, width: size.height)
      return (
        .pictureSize,
        "is \(text(size)) here and \(text(found)) in '\(name)'",
        isTurned
          ? "Width and height are the other way round: annotations are of the picture as it is shown, "
            + "with its EXIF orientation"
          : "Annotate the picture at the size of its file"
      )
    } catch {
      let reason = (error as? FileError)?.reason ?? "\(error)"
      return (.badPicture, "'\(name)' \(reason)", "Copy or download it again")
    }
  }

  private func text(_ size: PixelSize) -> String { "\(size.width)x\(size.height)" }
}
