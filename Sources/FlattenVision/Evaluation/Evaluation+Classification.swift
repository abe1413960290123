import FlattenData
import FlattenImage
import FlattenMetrics

extension Evaluation {
  /// Classifies every picture of class folders and counts what was right; reading and computing overlap.
  ///
  /// - Parameters:
  ///   - classifier: what is scored.
  ///   - folders: pictures, a folder a class.
  ///   - limit: how many pictures, in the data set's order; `nil` for all.
  ///   - limits: larger pictures are refused.
  ///   - exif: what is done with EXIF orientations.
  ///   - shouldStop: asked before each picture; those under way are finished.
  ///   - onWarning: what the decoders let pass.
  ///   - onProgress: called after every picture.
  /// - Throws: the first error; an evaluation of some pictures would not be one.
  public static func run(
    _ classifier: Classifier, on folders: ClassFolders, limit: Int? = nil,
    limits: DecodingLimits = DecodingLimits(), exif: ExifOrientation = .apply,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    onWarning: @escaping @Sendable (String) -> Void = { _ in },
    onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) throws -> ClassificationReport {
    try tally(
      folders.items, limit,
      into: ClassificationReport(
        classes: folders.list.classes.map { ($0.identifier, $0.name) }),
      shouldStop: shouldStop, onProgress: onProgress,
      read: { item in
        let decoded = try Image.decode(path: item.path, limits: limits, exif: exif)
        decoded.warnings.forEach(onWarning)
        return decoded.value
      },
      compute: { item, picture in try classifier.classify(picture).rank(of: item.classIndex) },
      add: { report, item, rank in report.add(truth: item.classIndex, rank: rank) }
    ).total
  }
}
