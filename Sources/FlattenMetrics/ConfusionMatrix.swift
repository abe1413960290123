import FlattenRegions

/// The confusion matrix: exact pixel counts of truth against prediction, from which all scores
/// follow.
///
/// Counts are 64-bit integers, so matrices of shards add up to the matrix of the whole in any order.
///
///     var matrix = ConfusionMatrix(classes: 150)
///     for pair in pairs { matrix.add(prediction: pair.0, truth: pair.1, ignoreIndex: 255) }
///     print(SegmentationScores(matrix).mIoU)
///
/// The rules are those of mmsegmentation's `IoUMetric` (`iou_metric.py`, `intersect_and_union`):
/// - a pixel whose truth is the ignore index is left out, whatever was predicted;
/// - a truth outside `0..<classes` is in no truth area, but its prediction still counts as predicted;
/// - a prediction outside `0..<classes` is in no predicted area, but its truth still counts as truth.
public struct ConfusionMatrix: Sendable, Equatable {
  /// Most classes of a matrix; it then takes 134 MB.
  public static let classLimit = 4096

  /// Number of classes C.
  public let classes: Int

  /// `[C + 2, C + 1]`, rows truth, columns prediction. Column C is "prediction out of range", row C
  /// is "truth out of range", row C + 1 holds the ignored pixels.
  private var counts: [Int]

  /// An empty matrix.
  ///
  /// - Precondition: `classes` is 1 to ``classLimit``.
  public init(classes: Int) {
    precondition(
      (1...Self.classLimit).contains(classes),
      "\(classes) classes, expected 1 to \(Self.classLimit)")
    self.classes = classes
    counts = Array(repeating: 0, count: (classes + 2) * (classes + 1))
  }

  /// Counts the pixels of one picture.
  ///
  /// Cost: one table update a pixel; 600 to 900 million pixels a second were seen with 19 to 256
  /// classes on one core of a 2-core Zen 5 machine (release build, maps of 2048x1024).
  ///
  /// - Parameter ignoreIndex: the truth id of pixels to leave out; it may lie inside `0..<classes`.
  /// - Precondition: both maps have the same size.
  public mutating func add(prediction: LabelMap, truth: LabelMap, ignoreIndex: Int?) {
    precondition(
      prediction.width == truth.width && prediction.height == truth.height,
      "a prediction of \(prediction.width)x\(prediction.height) pixels, "
        + "a truth of \(truth.width)x\(truth.height)")
    add(prediction: prediction.ids, truth: truth.ids, ignoreIndex: ignoreIndex)
  }

  /// Counts pixels given as class ids.
  ///
  /// - Precondition: both lists have the same length.
  public mutating func add(prediction: [UInt16], truth: [UInt16], ignoreIndex: Int?) {
    precondition(
      prediction.count == truth.count,
      "\(prediction.count) predictions for \(truth.count) pixels")
    let columns = classes + 1
    let outside = UInt16(classes)
    let ignored = ignoreIndex.flatMap(UInt16.init(exactly:))
    let ignoredRow = classes + 1
    for pixel in truth.indices {
      let row = truth[pixel] == ignored ? ignoredRow : Int(min(truth[pixel], outside))
      counts[row * columns + Int(min(prediction[pixel], outside))] += 1
    }
  }

  /// Adds another matrix of the same classes, count by count.
  public static func += (matrix: inout ConfusionMatrix, other: ConfusionMatrix) {
    precondition(
      matrix.classes == other.classes,
      "a matrix of \(other.classes) classes cannot join one of \(matrix.classes)")
    for index in other.counts.indices { matrix.counts[index] += other.counts[index] }
  }

  /// The sum of two matrices of the same classes.
  public static func + (left: ConfusionMatrix, right: ConfusionMatrix) -> ConfusionMatrix {
    var sum = left
    sum += right
    return sum
  }

  /// Pixels of class `truth` that were predicted as class `prediction`, both in `0..<classes`.
  public subscript(truth truth: Int, prediction prediction: Int) -> Int {
    precondition((0..<classes).contains(truth) && (0..<classes).contains(prediction))
    return counts[truth * (classes + 1) + prediction]
  }

  /// The counts of the classes, `rows[truth][prediction]`.
  public var rows: [[Int]] {
    (0..<classes).map { truth in (0..<classes).map { self[truth: truth, prediction: $0] } }
  }

  // MARK: Areas

  /// Pixels of each class that were predicted right.
  public var intersection: [Int] { (0..<classes).map { self[truth: $0, prediction: $0] } }

  /// Pixels whose truth is each class, wherever the prediction lies.
  public var truthArea: [Int] { (0..<classes).map { sum(row: $0) } }

  /// Pixels predicted as each class that are not ignored, wherever the truth lies.
  public var predictionArea: [Int] {
    let columns = classes + 1
    var area = Array(repeating: 0, count: classes)
    for row in 0...classes {
      for column in 0..<classes { area[column] += counts[row * columns + column] }
    }
    return area
  }

  /// Truth plus prediction less intersection, for each class.
  public var unionArea: [Int] {
    let truth = truthArea
    let prediction = predictionArea
    let both = intersection
    return (0..<classes).map { truth[$0] + prediction[$0] - both[$0] }
  }

  /// Pixels whose truth is one of the classes.
  public var pixels: Int { (0..<classes).reduce(0) { $0 + sum(row: $1) } }

  /// Pixels whose truth is neither a class nor the ignore index.
  public var pixelsOutOfRange: Int { sum(row: classes) }

  /// Pixels whose truth is the ignore index.
  public var pixelsIgnored: Int { sum(row: classes + 1) }

  /// Scored pixels whose prediction is no class.
  public var predictionsOutOfRange: Int {
    (0..<classes).reduce(0) { $0 + counts[$1 * (classes + 1) + classes] }
  }

  /// A number that, added to the ids of the predictions, would make most of them right where few are: -1 where
  /// they begin at 1 and the truth at 0. `nil` where there is none; one class alone says nothing.
  public var fittingOffset: Int? {
    let right = intersection.reduce(0, +)
    return [-1, 1].first { offset in
      let shifted = (0..<classes).map { truth in
        (0..<classes).contains(truth - offset) ? self[truth: truth, prediction: truth - offset] : 0
      }
      let found = shifted.reduce(0, +)
      return 2 * found > pixels && found > 2 * right && shifted.count { $0 > 0 } > 1
    }
  }

  private func sum(row: Int) -> Int {
    counts[(row * (classes + 1))..<((row + 1) * (classes + 1))].reduce(0, +)
  }
}
