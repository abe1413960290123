import FlattenImage
import FlattenRegions

/// The rule that maps the numbers of label pictures to class ids.
///
/// The order is mmsegmentation 1.x's (`loading.py`, `LoadAnnotations`): first `reduce_zero_label`, then
/// `label_map` on its result; entries of the map do not chain.
public struct LabelRule: Sendable, Hashable {
  /// The id of pixels that are not scored, after the other steps.
  public var ignoreIndex: UInt16
  /// Whether 0 means "not scored" and k stands for class k - 1.
  public var reducesZeroLabel: Bool
  /// Ids to replace by other ids, after `reducesZeroLabel`.
  public var labelMap: [UInt16: UInt16]

  /// Makes a rule.
  public init(
    ignoreIndex: UInt16 = 255, reducesZeroLabel: Bool = false, labelMap: [UInt16: UInt16] = [:]
  ) {
    self.ignoreIndex = ignoreIndex
    self.reducesZeroLabel = reducesZeroLabel
    self.labelMap = labelMap
  }

  /// The class id of a stored number.
  ///
  /// With `reducesZeroLabel`, 0 becomes the ignore index, the ignore index stays, and k becomes k - 1,
  /// unless k - 1 is the ignore index: then k stays, and is out of range. For 8-bit labels and
  /// ignore index 255 this equals mmsegmentation's "0 to 255, minus 1, 254 to 255".
  public func apply(_ stored: UInt16) -> UInt16 {
    var id = stored
    if reducesZeroLabel {
      if id == 0 {
        id = ignoreIndex
      } else if id != ignoreIndex, id - 1 != ignoreIndex {
        id -= 1
      }
    }
    return labelMap[id] ?? id
  }

  /// A label picture's numbers as class ids.
  public func apply(_ stored: LabelMap) -> LabelMap {
    guard reducesZeroLabel || !labelMap.isEmpty else { return stored }
    let table = (0...UInt16.max).map { apply($0) }
    return LabelMap(
      width: stored.width, height: stored.height, ids: stored.ids.map { table[Int($0)] })
  }

  /// The numbers of a label picture that are neither a class nor ignored, ascending.
  ///
  /// - Parameters:
  ///   - stored: the picture before ``apply(_:)-(LabelMap)``: errors name the numbers of the file.
  ///   - classes: number of classes; this id and larger ones are out of range.
  public func violations(in stored: LabelMap, classes: Int) -> [LabelViolation] {
    LabelViolation.list(in: stored) { id in
      let meaning = apply(id)
      return meaning != ignoreIndex && Int(meaning) >= classes
    }
  }
}

/// A number in a label picture that is not a class.
public struct LabelViolation: Sendable, Hashable, CustomStringConvertible {
  /// The number as stored.
  public let id: UInt16
  /// Number of pixels with it.
  public let count: Int
  /// Column of the first such pixel.
  public let x: Int
  /// Row of the first such pixel.
  public let y: Int

  /// `200 (12 pixels, first at x 3, y 4)`.
  public var description: String {
    "\(id) (\(count) pixel\(count == 1 ? "" : "s"), first at x \(x), y \(y))"
  }
}

extension LabelViolation {
  /// The numbers of a picture that are wrong, ascending.
  static func list(in stored: LabelMap, isWrong: (UInt16) -> Bool) -> [LabelViolation] {
    var counts = Array(repeating: 0, count: 1 << 16)
    for id in stored.ids { counts[Int(id)] += 1 }
    return counts.indices.compactMap { number in
      guard counts[number] > 0, let id = UInt16(exactly: number), isWrong(id) else { return nil }
      let first = stored.ids.firstIndex(of: id) ?? 0
      return LabelViolation(
        id: id, count: counts[number], x: first % stored.width, y: first / stored.width)
    }
  }
}
