import FlattenImage
import Foundation

/// One of the panels of a drawn attention: what it shows of a token's row, and its scale.
package struct AttentionPanel: Sendable {
  /// What is shown.
  package enum Part: String, Sendable {
    case attention, depthwise, sum
  }

  package let part: Part
  /// A weight of each key.
  let values: [Double]
  /// Whether the scale goes from `-limit` over 0 to ``limit``; else it begins with 0, and magnitudes are shown.
  package let isSigned: Bool
  /// Where the scale ends.
  package let limit: Double
}

extension AttentionMap {
  /// The picture under the weights, as the mean over the heads that were asked for: the attention's, the
  /// depthwise convolution's, and their sum.
  ///
  /// Where the attention has weights below zero, as some linear attentions have, all three have a scale of two
  /// colours around 0: from black to pale yellow above, through blue below. Else the magnitudes of the convolution
  /// and of the sum are drawn, on one scale of colours.
  ///
  /// Each scale ends where one in 200 of the magnitudes that are not zero goes on; that of the sum ends where
  /// the attention's does, for the few weights of the convolution are mostly much larger. The token is
  /// marked.
  public func drawn() -> Image {
    HeatMapPicture(picture, mark: point, heading: heading, panels: panels.map(heatMap)) { x, y in
      guard let column = frame.column(x, of: grid.width), let row = frame.row(y, of: grid.height)
      else { return nil }
      return row * grid.width + column
    }.drawn()
  }

  /// The panels of the drawing.
  package var panels: [AttentionPanel] {
    let own = mean(\.attention) ?? []
    // What is lost in rounding, or in the scale's first colour, is no sign.
    let least = Self.limit(own.map(\.magnitude)) / 256
    let isSigned = own.contains { $0 < -least }
    func panel(
      _ part: AttentionPanel.Part, _ values: [Double], limit: Double? = nil
    ) -> AttentionPanel {
      AttentionPanel(
        part: part, values: isSigned ? values : values.map(\.magnitude), isSigned: isSigned,
        limit: limit ?? Self.limit(values.map(\.magnitude)))
    }
    let first = panel(.attention, own)
    guard let added = mean(\.depthwise) else { return [first] }
    return [
      first, panel(.depthwise, added), panel(.sum, zip(own, added).map(+), limit: first.limit),
    ]
  }

  /// Where the scale of some magnitudes ends.
  private static func limit(_ magnitudes: [Double]) -> Double {
    let sorted = magnitudes.filter { $0 > 0 }.sorted()
    return sorted.isEmpty ? 0 : sorted[(sorted.count - 1) * 199 / 200]
  }

  /// Numbers of keys as those of the tokens that the keys were made of.
  private func heatMap(_ panel: AttentionPanel) -> HeatMapPicture.Panel {
    let name =
      switch panel.part {
      case .attention: "\(kind.rawValue) attention"
      case .depthwise: "depthwise term"
      case .sum: "sum"
      }
    let cells = (0..<grid.height * grid.width).map { cell -> Double? in
      guard let row = reduction.key(of: cell / grid.width, among: grid.height),
        let column = reduction.key(of: cell % grid.width, among: grid.width)
      else { return nil }
      return panel.values[row * keyGrid.width + column]
    }
    return HeatMapPicture.Panel(
      title: panel.part == .attention || panel.isSigned ? name : "\(name), magnitude",
      cells: cells, limit: panel.limit, limitText: String(format: "%.3g or more", panel.limit),
      negativeLimitText: panel.isSigned ? String(format: "%.3g or less", -panel.limit) : nil)
  }

  private var heading: [String] {
    let all = heads == 1 ? "1 head" : "mean of \(heads) heads"
    let which = query.head.map { "head \($0)" } ?? all
    var lines = [
      model,
      "stage \(query.stage), block \(query.block), \(which), token \(token.column),\(token.row) of "
        + "\(grid.width)x\(grid.height)",
    ]
    if let first = ranks.first {
      func range(_ values: [Int]) -> String {
        let (low, high) = (values.min() ?? 0, values.max() ?? 0)
        return low == high ? "\(low)" : "\(low) to \(high)"
      }
      let added = ranks.compactMap(\.withDepthwise)
      lines.append(
        "rank \(range(ranks.map(\.attention)))"
          + (added.isEmpty ? "" : ", with the depthwise term \(range(added))")
          + ", of \(first.rows)x\(first.columns)")
    }
    return lines
  }
}
