import FlattenFiles
import FlattenRegions

/// A file of COCO results that pictures are added to one by one.
package final class COCOResultsFile: Sendable {
  /// The pictures' places and ids, by the bytes of their paths.
  private let pictures: [[UInt8]: (number: Int, id: Int)]
  private let names: [(fileName: String, id: Int)]
  /// The id of a label's category; `nil` for one that is left out.
  private let categories: [Int?]
  private let journal: ResultsJournal

  /// - Parameters:
  ///   - pictures: all pictures, also those of other shards.
  ///   - ids: theirs.
  ///   - categories: an id for each label of the model; `nil` leaves its objects out.
  ///   - facts: what decides the results.
  ///   - existing: whether a journal that is there is gone on with.
  package init(
    path: String, pictures: [PictureSource], ids: [Int], categories: [Int?],
    facts: [ResultsJournal.Fact], existing: ExistingResults
  ) throws {
    self.pictures = Dictionary(
      zip(pictures, ids).enumerated().map { index, pair in
        (Array(pair.0.path.utf8), (index, pair.1))
      }, uniquingKeysWith: { first, _ in first })
    names = zip(pictures, ids).map { ($0.pathBelow, $1) }
    self.categories = categories
    journal = try ResultsJournal(path: path, facts: facts, existing: existing)
  }

  /// The file.
  package var path: String { journal.path }
  /// What is there before the file is.
  package var journalPath: String { journal.journal }
  /// How many pictures are done.
  package var count: Int { journal.count }

  /// Whether a picture is done.
  func holds(_ source: PictureSource) -> Bool {
    pictures[Array(source.path.utf8)].map { journal.holds($0.number) } ?? false
  }

  /// Adds what was found in a picture.
  func add(_ found: Detections, of source: PictureSource) throws {
    guard let (number, id) = pictures[Array(source.path.utf8)] else { return }
    let numbered = found.objects.compactMap { object in
      categories[object.label].map { category in
        DetectedObject(
          label: object.label, categoryID: category, name: object.name, score: object.score,
          box: object.box, mask: object.mask)
      }
    }
    let document = DetectionDocument(
      Detections(size: found.size, objects: numbered), file: source.path)
    try journal.add(number, size: found.size, results: document.cocoResults(imageID: id))
  }

  /// Writes the file.
  ///
  /// - Parameter images: also writes the list of pictures, to this path.
  package func finish(images: String? = nil) throws {
    try journal.finish { sizes in
      guard let images else { return }
      let list = sizes.map { number, size in
        OrderedJSON.object([
          ("id", .integer(names[number].id)),
          ("file_name", .string(names[number].fileName)),
          ("width", .integer(size.width)),
          ("height", .integer(size.height)),
        ])
      }
      try AtomicFile.write(OrderedJSON.object([("images", .array(list))]).text() + "\n", to: images)
    }
  }

  /// Removes what was begun where nothing came of it.
  package func discard() { journal.discard() }
}
