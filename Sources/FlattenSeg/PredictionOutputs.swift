import FlattenFiles
import FlattenImage
import FlattenTensor
import Foundation

/// What is written for every picture, and where.
public struct PredictionOutputs: Sendable {
  /// Where the masks go.
  public enum Target: Sendable, Hashable {
    /// A folder; results keep the pictures' names.
    case folder(String)
    /// One file, for one picture.
    case file(String)
    /// Standard output, for one picture.
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

  /// The files of one picture.
  struct Files {
    let mask: String
    let overlay: String
    let confidencePicture: String
    let confidenceArray: String
    let logits: String
    let probabilities: String

    init(stem: String, mask: String) {
      self.mask = mask
      overlay = stem + ".overlay.jpg"
      confidencePicture = stem + ".confidence.png"
      confidenceArray = stem + ".confidence.npy"
      logits = stem + ".logits.npy"
      probabilities = stem + ".probs.npy"
    }
  }

  /// The files of a picture; none of them where the mask goes to standard output.
  func files(for source: PictureSource) -> Files? {
    switch target {
    case .standardOutput: nil
    case .folder(let folder):
      Files(stem: "\(folder)/\(source.name)", mask: "\(folder)/\(source.name).png")
    case .file(let path):
      Files(
        stem: path.lowercased().hasSuffix(".png") ? String(path.dropLast(4)) : path, mask: path)
    }
  }

  /// What is written of a picture, the mask first.
  func paths(_ files: Files) -> [String] {
    var paths = [files.mask]
    if hasLogits { paths.append(files.logits) }
    if hasProbabilities { paths.append(files.probabilities) }
    if hasConfidence { paths += [files.confidencePicture, files.confidenceArray] }
    if overlayOpacity != nil { paths.append(files.overlay) }
    return paths
  }

  /// Refuses what would lose data or could not be written, before anything is computed.
  ///
  /// - Throws: `FileError` of kind `.unwritable` where two results share a name, a result would
  ///   replace one of the pictures, or the target cannot be written to.
  public func check(_ sources: [PictureSource]) throws {
    try target.requireWritable()
    let pictures = Set(
      sources.compactMap { $0.isStandardInput ? nil : FileIdentity(path: $0.path) })
    var writers: [[UInt8]: PictureSource] = [:]
    for source in sources {
      guard let files = files(for: source) else { continue }
      for path in paths(files) {
        if let other = writers.updateValue(source, forKey: Array(path.utf8)) {
          throw FileError(
            path: path, kind: .unwritable,
            reason: "would hold the result of both '\(printable(other.path))' and "
              + "'\(printable(source.path))'. Predict them into different folders")
        }
        if let identity = FileIdentity(path: path), pictures.contains(identity) {
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

/// A picture's segmentation on its way to the disk.
struct PredictedPicture: Sendable {
  let image: Image
  let segmentation: Segmentation
  let scoreFiles: [NumpyScoreFile]
  let seconds: Double
  let warnings: [String]
}

extension PredictionOutputs {
  /// Opens the score files of a picture, so that the scores go to the disk as they are made.
  func scoreFiles(
    _ files: Files, classes: Int, size: PixelSize
  ) throws -> [(PixelScores.Kind, NumpyScoreFile)] {
    var result: [(PixelScores.Kind, NumpyScoreFile)] = []
    if hasLogits {
      result.append(
        (
          .logits,
          try NumpyScoreFile(
            path: files.logits, classes: classes, height: size.height, width: size.width)
        ))
    }
    if hasProbabilities {
      result.append(
        (
          .probabilities,
          try NumpyScoreFile(
            path: files.probabilities, classes: classes, height: size.height, width: size.width)
        ))
    }
    return result
  }

  /// Makes the folder that a picture's files go to.
  func makeFolder(for files: Files) throws {
    try target.makeFolder(for: files.mask)
  }

  /// Writes everything of one picture, or nothing; the mask appears last, so that a mask means the
  /// rest is there.
  ///
  /// - Returns: the paths written, the mask first.
  func write(_ picture: PredictedPicture, _ files: Files?) throws -> [String] {
    let segmentation = picture.segmentation
    let format = segmentation.maskFormat
    guard let files else {
      try writeStandardOutput(try segmentation.labels.encoded(as: format))
      return []
    }
    var staged: [AtomicFile] = []
    if hasConfidence, let map = segmentation.confidenceMap, let values = segmentation.confidence {
      staged.append(
        try AtomicFile(
          path: files.confidencePicture,
          holding: try map.encoded(as: .grey8, name: files.confidencePicture)))
      staged.append(
        try NumpyFile.staged(
          values, shape: [segmentation.labels.height, segmentation.labels.width],
          path: files.confidenceArray))
    }
    if let opacity = overlayOpacity {
      let overlay = segmentation.overlay(
        on: picture.image, opacity: opacity, withLegend: hasLegend)
      staged.append(
        try AtomicFile(
          path: files.overlay, holding: try overlay.encodedAsJPEG(name: files.overlay)))
    }
    staged.append(
      try AtomicFile(
        path: files.mask,
        holding: try segmentation.labels.encoded(as: format, name: files.mask)))

    var written: [String] = []
    do {
      for file in picture.scoreFiles {
        try file.commit()
        written.append(file.path)
      }
      for file in staged {
        try file.commit()
        written.append(file.path)
      }
    } catch {
      for path in written { try? FileManager.default.removeItem(atPath: path) }
      throw error
    }
    return paths(files)
  }
}

/// Writes bytes to standard output. A reader that left is no error.
func writeStandardOutput(_ bytes: [UInt8]) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let wrote = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    if wrote > 0 {
      rest = rest.dropFirst(wrote)
    } else if errno != EINTR {
      if errno == EPIPE { return }
      throw FileError(path: "standard output", kind: .unwritable, errno: errno)
    }
  }
}
