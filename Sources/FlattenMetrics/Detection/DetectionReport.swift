/// Average precision of boxes, masks or both, ready to be written in any format.
///
/// Fractions from 0 to 1 everywhere but in gates of the command line, as everyone who scores detections has them.
public struct DetectionReport: ScoreReport {
  /// The scores of one kind.
  public struct Part: Sendable {
    /// The scores.
    public let scores: AveragePrecision
    /// What pycocotools prints of the same files, where that differs: it takes an annotation of id 0 for none.
    public let pycocotools: AveragePrecision?

    /// Takes an evaluation's scores.
    public init(_ evaluation: COCOEvaluation) {
      scores = AveragePrecision(evaluation)
      pycocotools =
        evaluation.hasZeroID ? AveragePrecision(evaluation, likePycocotools: true) : nil
    }
  }

  /// Boxes, masks, or both in this order; never empty.
  public let parts: [Part]
  /// What was scored.
  package let evaluations: [COCOEvaluation]

  /// Makes a report of evaluations of one data set by boxes and by masks.
  ///
  /// - Precondition: there is one, and no two are of one kind.
  public init(_ evaluations: [COCOEvaluation]) {
    precondition(!evaluations.isEmpty, "a report of nothing")
    self.evaluations = evaluations
    parts = COCOSettings.Kind.allCases.compactMap { kind in
      evaluations.first { $0.settings.kind == kind }.map(Part.init)
    }
  }

  /// Pictures scored.
  public var pictures: Int { parts[0].scores.pictures }

  /// The twelve numbers, of boxes where there are boxes; and with `bbox.` or `segm.` before them those of one kind.
  public static var figureNames: [String] {
    AveragePrecision.names
      + COCOSettings.Kind.allCases.flatMap { kind in
        AveragePrecision.names.map { "\(kind.rawValue).\($0)" }
      }
  }

  /// Those of ``figureNames`` that a report of some kinds has.
  package static func figureNames(of kinds: Set<COCOSettings.Kind>) -> [String] {
    figureNames.filter { name in
      let words = name.split(separator: ".")
      return words.count == 1 || kinds.contains { $0.rawValue == words[0] }
    }
  }

  /// One of ``figureNames``, 0 to 1; NaN where there was nothing to find, `nil` for other names and for a kind
  /// that was not scored.
  public func figure(_ name: String) -> Double? {
    let words = name.split(separator: ".")
    let part =
      words.count == 2
      ? parts.first { $0.scores.settings.kind.rawValue == words[0] } : parts.first
    guard let part, words.count <= 2, let last = words.last,
      let index = AveragePrecision.names.firstIndex(of: String(last))
    else { return nil }
    let value = part.scores.numbers[index]
    return value < 0 ? .nan : value
  }

  /// A part by its kind.
  public subscript(kind: COCOSettings.Kind) -> Part? {
    parts.first { $0.scores.settings.kind == kind }
  }

  var convention: COCOSettings.Convention { parts[0].scores.settings.convention }

  /// The rules in one line.
  var conventionText: String {
    let limits = convention.maxDetections.map { "\($0)" }.joined(separator: ", ")
    let name =
      switch convention {
      case .coco: "pycocotools (COCO)"
      case .mmdetection: "mmdetection (AP at 100, AP50 to APl at 1000)"
      }
    return "convention: \(name), the best \(limits) detections of a picture and category"
  }
}
