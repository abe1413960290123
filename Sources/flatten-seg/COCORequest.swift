import FlattenCheckpoint
import FlattenData
import FlattenFiles
import FlattenRegions
import FlattenVision

/// `--coco-results`: the file, and the ids of pictures and classes in it.
struct COCORequest {
  let path: String
  /// The list of pictures, where their ids say nothing by themselves.
  private let imagesPath: String?
  private let annotations: COCOAnnotations?
  private let pictures: [PictureSource]
  private let ids: [Int]

  /// The files that are written.
  var files: [String] {
    [path, ResultsJournal.journal(of: path)] + (imagesPath.map { [$0] } ?? [])
  }

  /// - Parameters:
  ///   - annotations: a file of annotations.
  ///   - list: the pictures; those that the annotations lack are taken out.
  /// - Returns: `nil` where the file is there and is to be kept.
  init?(
    _ path: String, annotations: String?, _ list: inout PictureList,
    _ existing: ExistingResults, _ reporting: ReportingOptions
  ) throws {
    try ResultPath.check(
      path, holds: .json, overwrite: true, inputs: annotations.map { [$0] } ?? [])
    try Self.requireEachOnce(list.sources)
    guard try ResultsJournal.check(path, existing) else { return nil }
    self.path = path
    if let annotations {
      let known = try COCOAnnotations.loadLists(path: annotations)
      let found = try COCOPictureIDs(
        of: list.sources, listed: known.pictures.map { ($0.fileName, $0.id) }, in: annotations)
      try Self.leaveOut(found.ids.map { $0 != nil }, of: &list, annotations, reporting)
      ids = found.ids.compactMap { $0 }
      self.annotations = known
      imagesPath = nil
    } else {
      let found = COCOPictureIDs(of: list.sources)
      ids = found.ids.compactMap { $0 }
      self.annotations = nil
      imagesPath =
        found.origin == .order
        ? (path.hasSuffix(".json") ? String(path.dropLast(5)) : path) + ".images.json" : nil
    }
    if let imagesPath {
      try ResultPath.check(imagesPath, holds: .json, overwrite: existing != .refuse)
    }
    pictures = list.sources
  }

  /// Refuses a picture that is named twice: two would have one id.
  private static func requireEachOnce(_ sources: [PictureSource]) throws {
    var seen: Set<FileIdentity> = []
    for source in sources {
      guard let identity = FileIdentity(path: source.path), !seen.insert(identity).inserted else {
        continue
      }
      throw RequestError(
        "'\(printable(source.path, limit: 400))' is named twice, and --coco-results has an id a picture."
      )
    }
  }

  private static func leaveOut(
    _ isKnown: [Bool], of list: inout PictureList, _ annotations: String,
    _ reporting: ReportingOptions
  ) throws {
    let unknown = zip(list.sources, isKnown).filter { !$1 }.map(\.0)
    guard let first = unknown.first else { return }
    let name = printable(annotations, limit: 150)
    if unknown.count == isKnown.count {
      throw RequestError(
        "'\(name)' lists none of the \(counted(unknown.count, "picture")) that are named; the first is "
          + "'\(printable(first.path, limit: 150))'. Name those that it lists.")
    }
    if !reporting.quiet {
      Output.warning(
        "'\(name)' does not list \(unknown.count) of the \(isKnown.count) pictures that are named; they are "
          + "left out, the first is \(printable(first.path, limit: 150))")
    }
    list.keep(isKnown)
  }

  /// Begins the file, or goes on with it.
  ///
  /// - Parameter facts: what decides the results beside the pictures and classes.
  func begin(
    _ detector: Detector, _ facts: [ResultsJournal.Fact], _ options: Detector.Options,
    _ existing: ExistingResults, _ reporting: ReportingOptions
  ) throws -> COCOResultsFile {
    let categories = try categories(of: detector, reporting)
    let tells = !reporting.quiet
    let least = detector.selection(Detector.Options()).score
    if tells, let score = options.score, score > least {
      Output.warning(
        "'\(printable(path, limit: 150))' will hold objects with a score above \(score) only, scores "
          + "count those above \(least) too: leave --score out to have them right")
    }
    let file = try COCOResultsFile(
      path: path, pictures: pictures, ids: ids, categories: categories,
      facts: facts + [
        .init("list of pictures", "\(counted(ids.count, "picture")), \(digest)"),
        .init(
          "numbering of classes",
          categories.map { $0.map { "\($0)" } ?? "-" }.joined(separator: ",")),
      ], existing: existing)
    if tells && file.count > 0 {
      Output.error(
        "note: going on with '\(printable(file.journalPath, limit: 300))', which has "
          + counted(file.count, "picture"))
    }
    return file
  }

  /// A checksum of the pictures' names and ids.
  private var digest: String {
    Checksum.digest(zip(pictures, ids).map { "\($0.pathBelow)\n\($1)\n" }.joined())
  }

  /// The id of each class of the model: the annotations' by name, else the data set's own; `nil` for a class that the
  /// annotations lack.
  private func categories(of detector: Detector, _ reporting: ReportingOptions) throws -> [Int?] {
    guard let annotations else { return detector.configuration.dataset.categoryIDs }
    let ids = try detector.categoryIDs(among: annotations)
    if let warning = detector.warning(ofLacking: ids, annotations), !reporting.quiet {
      Output.warning(warning)
    }
    return ids
  }

  /// Ends the file where all that can be done is done.
  ///
  /// - Returns: whether it is there.
  func finish(_ file: COCOResultsFile, _ tally: BatchTally) throws -> Bool {
    if Interrupt.isRequested || tally.hasUnwritten {
      Output.error(
        "note: '\(printable(file.journalPath, limit: 300))' has \(counted(file.count, "picture")); "
          + "--skip-existing goes on from there")
      return false
    }
    if file.count == 0 && tally.done > 0 {
      file.discard()
      return false
    }
    try file.finish(images: imagesPath)
    return true
  }
}
