import FlattenFiles
import FlattenImage
import FlattenRegions
import Foundation

/// What is written for every picture, and where.
public struct PredictionOutputs: Sendable {
  /// Where the masks go.
  public enum Target: Sendable, Hashable {
    /// A folder; results keep the pictures' names.
    case folder(String)
    /// One file, for one picture.
    case file(String)
    /// Standard output, for one picture; ``ReaderLeftError`` where nobody reads it any more.
    case standardOutput

    /// What a path on the command line means: `-` is standard output, a name with one of some suffixes a
    /// file unless there is a folder of that name, anything else a folder.
    package init(path: String, suffixes: [String] = [".png"]) {
      var isDirectory: ObjCBool = false
      let isFolder =
        path.hasSuffix("/")
        || FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
          && isDirectory.boolValue
      if path == "-" {
        self = .standardOutput
      } else if !isFolder && suffixes.contains(where: path.lowercased().hasSuffix) {
        self = .file(path)
      } else {
        self = .folder(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
      }
    }

    /// Refuses a target that cannot be written to, before anything is computed.
    ///
    /// - Throws: `FileError` of kind `.unwritable`.
    func requireWritable() throws {
      switch self {
      case .standardOutput: return
      case .file(let path): try AtomicFile.requireWritable(path)
      case .folder(let path): try AtomicFile.requireWritableFolder(path)
      }
    }
  }

  /// What to do where a mask exists already.
  public enum Existing: Sendable { case refuse, skip, replace }

  /// Where the masks go.
  public var target: Target
  /// What to do where a mask exists already.
  public var existing = Existing.refuse
  /// Opacity of the overlay; `nil` writes none.
  public var overlayOpacity: Double?
  /// Where overlays have their colours from.
  public enum OverlayColours: Sendable {
    /// From the classes, as the mask.
    case classes
    /// From `Palette.distinct(count:)`, whatever the data set's are.
    case distinct
  }

  /// Where overlays have their colours from.
  public var overlayColours = OverlayColours.classes
  /// Whether overlays have a legend.
  public var hasLegend = true
  /// Whether the winner's probability is written, as a grey PNG and as a float array.
  public var hasConfidence = false
  /// Whether the scores before the softmax are written, `[classes, height, width]`.
  public var hasLogits = false
  /// Whether the probabilities are written, `[classes, height, width]`.
  public var hasProbabilities = false

  /// Masks only.
  public init(target: Target) { self.target = target }

  /// The colours of overlays; `nil` for the classes' own.
  func overlayPalette(classes: Int) -> Palette? {
    overlayColours == .distinct ? .distinct(count: classes) : nil
  }

  /// Whether scores of all classes are written.
  var hasScoreFiles: Bool { hasLogits || hasProbabilities }

  /// The bytes that making the files of a picture takes, one after the other.
  func memoryNeed(of size: PixelSize) -> Int {
    // An overlay twice, without and with its legend, and compressed; ids and samples of a map.
    size.area * (overlayOpacity != nil ? 10 : hasConfidence ? 5 : 3)
  }

  /// Refuses what would lose data or could not be written, before anything is computed.
  ///
  /// - Throws: `FileError` of kind `.unwritable` where two results share a name, a result would
  ///   replace one of the pictures, or the target cannot be written to.
  public func check(_ sources: [PictureSource]) throws {
    try target.requireWritable()
    let pictures = Set(
      sources.compactMap { $0.isStandardInput ? nil : FileIdentity(path: $0.path) })
    var writers: [[UInt8]: [(source: PictureSource, files: ResultFiles)]] = [:]
    for source in sources {
      guard let files = ResultFiles(of: source, self) else { continue }
      // Which overlay it is depends on the picture's size, which is asked for where it matters.
      for path in files.possible {
        let others = writers[Array(path.utf8), default: []]
        writers[Array(path.utf8), default: []].append((source, files))
        if let other = others.first(where: { $0.files.holds(path, of: $0.source) })?.source,
          files.holds(path, of: source)
        {
          throw FileError(
            path: path, kind: .unwritable,
            reason: "would hold the result of both '\(printable(other.path))' and "
              + "'\(printable(source.path))'. Predict them into different folders")
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
}

extension PredictionOutputs.Target {
  /// Makes the folder that a file goes to, where the target is a folder.
  func makeFolder(for path: String) throws {
    guard case .folder = self, let slash = path.lastIndex(of: "/"), slash != path.startIndex
    else { return }
    let folder = String(path[..<slash])
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: folder, kind: .unwritable, reason: "cannot make this folder")
    }
  }
}

/// Writes bytes to standard output.
///
/// - Throws: ``ReaderLeftError``, or `FileError` of kind `.unwritable`.
func writeStandardOutput(_ bytes: [UInt8]) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let wrote = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    if wrote > 0 {
      rest = rest.dropFirst(wrote)
    } else if errno != EINTR {
      if errno == EPIPE { throw ReaderLeftError() }
      throw FileError(path: "standard output", kind: .unwritable, errno: errno)
    }
  }
}
