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

  /// Whether anything beside the mask is asked for.
  var hasExtras: Bool { overlayOpacity != nil || hasConfidence || hasLogits || hasProbabilities }
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
    guard let slash = files.mask.lastIndex(of: "/"), slash != files.mask.startIndex else { return }
    let folder = String(files.mask[..<slash])
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: folder, kind: .unwritable, reason: "cannot make this folder")
    }
  }

  /// Writes everything of one picture; the mask last, so that a mask means the rest is there.
  ///
  /// - Returns: the paths written, the mask first.
  func write(_ picture: PredictedPicture, _ files: Files?) throws -> [String] {
    let segmentation = picture.segmentation
    let format: LabelFormat =
      segmentation.classes.count <= 256 ? .palette8(segmentation.palette) : .grey16
    guard let files else {
      FileHandle.standardOutput.write(Data(try segmentation.labels.encoded(as: format)))
      return []
    }
    var written: [String] = []
    for file in picture.scoreFiles { try file.commit() }
    if hasLogits { written.append(files.logits) }
    if hasProbabilities { written.append(files.probabilities) }
    if hasConfidence, let map = segmentation.confidenceMap, let values = segmentation.confidence {
      try map.write(to: files.confidencePicture, as: .grey8)
      try NumpyFile.write(
        values, shape: [segmentation.labels.height, segmentation.labels.width],
        to: files.confidenceArray)
      written += [files.confidencePicture, files.confidenceArray]
    }
    if let opacity = overlayOpacity {
      try segmentation.overlay(on: picture.image, opacity: opacity, withLegend: hasLegend)
        .writeJPEG(to: files.overlay)
      written.append(files.overlay)
    }
    try segmentation.labels.write(to: files.mask, as: format)
    return [files.mask] + written
  }
}
