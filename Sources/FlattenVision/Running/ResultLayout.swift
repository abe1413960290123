import FlattenFiles
import Foundation

/// Which files are written for a picture, and where.
struct ResultLayout: Sendable {
  /// Where the files go.
  let target: ResultTarget
  /// What to do where results exist already.
  let existing: ExistingResults
  /// What is written, the main file first: it appears last, so it says that the rest is there.
  let names: [ResultName]

  /// The files of a picture; `nil` where nothing goes to a file.
  func files(of source: PictureSource) -> ResultFiles? {
    names.isEmpty ? nil : ResultFiles(of: source, names, in: target)
  }

  /// Refuses what would lose data or could not be written, before anything is computed.
  ///
  /// - Parameter others: files that are written besides.
  /// - Throws: `FileError` of kind `.unwritable` where two results share a name, a result would
  ///   replace one of the pictures, or the target cannot be written to.
  func check(_ sources: [PictureSource], besides others: [String] = []) throws {
    guard !names.isEmpty else { return }
    try target.requireWritable()
    let pictures = Set(
      sources.compactMap { $0.isStandardInput ? nil : FileIdentity(path: $0.path) })
    let others = Set(others.map(Self.place))
    var writers: [[UInt8]: [(source: PictureSource, files: ResultFiles)]] = [:]
    for source in sources {
      guard let files = files(of: source) else { continue }
      // Whether a drawing is a JPEG depends on the picture's size, which is asked for where it matters.
      for path in files.possible {
        if !others.isEmpty && others.contains(Self.place(path)) {
          throw FileError(
            path: path, kind: .unwritable,
            reason: "would hold the results of all pictures and those of "
              + "'\(printable(source.path))'. Choose another name")
        }
        let earlier = writers[Array(path.utf8), default: []]
        writers[Array(path.utf8), default: []].append((source, files))
        if let other = earlier.first(where: { $0.files.holds(path, of: $0.source) })?.source,
          files.holds(path, of: source)
        {
          throw FileError(
            path: path, kind: .unwritable,
            reason: "would hold the result of both '\(printable(other.path))' and "
              + "'\(printable(source.path))'. Write them into different folders")
        }
        if let identity = FileIdentity(path: path), pictures.contains(identity),
          files.holds(path, of: source)
        {
          throw FileError(
            path: path, kind: .unwritable,
            reason: "is one of the pictures itself. Choose another output")
        }
      }
    }
  }

  /// A path without detours: two of one file are equal, also where it is not there yet.
  private static func place(_ path: String) -> String {
    URL(filePath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }

  /// What is to be done for a picture, before it is read.
  ///
  /// - Throws: ``ExistingResultError`` where a result must not be replaced.
  func plan(for source: PictureSource) throws -> PicturePlan {
    guard let files = files(of: source) else { return .make(nil) }
    func found(_ paths: [String]) -> String? {
      paths.first { FileIdentity(path: $0) != nil && files.holds($0, of: source) }
    }
    switch existing {
    case .skip: if let main = found(files.possibleMain) { return .keep(main) }
    case .refuse:
      if let path = found(files.possible) {
        throw ExistingResultError(path: path, canBeKept: true)
      }
    case .replace: break
    }
    return .make(files)
  }

  /// Chooses between JPEG and PNG once a picture's size is known, and makes the folder that its files go to.
  ///
  /// - Throws: ``ExistingResultError`` where a drawing is there after all: of standard input ``plan(for:)``
  ///   cannot know.
  func prepare(_ files: inout ResultFiles, longestSide: Int) throws {
    files.fit(longestSide: longestSide)
    if existing == .refuse,
      let path = files.drawings.first(where: { FileIdentity(path: $0) != nil })
    {
      throw ExistingResultError(path: path, canBeKept: true)
    }
    try target.makeFolder(for: files.main)
  }
}

/// What is to be done for a picture.
enum PicturePlan: Sendable {
  /// Nothing: it has a result, at this path where that is its own.
  case keep(String?)
  /// Its results are made, and written to these files; `nil` where none are.
  case make(ResultFiles?)
}
