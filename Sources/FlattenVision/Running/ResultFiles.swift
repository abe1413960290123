import FlattenFiles
import FlattenImage
import Foundation

/// What one of a picture's results is called: the picture's name with an ending.
enum ResultName: Sendable, Hashable {
  /// A file; the ending has its suffix, as in `.logits.npy`.
  case file(String)
  /// A drawing: `.overlay` is a `.overlay.jpg`, or a `.overlay.png` where no JPEG is large enough.
  case drawing(String)
  /// A folder of files, which appears as a whole.
  case folder(String)
}

/// The files of one picture's results.
struct ResultFiles: Sendable {
  /// The common beginning of all paths.
  let stem: String
  private let names: [ResultName]
  /// Path of the main file where the user named it.
  private let given: String?
  /// Whether the picture is too long for a JPEG.
  private var isLong = false

  /// `nil` where the main file goes to standard output.
  init?(of source: PictureSource, _ names: [ResultName], in target: ResultTarget) {
    self.names = names
    switch target {
    case .standardOutput: return nil
    case .folder(let folder):
      stem = "\(folder)/\(source.name)"
      given = nil
    case .file(let path):
      if case .file(let suffix)? = names.first, path.lowercased().hasSuffix(suffix) {
        stem = String(path.dropLast(suffix.count))
      } else {
        stem = path
      }
      given = path
    }
  }

  /// The paths, the main file first.
  var all: [String] { names.map(path) }
  /// The main file: it appears last.
  var main: String { names.first.map(path) ?? stem }
  /// Paths of the drawings.
  var drawings: [String] { names.filter(\.isDrawing).map(path) }
  /// The paths for one size of picture or another, the main file first.
  var possible: [String] { names.flatMap(possible) }
  /// The main file for one size of picture or another.
  var possibleMain: [String] { names.first.map(possible) ?? [] }

  /// The path of one of the results.
  func path(_ name: ResultName) -> String {
    if let given, name == names.first { return given }
    switch name {
    case .file(let ending), .folder(let ending): return stem + ending
    case .drawing(let ending): return stem + ending + (isLong ? ".png" : ".jpg")
    }
  }

  private func possible(_ name: ResultName) -> [String] {
    var (short, long) = (self, self)
    (short.isLong, long.isLong) = (false, true)
    return name.isDrawing ? [short.path(name), long.path(name)] : [path(name)]
  }

  /// Chooses the kind of drawings for a picture.
  mutating func fit(longestSide: Int) { isLong = longestSide > Image.longestJPEGSide }

  /// Whether a path is among what is written of a picture, which is read as far as it must be to tell.
  func holds(_ path: String, of source: PictureSource) -> Bool {
    if names.contains(where: { !$0.isDrawing && self.path($0) == path }) { return true }
    guard possible.contains(path) else { return false }
    // On standard input it could be either; a picture that cannot be read has no results.
    guard !source.isStandardInput, let side = try? Image.longestSide(path: source.path) else {
      return true
    }
    var fitted = self
    fitted.fit(longestSide: side)
    return fitted.drawings.contains(path)
  }

  /// Gives staged results their names, in their order, all or nothing new. Where that fails, no file that was
  /// there before is lost: some may have their new contents.
  ///
  /// - Returns: the paths written, the main file first.
  func commit(_ staged: [any StagedResult]) throws -> [String] {
    let before = Set(all.filter { FileIdentity(path: $0) != nil })
    var written: [String] = []
    do {
      for result in staged {
        try result.commit()
        written.append(result.path)
      }
    } catch {
      for path in written where !before.contains(path) {
        try? FileManager.default.removeItem(atPath: path)
      }
      throw error
    }
    return all
  }
}

extension ResultName {
  fileprivate var isDrawing: Bool { if case .drawing = self { true } else { false } }
}

/// A result that is written, but has no name yet.
protocol StagedResult {
  /// The name that it gets.
  var path: String { get }
  /// Gives it its name.
  func commit() throws
}

extension AtomicFile: StagedResult {}
extension NumpyScoreFile: StagedResult {}
