import FlattenData
import FlattenFiles

extension DetectionReport {
  /// The version of ``json()``'s keys; it changes when a key changes its meaning or goes away.
  public static let schemaVersion = 1

  // MARK: For people

  /// pycocotools' twelve lines of each kind, a table of the categories, and the convention.
  public func text() -> String {
    var lines: [String] = []
    for part in parts {
      if parts.count > 1 { lines.append("\(part.scores.settings.kind.rawValue):") }
      lines += Self.twelveLines(part.scores)
      if let other = part.pycocotools {
        lines.append(
          "an annotation has the id 0, which pycocotools takes for none; it would print:")
        lines += Self.twelveLines(other)
      }
      lines.append("")
    }
    let rows = classRows { value in value < 0 ? "-" : fixed(value) }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      cells.indices.map { column in
        let gap = String(repeating: " ", count: widths[column] - cells[column].count)
        return column == 0 ? cells[column] + gap : gap + cells[column]
      }.joined(separator: "  ")
    }
    lines.append(line(rows[0]))
    lines.append(String(repeating: "-", count: widths.reduce(0, +) + 2 * (widths.count - 1)))
    lines += rows.dropFirst().map(line)
    lines.append("")
    lines.append("\(counted(pictures, "picture")); \(conventionText)")
    return lines.joined(separator: "\n") + "\n"
  }

  /// The twelve lines as pycocotools prints them.
  package static func twelveLines(_ scores: AveragePrecision) -> [String] {
    let limits = scores.settings.convention.maxDetections
    let last = limits[2]
    let hundred = limits.contains(100) ? 100 : last
    let rows: [(isPrecision: Bool, overlap: String, area: String, limit: Int)] = [
      (true, "0.50:0.95", "all", hundred), (true, "0.50", "all", last),
      (true, "0.75", "all", last), (true, "0.50:0.95", "small", last),
      (true, "0.50:0.95", "medium", last), (true, "0.50:0.95", "large", last),
      (false, "0.50:0.95", "all", limits[0]), (false, "0.50:0.95", "all", limits[1]),
      (false, "0.50:0.95", "all", last), (false, "0.50:0.95", "small", last),
      (false, "0.50:0.95", "medium", last), (false, "0.50:0.95", "large", last),
    ]
    return zip(rows, scores.numbers).map { row, value in
      let title = row.isPrecision ? "Average Precision  (AP)" : "Average Recall     (AR)"
      let overlap = row.overlap + String(repeating: " ", count: 9 - row.overlap.count)
      let area = String(repeating: " ", count: 6 - row.area.count) + row.area
      let limit = String(repeating: " ", count: max(0, 3 - "\(row.limit)".count)) + "\(row.limit)"
      return " \(title) @[ IoU=\(overlap) | area=\(area) | maxDets=\(limit) ] = \(fixed(value))"
    }
  }

  /// Two tables in Markdown: the twelve numbers, and the categories.
  public func markdown() -> String {
    func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
    func number(_ value: Double) -> String { value < 0 ? "-" : fixed(value) }
    func escaped(_ name: String) -> String {
      name.replacing("\\", with: "\\\\").replacing("|", with: "\\|")
    }
    let names = AveragePrecision.names
    var lines = [line([""] + names), line(["---"] + names.map { _ in "---:" })]
    for part in parts {
      let kind = part.scores.settings.kind.rawValue
      lines.append(line([kind] + part.scores.numbers.map(number)))
      if let other = part.pycocotools {
        lines.append(line(["\(kind), as pycocotools prints it"] + other.numbers.map(number)))
      }
    }
    let rows = classRows(number)
    lines += ["", line(rows[0]), line(["---"] + rows[0].dropFirst().map { _ in "---:" })]
    lines += rows.dropFirst().map { line([escaped($0[0])] + $0.dropFirst()) }
    lines += ["", "\(counted(pictures, "picture")); \(conventionText)"]
    return lines.joined(separator: "\n") + "\n"
  }

  /// A header and a row for each category: name, objects, and of each kind AP, AP50 and AP75.
  private func classRows(_ text: (Double) -> String) -> [[String]] {
    let scores = parts[0].scores
    let prefixes = parts.map { parts.count > 1 ? $0.scores.settings.kind.rawValue + " " : "" }
    var rows = [["class", "objects"] + prefixes.flatMap { ["\($0)AP", "\($0)AP50", "\($0)AP75"] }]
    for category in scores.categories.indices {
      rows.append(
        [printable(scores.categories[category].name), "\(scores.objects[category])"]
          + parts.flatMap { $0.scores.classNumbers(category).map(text) })
    }
    return rows
  }

  // MARK: For machines

  /// One JSON object: the twelve numbers of each kind under `bbox` and `segm`, then one object a category. Fractions
  /// with full digits, `null` where there was nothing to find. Keys and their order are stable.
  ///
  /// `AR1`, `AR10` and `AR100` are the recalls under the three limits of `max_detections`.
  public func json() -> String {
    var fields: [(String, OrderedJSON)] = [
      ("schema_version", .integer(Self.schemaVersion)),
      ("convention", .string(convention.rawValue)),
      ("max_detections", .array(convention.maxDetections.map(OrderedJSON.integer))),
      ("pictures", .integer(pictures)),
    ]
    for part in parts {
      let kind = part.scores.settings.kind.rawValue
      fields.append((kind, Self.object(part.scores)))
      if let other = part.pycocotools {
        fields.append(("\(kind)_as_pycocotools_prints", Self.object(other)))
      }
    }
    let scores = parts[0].scores
    let classes = scores.categories.indices.map { category in
      var fields: [(String, OrderedJSON)] = [
        ("id", .integer(scores.categories[category].id)),
        ("name", .string(scores.categories[category].name)),
        ("objects", .integer(scores.objects[category])),
      ]
      for part in parts {
        let numbers = zip(Self.classNames, part.scores.classNumbers(category)).map { name, value in
          (name, Self.number(value))
        }
        fields.append((part.scores.settings.kind.rawValue, .object(numbers)))
      }
      return OrderedJSON.object(fields)
    }
    fields.append(("classes", .array(classes)))
    return OrderedJSON.object(fields).text() + "\n"
  }

  private static let classNames = ["AP", "AP50", "AP75"]

  private static func number(_ value: Double) -> OrderedJSON {
    value < 0 ? .null : .number(value)
  }

  private static func object(_ scores: AveragePrecision) -> OrderedJSON {
    .object(zip(AveragePrecision.names, scores.numbers).map { ($0, number($1)) })
  }

  /// A row for each kind and the twelve numbers, an empty line, and a row for each category and kind; an empty
  /// field where there was nothing to find.
  public func csv() -> String {
    func number(_ value: Double) -> String { value < 0 ? "" : "\(value)" }
    var lines = [(["kind"] + AveragePrecision.names).joined(separator: ",")]
    for part in parts {
      let kind = part.scores.settings.kind.rawValue
      lines.append(([kind] + part.scores.numbers.map(number)).joined(separator: ","))
      if let other = part.pycocotools {
        lines.append(
          (["\(kind) as pycocotools prints"] + other.numbers.map(number)).joined(separator: ","))
      }
    }
    lines += ["", "kind,id,class,objects,AP,AP50,AP75"]
    for part in parts {
      let scores = part.scores
      for (index, category) in scores.categories.enumerated() {
        let cells = [
          scores.settings.kind.rawValue, "\(category.id)", csvField(category.name),
          "\(scores.objects[index])",
        ]
        lines.append((cells + scores.classNumbers(index).map(number)).joined(separator: ","))
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension AveragePrecision {
  /// AP, AP50 and AP75 of a category, with the last limit; -1 where it has no objects.
  func classNumbers(_ category: Int) -> [Double] {
    [
      averagePrecision(category: category), averagePrecision(threshold: 0, category: category),
      averagePrecision(threshold: 5, category: category),
    ]
  }
}

/// A number with three decimals, rounded as C's `%.3f`: to the nearest, of two equally near to the even one.
func fixed(_ value: Double) -> String {
  guard value.isFinite, abs(value) < 1e9 else { return "nan" }
  let size = abs(value)
  let product = size * 1000
  var whole = product.rounded(.down)
  let rest = product - whole
  // What rounding the product left out decides where the rest looks like a half.
  let error = (-product).addingProduct(size, 1000)
  let isEven = whole.truncatingRemainder(dividingBy: 2) == 0
  if rest > 0.5 || (rest == 0.5 && (error > 0 || (error == 0 && !isEven))) { whole += 1 }
  let digits = String(Int(whole))
  let padded = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  return (value < 0 ? "-" : "") + padded.dropLast(3) + "." + padded.suffix(3)
}
