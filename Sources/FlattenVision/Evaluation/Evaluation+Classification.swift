import FlattenData
import FlattenImage
import FlattenMetrics
import FlattenRegions

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
    let gate = MemoryGate(over: classifier.loaded.memory)
    return try tally(
      folders.items, limit,
      into: ClassificationReport(
        classes: folders.list.classes.map { ($0.identifier, $0.name) }),
      shouldStop: shouldStop, onProgress: onProgress,
      read: { item in
        let admitted = try naming(item.path) {
          try gate.decode(
            EncodedPicture(path: item.path, limits: limits, exif: exif),
            need: { try classifier.memoryNeed(for: $0) })
        }
        admitted.decoded.warnings.forEach(onWarning)
        return admitted
      },
      compute: { item, admitted in
        try naming(item.path) {
          try classifier.classify(admitted.decoded.value).rank(of: item.classIndex)
        }
      },
      add: { report, item, rank in report.add(truth: item.classIndex, rank: rank) }
    ).total
  }
}
