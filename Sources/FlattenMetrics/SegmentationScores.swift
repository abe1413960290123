/// The metrics of a class. The raw value is the name in tables and files.
public enum SegmentationMetric: String, Sendable, CaseIterable {
  /// Intersection over union: TP / (TP + FP + FN).
  case iou = "IoU"
  /// Accuracy of the class, TP / (TP + FN): equal to recall.
  case accuracy = "Acc"
  /// Dice coefficient: 2 TP / (2 TP + FP + FN).
  case dice = "Dice"
  /// F-score: (1 + beta^2) P R / (beta^2 P + R) of precision P and recall R.
  case fscore = "Fscore"
  /// Precision: TP / (TP + FP).
  case precision = "Precision"
  /// Recall: TP / (TP + FN).
  case recall = "Recall"

  /// The name of the mean over classes: `mIoU`, `mAcc`, ...
  public var meanName: String { "m" + rawValue }
}

/// The scores of a confusion matrix by the rules of mmsegmentation's `IoUMetric`
/// (`iou_metric.py`, `total_area_to_metrics`), in double precision.
///
/// A quotient 0/0 is NaN and leaves the mean: the IoU of a class that occurs neither in labels nor in
/// predictions, the accuracy of a class without labels, the F-score of a class whose precision and
/// recall are both 0. A class that is only predicted has IoU 0, which counts. All values are
/// fractions from 0 to 1.
public struct SegmentationScores: Sendable, Equatable {
  /// The rules in one line, for reports.
  public static let convention =
    "mmsegmentation IoUMetric: ignored pixels are left out; a class absent from labels and "
    + "predictions is nan and leaves the means; a class only predicted has IoU 0; exact counts"

  /// Accuracy over all pixels: right ones over labelled ones; NaN where there are none.
  public let aAcc: Double
  /// The weight of recall against precision in the F-score.
  public let beta: Double
  /// The number that replaces NaN; `nil` where NaN stays.
  public let nanReplacement: Double?

  private let values: [SegmentationMetric: [Double]]

  /// Scores a matrix.
  ///
  /// - Parameters:
  ///   - beta: the F-score's weight of recall, 1 for F1.
  ///   - nanReplacement: a number that replaces NaN before means are taken (mmsegmentation's
  ///     `nan_to_num`); `nil` keeps NaN, which means skip.
  public init(_ matrix: ConfusionMatrix, beta: Double = 1, nanReplacement: Double? = nil) {
    let intersection = matrix.intersection.map(Double.init)
    let truth = matrix.truthArea.map(Double.init)
    let prediction = matrix.predictionArea.map(Double.init)
    let union = matrix.unionArea.map(Double.init)
    func settled(_ value: Double) -> Double {
      value.isNaN ? nanReplacement ?? value : value
    }
    func perClass(_ value: (Int) -> Double) -> [Double] {
      (0..<matrix.classes).map { settled(value($0)) }
    }
    func fscore(_ index: Int) -> Double {
      let precision = intersection[index] / prediction[index]
      let recall = intersection[index] / truth[index]
      return (1 + beta * beta) * precision * recall / (beta * beta * precision + recall)
    }

    self.beta = beta
    self.nanReplacement = nanReplacement
    aAcc = settled(intersection.reduce(0, +) / truth.reduce(0, +))
    let recall = perClass { intersection[$0] / truth[$0] }
    values = [
      .iou: perClass { intersection[$0] / union[$0] },
      .accuracy: recall,
      .dice: perClass { 2 * intersection[$0] / (prediction[$0] + truth[$0]) },
      .fscore: perClass(fscore),
      .precision: perClass { intersection[$0] / prediction[$0] },
      .recall: recall,
    ]
  }

  /// The values of all classes in their order; NaN where a class has none.
  public subscript(metric: SegmentationMetric) -> [Double] { values[metric] ?? [] }

  /// The mean over the classes that have a value; NaN where none has.
  public func mean(_ metric: SegmentationMetric) -> Double {
    let present = self[metric].filter { !$0.isNaN }
    return present.reduce(0, +) / Double(present.count)
  }

  /// Mean intersection over union.
  public var mIoU: Double { mean(.iou) }
  /// Mean accuracy of the classes.
  public var mAcc: Double { mean(.accuracy) }
  /// Mean Dice coefficient.
  public var mDice: Double { mean(.dice) }
  /// Mean F-score.
  public var mFscore: Double { mean(.fscore) }
  /// Mean precision.
  public var mPrecision: Double { mean(.precision) }
  /// Mean recall.
  public var mRecall: Double { mean(.recall) }

  /// Equality in which NaN equals NaN.
  public static func == (left: SegmentationScores, right: SegmentationScores) -> Bool {
    func same(_ a: Double, _ b: Double) -> Bool { a == b || (a.isNaN && b.isNaN) }
    return same(left.aAcc, right.aAcc) && left.beta == right.beta
      && left.nanReplacement == right.nanReplacement
      && SegmentationMetric.allCases.allSatisfy { metric in
        left[metric].elementsEqual(right[metric], by: same)
      }
  }
}
