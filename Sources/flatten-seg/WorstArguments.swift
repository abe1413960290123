import ArgumentParser
import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenVision

/// Drawings of the pictures in which a detector is most often wrong.
struct WorstArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Draw the pictures of a data set with the most missed objects (red) and false finds (yellow), at most so many; \
      what was found is green.
      """, valueName: "count"))
  var worst: Int?

  @Option(
    help: ArgumentHelp(
      "The folder of these drawings and their list, worst.csv; default: worst.",
      valueName: "folder"), completion: .directory)
  var worstTo: String?

  @Option(
    help: ArgumentHelp(
      "What has no higher score counts neither as found nor as false there; default: as in 'detect'.",
      valueName: "number"))
  var worstScore: Double?

  private var folder: String {
    var path = worstTo ?? "worst"
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  func validate() throws {
    if let worst, worst < 1 { throw ValidationError("--worst is \(worst), at least 1 is wanted.") }
    if worst == nil && (worstTo != nil || worstScore != nil) {
      throw ValidationError("--worst-to and --worst-score belong to --worst.")
    }
    if let worstScore, !(0...1).contains(worstScore) {
      throw ValidationError("--worst-score is \(worstScore), a number from 0 to 1 is wanted.")
    }
  }

  /// Refuses a folder that cannot be written, before anything is computed.
  func checkFolder(overwrite: Bool) throws {
    if worst == nil { return }
    if let worstTo { try ResultPath.requireFolderName(worstTo) }
    // What is dropped without a commit leaves nothing behind.
    try WorstPictures.requireWritable(folder)
    if FileIdentity(path: folder) != nil && !overwrite {
      throw ExistingResultError(path: folder, canBeKept: false)
    }
  }

  /// Draws what was asked for; a picture that cannot be drawn is told, and the others are drawn.
  ///
  /// - Parameters:
  ///   - isBuiltIn: whether the scores are those of the built-in model.
  ///   - results: the detections of a picture, perhaps among those of others.
  func write(
    _ report: DetectionReport, _ annotations: COCOAnnotations, images: String,
    _ decoding: DecodingArguments, isBuiltIn: Bool,
    results: (_ picture: Int, _ image: Image, _ masks: Bool) throws -> COCOResults
  ) throws {
    guard let worst, let evaluation = report.evaluations.first else { return }
    var pictures = WorstPictures(
      folder: folder, count: worst, score: worstScore ?? ObjectOptions.shownScore(isBuiltIn))
    pictures.limits = decoding.limits
    pictures.exif = decoding.exif
    var isIncomplete = false
    try pictures.write(
      evaluation, annotations, images: images,
      results: { try results($0, $1, evaluation.settings.kind == .segm) },
      onFailure: { error in
        Output.error("error: \(ErrorTexts.text(of: error))")
        isIncomplete = true
      })
    if isIncomplete { throw ExitStatus.partial }
  }
}
