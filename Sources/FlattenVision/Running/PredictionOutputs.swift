import FlattenFiles
import FlattenImage
import FlattenRegions
import FlattenTensor

/// What is written of every picture that is segmented, and where.
public struct PredictionOutputs: Sendable {
  /// Where the masks go.
  public var target: ResultTarget
  /// What to do where a mask exists already.
  public var existing = ExistingResults.refuse
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
  public init(target: ResultTarget) { self.target = target }

  /// Refuses what would lose data or could not be written, before anything is computed.
  ///
  /// - Throws: `FileError` of kind `.unwritable` where two results share a name, a result would
  ///   replace one of the pictures, or the target cannot be written to.
  public func check(_ sources: [PictureSource]) throws { try layout.check(sources) }

  /// The files of a picture, the mask first.
  var layout: ResultLayout {
    let names: [(ResultName, Bool)] = [
      (.mask, true), (.logits, hasLogits), (.probabilities, hasProbabilities),
      (.confidencePicture, hasConfidence), (.confidenceArray, hasConfidence),
      (.overlay, overlayOpacity != nil),
    ]
    return ResultLayout(
      target: target, existing: existing, names: names.filter(\.1).map(\.0))
  }

  /// Whether scores of all classes are written.
  var hasScoreFiles: Bool { hasLogits || hasProbabilities }

  /// The bytes that making the files of a picture takes, one after the other.
  func memoryNeed(of size: PixelSize) -> Int {
    // An overlay twice, without and with its legend, and compressed; ids and samples of a map.
    size.area * (overlayOpacity != nil ? 10 : hasConfidence ? 5 : 3)
  }
}

extension ResultName {
  static let mask = ResultName.file(".png")
  static let logits = ResultName.file(".logits.npy")
  static let probabilities = ResultName.file(".probs.npy")
  static let confidencePicture = ResultName.file(".confidence.png")
  static let confidenceArray = ResultName.file(".confidence.npy")
  static let overlay = ResultName.drawing(".overlay")
}

/// Scores of one kind, on their way to their file.
struct ScoreFile: Sendable {
  let kind: PixelScores.Kind
  let file: NumpyScoreFile

  /// What receives the scores as they are made.
  var sink: (PixelScores.Kind, PixelScores.Sink) {
    (kind, { [file] in file.write(firstRow: $0, rows: $1, $2) })
  }
}

extension PredictionOutputs {
  /// Begins the files that take the scores.
  ///
  /// - Parameters:
  ///   - scores: of the network, a pixel.
  ///   - size: of the picture.
  func scoreFiles(_ files: ResultFiles, scores: Int, size: PixelSize) throws -> [ScoreFile] {
    let wanted: [(PixelScores.Kind, ResultName, Bool)] = [
      (.logits, .logits, hasLogits), (.probabilities, .probabilities, hasProbabilities),
    ]
    return try wanted.filter(\.2).map { kind, name, _ in
      ScoreFile(
        kind: kind,
        // One score a pixel decides between two labels.
        file: try NumpyScoreFile(
          path: files.path(name), classes: kind == .logits ? scores : max(scores, 2),
          height: size.height, width: size.width))
    }
  }

  /// Writes what is made of a whole segmentation beside its final names, the mask last.
  ///
  /// - Parameter onNote: called with what is worth telling.
  func stage(
    _ segmentation: Segmentation, of picture: Image, _ files: ResultFiles,
    onNote: (OverlayNote) -> Void
  ) throws -> [any StagedResult] {
    var staged: [AtomicFile] = []
    if hasConfidence, let map = segmentation.confidenceMap, let values = segmentation.confidence {
      let path = files.path(.confidencePicture)
      staged.append(
        try AtomicFile(path: path, holding: try map.encoded(as: .grey8, name: path)))
      staged.append(
        try NumpyFile.staged(
          values, shape: [segmentation.labels.height, segmentation.labels.width],
          path: files.path(.confidenceArray)))
    }
    if let opacity = overlayOpacity {
      let path = files.path(.overlay)
      staged.append(
        try AtomicFile(
          path: path,
          holding: try overlay(segmentation, of: picture, opacity, name: path, onNote)))
    }
    staged.append(
      try AtomicFile(
        path: files.main,
        holding: try segmentation.labels.encoded(as: segmentation.maskFormat, name: files.main)))
    return staged
  }

  /// The overlay, as JPEG or, of a picture that is too long, as PNG.
  private func overlay(
    _ segmentation: Segmentation, of picture: Image, _ opacity: Double, name: String,
    _ onNote: (OverlayNote) -> Void
  ) throws -> [UInt8] {
    let isPNG = max(picture.height, picture.width) > Image.longestJPEGSide
    let overlay = segmentation.overlay(
      on: picture, opacity: opacity, withLegend: hasLegend,
      palette: overlayColours == .distinct
        ? .distinct(count: segmentation.classes.count) : nil,
      longestSide: isPNG ? .max : Image.longestJPEGSide)
    if isPNG {
      onNote(.isPNG)
      return try overlay.encodedAsPNG(name: name)
    }
    if hasLegend && overlay.height == picture.height { onNote(.lacksLegend) }
    return try overlay.encodedAsJPEG(name: name)
  }
}

/// What is worth telling of an overlay.
enum OverlayNote: String, Sendable {
  /// It is a PNG.
  case isPNG
  /// There was no room for the legend.
  case lacksLegend
  /// There was no room for the names of some objects.
  case lacksNames

  /// One sentence, to follow a picture's name.
  var text: String {
    let most = Image.longestJPEGSide
    return switch self {
    case .isPNG: "no JPEG has more than \(most) pixels a side: such overlays are PNG files"
    case .lacksLegend:
      "no JPEG has more than \(most) rows: the legend that would take it there is left out"
    case .lacksNames: "there are more objects than there is room for names: some are left out"
    }
  }
}
