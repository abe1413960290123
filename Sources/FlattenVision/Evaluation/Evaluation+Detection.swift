import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenRegions

extension Evaluation {
  /// Finds the objects of every picture of a COCO annotation file and scores them; reading, computing and
  /// matching overlap.
  ///
  /// - Parameters:
  ///   - detector: what is scored.
  ///   - annotations: the pictures and their objects.
  ///   - folder: the pictures.
  ///   - settings: what is compared, one evaluation each.
  ///   - options: which objects are reported.
  ///   - shard: the part of the pictures, by their ids, that is scored.
  ///   - limit: how many pictures, in the order of their ids; `nil` for all.
  ///   - limits: larger pictures are refused.
  ///   - exif: what is done with EXIF orientations.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onWarning: what the decoders let pass.
  ///   - onProgress: called after every picture.
  /// - Throws: the first error; an evaluation of some pictures would not be one.
  public static func run(
    _ detector: Detector, on annotations: COCOAnnotations, images folder: String,
    settings: [COCOSettings], options: Detector.Options = .init(),
    shard: COCOEvaluation.Shard = .init(index: 0, count: 1), limit: Int? = nil,
    limits: DecodingLimits = DecodingLimits(), exif: ExifOrientation = .apply,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    onWarning: @escaping @Sendable (String) -> Void = { _ in },
    onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) throws -> [COCOEvaluation] {
    let identifiers = try detector.categoryIDs(among: annotations)
    detector.warning(ofLacking: identifiers, annotations).map(onWarning)
    let scorers = settings.map { COCOPictureScorer(annotations, $0) }
    let options = options.makingMasks(settings.contains { $0.kind == .segm })
    let order = annotations.pictures.indices.sorted {
      annotations.pictures[$0].id < annotations.pictures[$1].id
    }
    let items = order.enumerated().filter { $0.offset % shard.count == shard.index }
      .map { index in
        AnnotatedPicture(
          index: index.element, picture: annotations.pictures[index.element], in: folder)
      }
    let gate = MemoryGate(over: detector.loaded.memory)
    return try tally(
      items, limit, into: scorers.map(\.empty), shouldStop: shouldStop, onProgress: onProgress,
      read: { item in
        let admitted = try naming(item.path) {
          try gate.decode(
            EncodedPicture(path: item.path, limits: limits, exif: exif),
            need: { try detector.memoryNeed(for: $0, options: options) })
        }
        admitted.decoded.warnings.forEach(onWarning)
        return admitted
      },
      compute: { item, admitted in
        let picture = admitted.decoded.value
        try item.requireSize(picture.size)
        let found = try naming(item.path) {
          try detector.detect(picture, options: options, as: identifiers)
        }
        return try scorers.map { try $0.evaluation(of: found, picture: item.index) }
      },
      // No picture is there twice.
      add: { total, _, parts in
        for (index, part) in parts.enumerated() { try? total[index].merge(part) }
      }
    ).total
  }
}

/// A picture of an annotation file.
struct AnnotatedPicture: Sendable {
  let index: Int
  let path: String
  private let picture: COCOAnnotations.Picture

  init(index: Int, picture: COCOAnnotations.Picture, in folder: String) {
    self.index = index
    self.picture = picture
    path = folder.hasSuffix("/") ? folder + picture.fileName : "\(folder)/\(picture.fileName)"
  }

  /// Refuses a picture of another size than the annotations say: boxes and masks would lie beside the objects.
  func requireSize(_ size: PixelSize) throws {
    guard let wanted = picture.size, wanted != size else { return }
    let isTurned = wanted == PixelSize(height: size.width, width: size.height)
    throw COCOProblem(
      .pictureSize, path: path, place: "",
      reason:
        "is \(size.width)x\(size.height), the annotations say \(wanted.width)x\(wanted.height)",
      remedy: isTurned
        ? "Its EXIF orientation turns it: annotate it as it is shown, or take it as it is stored"
        : "Take the pictures that were annotated")
  }
}

extension Detector.Options {
  /// The same, with masks where they are also wanted here.
  fileprivate func makingMasks(_ areWanted: Bool) -> Detector.Options {
    var options = self
    options.makesMasks = makesMasks && areWanted
    return options
  }
}

extension DetectedObject {
  /// The same with the category id of an annotation file.
  fileprivate func named(_ categoryID: Int) -> DetectedObject {
    DetectedObject(
      label: label, categoryID: categoryID, name: name, score: score, box: box, mask: mask)
  }
}

extension Detector {
  /// What is found in one picture of an annotation file, for ``WorstPictures``.
  ///
  /// - Parameters:
  ///   - index: the picture's place in the annotations' list.
  ///   - masks: whether they are made.
  public func results(
    _ picture: Image, at index: Int, of annotations: COCOAnnotations, masks: Bool
  ) throws -> COCOResults {
    let found = try detect(
      picture, options: Options().makingMasks(masks), as: try categoryIDs(among: annotations))
    return COCOResults(found, picture: index, for: annotations)
  }

  /// The objects of classes that an annotation file knows, with its ids.
  fileprivate func detect(
    _ picture: Image, options: Options, as identifiers: [Int?]
  ) throws -> Detections {
    var found = try detect(picture, options: options)
    found.objects = found.objects.compactMap { object in
      identifiers[object.label].map { object.named($0) }
    }
    return found
  }

  /// What an annotation file calls each class: the id of its category of the class's name; `nil` for a class that it
  /// lacks, whose objects have no place among the annotations.
  ///
  /// - Throws: `FileError` where the file has none of the classes, or two categories of one name.
  package func categoryIDs(among annotations: COCOAnnotations) throws -> [Int?] {
    var known: [[UInt8]: Int] = [:]
    for category in annotations.categories {
      if known.updateValue(category.id, forKey: Array(category.name.utf8)) != nil {
        throw FileError(
          path: annotations.path, kind: .refused,
          reason: "has two categories '\(printable(category.name))'. Give each a name of its own")
      }
    }
    let ids = classes.map { known[Array($0.utf8)] }
    if ids.allSatisfy({ $0 == nil }) {
      let names = classes.prefix(5).joined(separator: ", ")
      let theirs = annotations.categories.prefix(5).map(\.name).joined(separator: ", ")
      throw FileError(
        path: annotations.path, kind: .refused,
        reason: "knows none of the model's classes (\(printable(names, limit: 150))); its own are "
          + "\(printable(theirs, limit: 100)). Names are compared letter by letter")
    }
    return ids
  }

  /// What to say of classes that an annotation file lacks; `nil` where it has all.
  package func warning(ofLacking ids: [Int?], _ annotations: COCOAnnotations) -> String? {
    let unknown = zip(classes, ids).filter { $1 == nil }.map(\.0)
    if unknown.isEmpty { return nil }
    let names = printable(unknown.prefix(5).joined(separator: ", "), limit: 150)
    return "'\(printable(annotations.path, limit: 150))' lacks "
      + "\(counted(unknown.count, "class", plural: "classes")) of the model, and their objects are "
      + "left out: \(names)"
  }
}
