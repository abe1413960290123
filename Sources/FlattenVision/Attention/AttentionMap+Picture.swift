import FlattenImage
import Foundation

extension AttentionMap {
  /// The picture under the weights, as the mean over the heads that were asked for: the attention's, the
  /// magnitude of the depthwise convolution's, and the magnitude of their sum.
  ///
  /// Each scale ends where one in 200 of the weights that are not zero goes on; that of the sum ends where
  /// the attention's does, for the few weights of the convolution are mostly much larger. The token is
  /// marked.
  public func drawn() -> Image {
    let own = mean(\.attention) ?? []
    let limit = Self.limit(own)
    var panels = [panel("\(kind.rawValue) attention", own, limit: limit)]
    if let added = mean(\.depthwise) {
      let magnitudes = added.map(\.magnitude)
      panels.append(panel("depthwise term, magnitude", magnitudes, limit: Self.limit(magnitudes)))
      let sum = zip(own, added).map { ($0 + $1).magnitude }
      panels.append(panel("sum, magnitude", sum, limit: limit))
    }
    return HeatMapPicture(picture, mark: point, heading: heading, panels: panels) { x, y in
      guard let column = frame.column(x, of: grid.width), let row = frame.row(y, of: grid.height)
      else { return nil }
      return row * grid.width + column
    }.drawn()
  }

  /// Where the scale of some weights ends.
  private static func limit(_ weights: [Double]) -> Double {
    let sorted = weights.filter { $0 > 0 }.sorted()
    return sorted.isEmpty ? 0 : sorted[(sorted.count - 1) * 199 / 200]
  }

  /// Numbers of keys as those of the tokens that the keys were made of.
  private func panel(_ title: String, _ values: [Double], limit: Double) -> HeatMapPicture.Panel {
    let cells = (0..<grid.height * grid.width).map { cell -> Double? in
      guard let row = reduction.key(of: cell / grid.width, among: grid.height),
        let column = reduction.key(of: cell % grid.width, among: grid.width)
      else { return nil }
      return values[row * keyGrid.width + column]
    }
    return HeatMapPicture.Panel(
      title: title, cells: cells, limit: limit, limitText: String(format: "%.3g or more", limit))
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
