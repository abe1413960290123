import FlattenFiles
import FlattenImage
import FlattenRegions
import FlattenTensor
import Foundation

/// The files of one picture's results.
struct ResultFiles: Sendable {
  let mask: String
  /// A JPEG, or a PNG once ``fit(longestSide:)`` was told of a picture that no JPEG can hold.
  private(set) var overlay: String
  let confidencePicture: String
  let confidenceArray: String
  let logits: String
  let probabilities: String
  /// What the overlay is called in the two cases.
  private let overlays: (jpeg: String, png: String)
  private let hasOverlay: Bool
  /// All but the overlay, the mask first.
  private let others: [String]

  /// What is written, the mask first.
  var all: [String] { others + (hasOverlay ? [overlay] : []) }
  /// What is written of one size of picture or another, the mask first.
  var possible: [String] { others + (hasOverlay ? [overlays.jpeg, overlays.png] : []) }

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
    overlays = (stem + ".overlay.jpg", stem + ".overlay.png")
    overlay = overlays.jpeg
    hasOverlay = outputs.overlayOpacity != nil
    confidencePicture = stem + ".confidence.png"
    confidenceArray = stem + ".confidence.npy"
    logits = stem + ".logits.npy"
    probabilities = stem + ".probs.npy"
    others =
      [mask] + (outputs.hasLogits ? [logits] : [])
      + (outputs.hasProbabilities ? [probabilities] : [])
      + (outputs.hasConfidence ? [confidencePicture, confidenceArray] : [])
  }

  /// Chooses the kind of overlay for a picture.
  ///
  /// - Returns: whether it is a PNG.
  @discardableResult
  mutating func fit(longestSide: Int) -> Bool {
    let isLong = longestSide > Image.longestJPEGSide
    overlay = isLong ? overlays.png : overlays.jpeg
    return isLong
  }

  /// Whether a path is among what is written of a picture, which is read as far as it must be to tell.
  func holds(_ path: String, of source: PictureSource) -> Bool {
    guard hasOverlay, [overlays.jpeg, overlays.png].contains(path), !others.contains(path)
    else { return others.contains(path) }
    // On standard input it could be either; a picture that cannot be read has no results.
    guard !source.isStandardInput, let side = try? Image.longestSide(path: source.path) else {
      return true
    }
    var fitted = self
    fitted.fit(longestSide: side)
    return fitted.overlay == path
  }
}

/// What is worth telling of an overlay.
enum OverlayNote: Hashable, Sendable {
  /// It is a PNG.
  case isPNG
  /// There was no room for the legend.
  case lacksLegend

  /// One line about the first picture of a batch that it is told of.
  func text(of source: PictureSource) -> String {
    let most = Image.longestJPEGSide
    return printable(source.path, limit: 200)
      + (self == .isPNG
        ? ": no JPEG has more than \(most) pixels a side: such overlays are PNG files"
        : ": no JPEG has more than \(most) rows: the legend that would take it there is left out")
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
      if let path = files.possible.first(where: {
        FileIdentity(path: $0) != nil && files.holds($0, of: source)
      }) {
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

/// Writes one picture's results: ``open(scores:size:)`` before it is segmented, then ``finish(_:of:)``.
struct ResultWriter: Sendable {
  private let outputs: PredictionOutputs
  /// None where the mask goes to standard output.
  private var files: ResultFiles?
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
  /// - Parameters:
  ///   - scores: of the network, a pixel.
  ///   - size: of the picture.
  mutating func open(scores: Int, size: PixelSize) throws {
    guard var files else { return }
    files.fit(longestSide: max(size.height, size.width))
    self.files = files
    if outputs.existing == .refuse, files.all.contains(files.overlay),
      FileIdentity(path: files.overlay) != nil
    {
      throw ExistingResultError(path: files.overlay, canBeKept: true)
    }
    try outputs.target.makeFolder(for: files.mask)
    let wanted: [(PixelScores.Kind, String, Bool)] = [
      (.logits, files.logits, outputs.hasLogits),
      (.probabilities, files.probabilities, outputs.hasProbabilities),
    ]
    scoreFiles = try wanted.filter(\.2).map { kind, path, _ in
      (
        kind,
        // One score a pixel decides between two labels.
        try NumpyScoreFile(
          path: path, classes: kind == .logits ? scores : max(scores, 2), height: size.height,
          width: size.width)
      )
    }
  }

  /// Writes everything of the picture, or nothing new; the mask appears last, so that a mask means the rest
  /// is there. Where writing fails, no file that was there before is lost: some may have their new contents.
  ///
  /// - Parameter onNote: called with what is worth telling.
  /// - Returns: the paths written, the mask first.
  func finish(
    _ segmentation: Segmentation, of picture: Image, onNote: (OverlayNote) -> Void = { _ in }
  ) throws -> [String] {
    guard let files else {
      try writeStandardOutput(try segmentation.labels.encoded(as: segmentation.maskFormat))
      return []
    }
    let staged = try stage(segmentation, of: picture, files, onNote)
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
    _ segmentation: Segmentation, of picture: Image, _ files: ResultFiles,
    _ onNote: (OverlayNote) -> Void
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
      staged.append(
        try AtomicFile(
          path: files.overlay,
          holding: try overlay(segmentation, of: picture, opacity, files, onNote)))
    }
    staged.append(
      try AtomicFile(
        path: files.mask,
        holding: try segmentation.labels.encoded(as: segmentation.maskFormat, name: files.mask)))
    return staged
  }

  /// The overlay, as JPEG or PNG.
  private func overlay(
    _ segmentation: Segmentation, of picture: Image, _ opacity: Double, _ files: ResultFiles,
    _ onNote: (OverlayNote) -> Void
  ) throws -> [UInt8] {
    var fitted = files
    let isPNG = fitted.fit(longestSide: max(picture.height, picture.width))
    let overlay = segmentation.overlay(
      on: picture, opacity: opacity, withLegend: outputs.hasLegend,
      palette: outputs.overlayPalette(classes: segmentation.classes.count),
      longestSide: isPNG ? .max : Image.longestJPEGSide)
    if isPNG {
      onNote(.isPNG)
      return try overlay.encodedAsPNG(name: files.overlay)
    }
    if outputs.hasLegend && overlay.height == picture.height { onNote(.lacksLegend) }
    return try overlay.encodedAsJPEG(name: files.overlay)
  }
}
