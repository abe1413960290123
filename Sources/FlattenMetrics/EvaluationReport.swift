/// An error of reporting scores, with the remedy.
public enum MetricsError: Error, CustomStringConvertible, Sendable, Equatable {
  /// No pixel carries a class.
  case nothingToScore(pictures: Int)
  /// The class names do not match the matrix.
  case classNames(got: Int, expected: Int)

  /// One sentence that ends in what to do.
  public var description: String {
    switch self {
    case .nothingToScore(let pictures):
      "none of the \(pictures) pictures has a labelled pixel, so there is nothing to score. "
        + "Check the label folder, the ignore index and reduce_zero_label."
    case .classNames(let got, let expected):
      "\(got) class names for \(expected) classes. Give one name a class."
    }
  }
}

/// The outcome of an evaluation, ready to be written in any format.
///
/// Percentages everywhere: two decimals where people read, full digits in JSON and CSV.
public struct EvaluationReport: ScoreReport {
  /// Class names in id order.
  public let classNames: [String]
  /// The pixel counts.
  public let matrix: ConfusionMatrix
  /// The scores of ``matrix``.
  public let scores: SegmentationScores
  /// Number of pictures scored.
  public let pictures: Int

  /// Makes a report.
  ///
  /// - Throws: ``MetricsError``; a set without a labelled pixel has no scores.
  public init(
    matrix: ConfusionMatrix, classNames: [String], pictures: Int, beta: Double = 1,
    nanReplacement: Double? = nil
  ) throws {
    guard classNames.count == matrix.classes else {
      throw MetricsError.classNames(got: classNames.count, expected: matrix.classes)
    }
    guard matrix.pixels > 0 else { throw MetricsError.nothingToScore(pictures: pictures) }
    self.matrix = matrix
    self.classNames = classNames
    self.pictures = pictures
    scores = SegmentationScores(matrix, beta: beta, nanReplacement: nanReplacement)
  }

  /// The name of ``SegmentationScores/aAcc``.
  static let overallName = "aAcc"
  /// The metrics whose means have names: those of mmsegmentation's `IoUMetric`.
  private static let judged: [SegmentationMetric] = [.iou, .accuracy, .dice, .fscore]

  /// `aAcc`, then means over classes: `mIoU`, `mAcc`, `mDice`, `mFscore`.
  public static var figureNames: [String] { [overallName] + judged.map(\.meanName) }

  /// One of ``figureNames``, 0 to 1; `nil` for other names.
  public func figure(_ name: String) -> Double? {
    if name == Self.overallName { return scores.aAcc }
    return Self.judged.first { $0.meanName == name }.map(scores.mean)
  }

  /// `value` as a percentage for files: all digits, NaN stays NaN.
  func percent(_ value: Double) -> Double { value * 100 }

  /// The columns of class `index`, in the order of ``SegmentationMetric``.
  func row(_ index: Int) -> [Double] {
    SegmentationMetric.allCases.map { scores[$0][index] }
  }

  /// The row of means.
  var means: [Double] { SegmentationMetric.allCases.map(scores.mean) }

  /// One line: pictures, pixels and the rules of scoring.
  var footing: String {
    var text = "\(pictures) pictures, \(matrix.pixels) labelled pixels. "
    text += SegmentationScores.convention
    if scores.beta != 1 { text += "; F-score with beta \(scores.beta)" }
    if let value = scores.nanReplacement { text += "; nan replaced by \(value)" }
    return text + "."
  }
}
