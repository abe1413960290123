/// How many pixels of some labels stand for each class, and what looks wrong about it.
public struct LabelCensus: Sendable, Equatable {
  /// Pixels of each class.
  public private(set) var classPixels: [Int]
  /// Pixels that are not scored.
  public private(set) var ignoredPixels: Int

  /// The share of pixels that are not scored above which it looks like a mistake.
  public static let suspiciousShare = 0.5

  /// Makes a census of counts.
  public init(classPixels: [Int], ignoredPixels: Int = 0) {
    self.classPixels = classPixels
    self.ignoredPixels = ignoredPixels
  }

  /// All pixels.
  public var pixels: Int { classPixels.reduce(ignoredPixels, +) }

  /// Counts a label's ids; those that are neither a class nor ignored are left out.
  mutating func add(_ ids: [UInt16], ignoreIndex: UInt16) {
    for id in ids {
      if id == ignoreIndex {
        ignoredPixels += 1
      } else if Int(id) < classPixels.count {
        classPixels[Int(id)] += 1
      }
    }
  }

  /// What looks wrong, one sentence each: labels of 0 and 255 whose 255 is not scored, classes without a
  /// pixel, and more than half of the pixels not scored. None of it need be.
  public func warnings(for description: DatasetDescription) -> [String] {
    guard pixels > 0 else { return [] }
    let isBinary = holdsZeroAnd255(description)
    var warnings: [String] = []
    if isBinary {
      warnings.append(
        "the labels hold 0 and 255 alone, and 255 is not scored, so '\(description.classes[1])' has no "
          + "pixel. If 255 is that class, say so in the description: label_map: [[255, 1]] "
          + "under 'labels'.")
    }
    let empty = zip(description.classes, classPixels).filter { $0.1 == 0 }.map { "'\($0.0)'" }
    if !empty.isEmpty, !(isBinary && empty.count == 1) {
      let listed = empty.prefix(3).joined(separator: ", ")
      warnings.append(
        empty.count == 1
          ? "the class \(listed) has no pixel in the labels."
          : "\(empty.count) of \(classPixels.count) classes have no pixel in the labels: \(listed)"
            + (empty.count > 3 ? " and \(empty.count - 3) more." : "."))
    }
    let share = Double(ignoredPixels) / Double(pixels)
    if share > Self.suspiciousShare {
      warnings.append(
        "\((share * 1000).rounded() / 10) % of the labels' pixels are not scored (id "
          + "\(description.labelRule.ignoreIndex)), more than half. Check the ignore index and "
          + "reduce_zero_label.")
    }
    return warnings
  }

  /// Whether the stored numbers can only have been 0 and 255: the commonest form of labels of two classes.
  private func holdsZeroAnd255(_ description: DatasetDescription) -> Bool {
    let rule = description.labelRule
    return description.encoding == .ids && rule.ignoreIndex == 255 && rule.labelMap.isEmpty
      && !rule.reducesZeroLabel && ignoredPixels > 0 && classPixels.count > 1
      && classPixels[0] > 0 && classPixels.dropFirst().allSatisfy { $0 == 0 }
  }
}
