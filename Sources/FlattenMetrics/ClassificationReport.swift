import FlattenFiles

/// Top-1 and top-5 accuracy of a classifier: how often the right class is its first choice, and one
/// of its first five.
public struct ClassificationReport: ScoreReport {
  /// Counts of the pictures of one class.
  public struct Counts: Sendable, Equatable {
    /// Pictures of the class.
    public var pictures = 0
    /// Pictures whose first choice was right.
    public var top1 = 0
    /// Pictures with the right class among the first five.
    public var top5 = 0
  }

  /// The version of ``json()``'s keys.
  public static let schemaVersion = 1

  /// Ids and names, by index.
  public let classes: [(identifier: String, name: String)]
  /// By class.
  public private(set) var counts: [Counts]

  /// Makes a report of no pictures.
  public init(classes: [(identifier: String, name: String)]) {
    self.classes = classes
    counts = [Counts](repeating: Counts(), count: classes.count)
  }

  /// Counts a picture.
  ///
  /// - Parameters:
  ///   - truth: index of the right class.
  ///   - rank: number of classes with a higher score; 0 for the first choice.
  public mutating func add(truth: Int, rank: Int) {
    counts[truth].pictures += 1
    if rank < 1 { counts[truth].top1 += 1 }
    if rank < 5 { counts[truth].top5 += 1 }
  }

  /// Pictures scored.
  public var pictures: Int { counts.reduce(0) { $0 + $1.pictures } }
  /// Share of the pictures whose first choice was right, 0 to 1; NaN where there are none.
  public var top1: Double { share(counts.reduce(0) { $0 + $1.top1 }) }
  /// Share of the pictures with the right class among the first five.
  public var top5: Double { share(counts.reduce(0) { $0 + $1.top5 }) }

  private func share(_ count: Int) -> Double { Double(count) / Double(pictures) }

  private enum Figure: String, CaseIterable { case top1, top5 }

  /// `top1` and `top5`.
  public static var figureNames: [String] { Figure.allCases.map(\.rawValue) }

  /// One of ``figureNames``, 0 to 1; `nil` for other names.
  public func figure(_ name: String) -> Double? {
    switch Figure(rawValue: name) {
    case .top1: top1
    case .top5: top5
    case nil: nil
    }
  }

  // MARK: For people

  /// One line.
  public func text() -> String {
    "top-1 \(percentText(top1))  top-5 \(percentText(top5))  \(pictures) pictures\n"
  }

  /// A table of one row in Markdown.
  public func markdown() -> String {
    """
    | pictures | top-1 | top-5 |
    | ---: | ---: | ---: |
    | \(pictures) | \(percentText(top1)) | \(percentText(top5)) |

    """
  }

  // MARK: For machines

  /// One JSON object: the means in percent, then one object for each class that has pictures. Keys and
  /// their order are stable.
  public func json() -> String {
    OrderedJSON.object([
      ("schema_version", .integer(Self.schemaVersion)),
      ("pictures", .integer(pictures)),
      (Figure.top1.rawValue, .number(top1 * 100)),
      (Figure.top5.rawValue, .number(top5 * 100)),
      (
        "classes",
        .array(
          present.map { index in
            .object([
              ("index", .integer(index)), ("id", .string(classes[index].identifier)),
              ("name", .string(classes[index].name)),
              ("pictures", .integer(counts[index].pictures)),
              (Figure.top1.rawValue, .integer(counts[index].top1)),
              (Figure.top5.rawValue, .integer(counts[index].top5)),
            ])
          })
      ),
    ]).text()
  }

  /// A row of counts for each class that has pictures.
  public func csv() -> String {
    let rows = present.map { index in
      let name = classes[index].name.replacing("\"", with: "\"\"")
      let count = counts[index]
      return "\(index),\(classes[index].identifier),\"\(name)\","
        + "\(count.pictures),\(count.top1),\(count.top5)"
    }
    let header = ["index", "id", "name", "pictures"] + Self.figureNames
    return ([header.joined(separator: ",")] + rows).joined(separator: "\n") + "\n"
  }

  private var present: [Int] { counts.indices.filter { counts[$0].pictures > 0 } }

  private func percentText(_ share: Double) -> String {
    let hundredths = (share * 10000).rounded()
    guard hundredths.isFinite else { return "nan" }
    let digits = String(Int(hundredths) % 100)
    return "\(Int(hundredths) / 100).\(digits.count < 2 ? "0" + digits : digits)"
  }
}
