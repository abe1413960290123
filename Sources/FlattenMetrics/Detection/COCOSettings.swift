/// How detections are scored: with boxes or masks, under whose convention, which categories.
public struct COCOSettings: Sendable, Hashable {
  /// What detections and objects are compared by.
  public enum Kind: String, Sendable, CaseIterable {
    /// Their boxes.
    case bbox
    /// Their masks.
    case segm
  }

  /// Whose numbers they are: how many detections of a picture and category count.
  public enum Convention: String, Sendable, CaseIterable {
    /// pycocotools: the best 1, 10 and 100; AP at 100.
    case coco
    /// mmdetection: the best 100, 300 and 1000; AP at 100, but AP50, AP75, APs, APm and APl at 1000.
    case mmdetection

    /// How many detections of a picture and category count, three limits.
    public var maxDetections: [Int] {
      switch self {
      case .coco: [1, 10, 100]
      case .mmdetection: [100, 300, 1000]
      }
    }
  }

  /// What is compared.
  public var kind: Kind
  /// The convention.
  public var convention: Convention
  /// Whether a detection finds objects of its own category alone (pycocotools' `useCats`).
  public var usesCategories = true
  /// Whether the size of a detection with a mask is that of the mask. Else it is that of its box where it has one:
  /// so pycocotools decides of a results file that has both, and so programs take the boxes out before they have
  /// masks scored.
  public var usesMaskAreas = true
  /// The categories that are scored, by their ids; `nil` for all.
  public var categoryIDs: [Int]?

  /// Makes settings.
  public init(_ kind: Kind, convention: Convention = .coco) {
    self.kind = kind
    self.convention = convention
  }

  /// The least intersection over union of a match: 0.5, 0.55, ... 0.95, in numpy's digits.
  public static let thresholds: [Double] = {
    let step = (0.95 - 0.5) / 9
    return (0..<9).map { Double($0) * step + 0.5 } + [0.95]
  }()

  /// The recalls at which precision is read: 0, 0.01, ... 1.
  public static let recalls: [Double] = (0...100).map { $0 == 100 ? 1 : Double($0) * 0.01 }

  /// The ranges of an object's area in square pixels, both ends included: all, small, medium, large.
  public static let areas: [ClosedRange<Double>] = [
    0...1e10, 0...1024, 1024...9216, 9216...1e10,
  ]
}
