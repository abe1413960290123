import FlattenFiles
import FlattenImage
import FlattenRegions
import FlattenTensor
import Foundation

/// The files of one picture's results.
struct ResultFiles: Sendable {
  let mask: String
  /// What is written, the mask first.
  let all: [String]
  let overlay: String
  let confidencePicture: String
  let confidenceArray: String
  let logits: String
  let probabilities: String

  /// `nil` where the mask goes to standard output.
  init?(of source: PictureSource, _ outputs: PredictionOutputs) {
    let stem: String
    switch outputs.target {
    case .standardOutput: return nil
    case .folder(let folder):
      stem = "\(folder)/\(source.name)"
      mask = "\(stem).png"
    case .file(let path):
      stem = path.lowercased().hasSuffix(".png") ? String(path.dropLast(4)) : path
      mask = path
    }
    overlay = stem + ".overlay.jpg"
    confidencePicture = stem + ".confidence.png"
    confidenceArray = stem + ".confidence.npy"
    logits = stem + ".logits.npy"
    probabilities = stem + ".probs.npy"
    all =
      [mask] + (outputs.hasLogits ? [logits] : [])
      + (outputs.hasProbabilities ? [probabilities] : [])
      + (outputs.hasConfidence ? [confidencePicture, confidenceArray] : [])
      + (outputs.overlayOpacity != nil ? [overlay] : [])
  }
}

extension PredictionOutputs {
  /// What is to be done for a picture, before it is read.
  ///
  /// - Throws: ``ExistingResultError`` where a result must not be replaced.
  func plan(for source: PictureSource) throws -> PicturePlan {
    guard let files = ResultFiles(of: source, self) else { return .make(ResultWriter(self, nil)) }
    switch existing {
    case .skip where FileIdentity(path: files.mask) != nil: return .keep(mask: files.mask)
    case .refuse:
      if let path = files.all.first(where: { FileIdentity(path: $0) != nil }) {
        throw ExistingResultError(path: path, canBeKept: true)
      }
    case .skip, .replace: break
    }
    return .make(ResultWriter(self, files))
  }
}

/// What is to be done for a picture.
enum PicturePlan: Sendable {
  /// Nothing: its mask exists.
  case keep(mask: String)
  /// Its results are made and written.
  case make(ResultWriter)
}

/// Writes one picture's results: ``open(classes:size:)`` before it is segmented, then ``finish(_:of:)``.
struct ResultWriter: Sendable {
  private let outputs: PredictionOutputs
  /// None where the mask goes to standard output.
  private let files: ResultFiles?
  /// Those that are written while the scores are made.
  private var scoreFiles: [(kind: PixelScores.Kind, file: NumpyScoreFile)] = []

  init(_ outputs: PredictionOutputs, _ files: ResultFiles?) {
    self.outputs = outputs
    self.files = files
  }

  /// What the results need beside the labels, over what the caller wants.
  func options(_ options: Segmenter.Options) -> Segmenter.Options {
    var options = options
    options.keepsConfidence = options.keepsConfidence || outputs.hasConfidence
    return options
  }

  /// Who receives the scores as they are made.
  var sinks: [(PixelScores.Kind, PixelScores.Sink)] {
    scoreFiles.map { kind, file in (kind, { file.write(firstRow: $0, rows: $1, $2) }) }
  }

  /// Makes the folder that the files go to, and begins those that take the scores.
  ///
  /// - Parameter size: of the picture.
  mutating func open(classes: Int, size: PixelSize) throws {
    guard let files else { return }
    try outputs.target.makeFolder(for: files.mask)
    let wanted: [(PixelScores.Kind, String, Bool)] = [
      (.logits, files.logits, outputs.hasLogits),
      (.probabilities, files.probabilities, outputs.hasProbabilities),
    ]
    scoreFiles = try wanted.filter(\.2).map { kind, path, _ in
      (
        kind,
        try NumpyScoreFile(path: path, classes: classes, height: size.height, width: size.width)
      )
    }
  }

  /// Writes everything of the picture, or nothing new; the mask appears last, so that a mask means the rest
  /// is there. Where writing fails, no file that was there before is lost: some may have their new contents.
  ///
  /// - Returns: the paths written, the mask first.
  func finish(_ segmentation: Segmentation, of picture: Image) throws -> [String] {
    guard let files else {
      try writeStandardOutput(try segmentation.labels.encoded(as: segmentation.maskFormat))
      return []
    }
    let staged = try stage(segmentation, of: picture, files)
    let before = Set(files.all.filter { FileIdentity(path: $0) != nil })
    var written: [String] = []
    do {
      for (_, file) in scoreFiles {
        try file.commit()
        written.append(file.path)
      }
      for file in staged {
        try file.commit()
        written.append(file.path)
      }
    } catch {
      for path in written where !before.contains(path) {
        try? FileManager.default.removeItem(atPath: path)
      }
      throw error
    }
    return files.all
  }

  /// Writes what is made of the whole segmentation beside its final names, the mask last.
  private func stage(
    _ segmentation: Segmentation, of picture: Image, _ files: ResultFiles
  ) throws -> [AtomicFile] {
    var staged: [AtomicFile] = []
    if outputs.hasConfidence, let map = segmentation.confidenceMap,
      let values = segmentation.confidence
    {
      staged.append(
        try AtomicFile(
          path: files.confidencePicture,
          holding: try map.encoded(as: .grey8, name: files.confidencePicture)))
      staged.append(
        try NumpyFile.staged(
          values, shape: [segmentation.labels.height, segmentation.labels.width],
          path: files.confidenceArray))
    }
    if let opacity = outputs.overlayOpacity {
      let overlay = segmentation.overlay(
        on: picture, opacity: opacity, withLegend: outputs.hasLegend)
      staged.append(
        try AtomicFile(
          path: files.overlay, holding: try overlay.encodedAsJPEG(name: files.overlay)))
    }
    staged.append(
      try AtomicFile(
        path: files.mask,
        holding: try segmentation.labels.encoded(as: segmentation.maskFormat, name: files.mask)))
    return staged
  }
}
