import FlattenFiles

extension EvaluationReport {
  /// The version of ``json()``'s keys; it changes when a key changes its meaning or goes away.
  public static let schemaVersion = 1

  // MARK: For people

  /// An aligned table of all classes, their means, and a line on the rules.
  public func text() -> String {
    let header = ["class"] + SegmentationMetric.allCases.map(\.rawValue)
    let rows = classNames.indices.map { [classNames[$0]] + row($0).map(twoDecimals) }
    let mean = ["mean"] + means.map(twoDecimals)
    let widths = header.indices.map { column in
      ([header, mean] + rows).map { $0[column].count }.max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      cells.indices.map { column in
        let gap = String(repeating: " ", count: widths[column] - cells[column].count)
        return column == 0 ? cells[column] + gap : gap + cells[column]
      }.joined(separator: "  ")
    }
    let rule = String(repeating: "-", count: widths.reduce(0, +) + 2 * (widths.count - 1))
    let lines = [line(header), rule] + rows.map(line) + [rule, line(mean), summary, footing]
    return lines.joined(separator: "\n") + "\n"
  }

  /// The table in Markdown.
  public func markdown() -> String {
    func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
    var lines = [line(["class"] + SegmentationMetric.allCases.map(\.rawValue))]
    lines.append(line(["---"] + SegmentationMetric.allCases.map { _ in "---:" }))
    for index in classNames.indices {
      let name = classNames[index].replacing("\\", with: "\\\\").replacing("|", with: "\\|")
      lines.append(line([name] + row(index).map(twoDecimals)))
    }
    lines.append(line(["**mean**"] + means.map(twoDecimals)))
    return lines.joined(separator: "\n") + "\n\n\(summary)\n\n\(footing)\n"
  }

  /// `aAcc 76.54  mIoU 43.21  mAcc 54.32`.
  public var summary: String {
    let means = [SegmentationMetric.iou, .accuracy].map { ($0.meanName, scores.mean($0)) }
    return ([(Self.overallName, scores.aAcc)] + means)
      .map { "\($0) \(twoDecimals($1))" }.joined(separator: "  ")
  }

  // MARK: For machines

  /// One JSON object: the means, then one object a class, percentages with full digits, `null` where
  /// a class has no value. Keys and their order are stable.
  public func json() -> String {
    var fields: [(String, OrderedJSON)] = [
      ("schema_version", .integer(Self.schemaVersion)),
      ("convention", .string(SegmentationScores.convention)),
      ("beta", .number(scores.beta)),
      ("nan_to_num", scores.nanReplacement.map(OrderedJSON.number) ?? .null),
      ("pictures", .integer(pictures)),
      ("pixels", .integer(matrix.pixels)),
      (Self.overallName, .number(percent(scores.aAcc))),
    ]
    for metric in SegmentationMetric.allCases {
      fields.append((metric.meanName, .number(percent(scores.mean(metric)))))
    }
    let classes = classNames.indices.map { index in
      OrderedJSON.object(
        [("name", .string(classNames[index]))]
          + SegmentationMetric.allCases.map {
            ($0.rawValue, .number(percent(scores[$0][index])))
          })
    }
    fields.append(("classes", .array(classes)))
    return OrderedJSON.object(fields).text() + "\n"
  }

  /// One line a class and a line of means; an empty field where a class has no value.
  public func csv() -> String {
    func line(_ name: String, _ values: [Double]) -> String {
      ([csvField(name)] + values.map { $0.isNaN ? "" : "\(percent($0))" }).joined(separator: ",")
    }
    let header = (["class"] + SegmentationMetric.allCases.map(\.rawValue)).joined(separator: ",")
    let rows = classNames.indices.map { line(classNames[$0], row($0)) }
    return ([header] + rows + [line("mean", means)]).joined(separator: "\n") + "\n"
  }

  /// The confusion matrix: a row a true class, a column a predicted one, pixel counts.
  ///
  /// Pixels whose truth or prediction is out of range have no cell.
  public func confusionCSV() -> String {
    let names = classNames.map(csvField)
    let header = (["truth\\prediction"] + names).joined(separator: ",")
    let rows = names.indices.map { truth in
      ([names[truth]] + names.indices.map { "\(matrix[truth: truth, prediction: $0])" })
        .joined(separator: ",")
    }
    return ([header] + rows).joined(separator: "\n") + "\n"
  }
}

/// A fraction as a percentage with two decimals, half away from zero; `nan` for NaN.
private func twoDecimals(_ fraction: Double) -> String {
  guard fraction.isFinite else { return "nan" }
  let hundredths = Int((abs(fraction) * 10_000).rounded())
  let cents = hundredths % 100
  return (fraction < 0 ? "-" : "") + "\(hundredths / 100)." + (cents < 10 ? "0" : "") + "\(cents)"
}
