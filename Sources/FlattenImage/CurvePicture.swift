/// Curves of fractions over fractions, such as precision over recall.
public enum CurvePicture {
  /// A line: its values at equal steps from 0 to 1.
  public struct Curve: Sendable, Hashable {
    /// Its name in the legend.
    public let name: String
    /// Its values, 0 to 1; empty where there is none.
    public let values: [Double]

    /// Makes a line.
    public init(name: String, values: [Double]) {
      self.name = name
      self.values = values
    }
  }

  /// A square with axes.
  public struct Panel: Sendable, Hashable {
    /// What stands above it.
    public let title: String
    /// Its lines.
    public let curves: [Curve]

    /// Makes a square.
    public init(title: String, curves: [Curve]) {
      self.title = title
      self.curves = curves
    }
  }

  /// Draws panels side by side, three in a row.
  ///
  /// - Parameters:
  ///   - across: what is counted to the right.
  ///   - upwards: what is counted upwards.
  /// - Precondition: there is a panel.
  public static func draw(_ panels: [Panel], across: String, upwards: String) -> Image {
    precondition(!panels.isEmpty, "no panels")
    let columns = min(panels.count, 3)
    let rows = (panels.count + columns - 1) / columns
    var canvas = Canvas(
      width: columns * Layout.width, height: rows * Layout.height, background: .white)
    for (place, panel) in panels.enumerated() {
      let layout = Layout(
        left: place % columns * Layout.width, top: place / columns * Layout.height)
      layout.draw(panel, across: across, upwards: upwards, on: &canvas)
    }
    return canvas.image
  }
}

/// A panel. All lengths are pixels.
private struct Layout {
  private static let scale = 2
  private static let ink = RGBColor(0x202020)
  private static let faint = RGBColor(0xE4E4E4)
  /// Dark on white, and told apart with any colour vision.
  private static let colours: [RGBColor] = [
    RGBColor(0x3355AA), RGBColor(0xCC0022), RGBColor(0x118866), RGBColor(0xAA8822),
  ]
  private static let side = 400
  private static let line = 3
  private static let origin = (x: 90, y: 60)
  static let width = origin.x + side + 40
  static let height = origin.y + side + 80
  private static let longestTitle = side / (BitmapFont.advance * scale)

  let left: Int
  let top: Int

  func draw(
    _ panel: CurvePicture.Panel, across: String, upwards: String, on canvas: inout Canvas
  ) {
    let (x, y, side, scale) = (left + Self.origin.x, top + Self.origin.y, Self.side, Self.scale)
    canvas.text(
      BitmapFont.cut(panel.title, to: Self.longestTitle), x: x, y: top + 24, scale: scale, Self.ink)
    for tenth in 0...10 {
      let at = tenth * side / 10
      canvas.fill(x: x + at, y: y, width: 1, height: side, Self.faint)
      canvas.fill(x: x, y: y + side - at, width: side, height: 1, Self.faint)
      guard tenth % 2 == 0 else { continue }
      let label = tenth == 10 ? "1" : tenth == 0 ? "0" : "0.\(tenth)"
      let width = BitmapFont.width(of: label) * scale
      canvas.text(label, x: x + at - width / 2, y: y + side + 8, scale: scale, Self.ink)
      canvas.text(
        label, x: x - 8 - width, y: y + side - at - BitmapFont.capHeight * scale / 2, scale: scale,
        Self.ink)
    }
    canvas.fill(x: x, y: y, width: 1, height: side, Self.ink)
    canvas.fill(x: x, y: y + side, width: side + 1, height: 1, Self.ink)
    let width = BitmapFont.width(of: across) * scale
    canvas.text(across, x: x + (side - width) / 2, y: y + side + 40, scale: scale, Self.ink)
    let height = BitmapFont.width(of: upwards) * scale
    canvas.text(
      upwards, x: left + 12, y: y + (side + height) / 2, scale: scale, Self.ink, upwards: true)
    for (place, curve) in panel.curves.enumerated() {
      draw(curve, Self.colours[place % Self.colours.count], on: &canvas)
    }
    drawLegend(panel.curves, on: &canvas)
  }

  private func draw(
    _ curve: CurvePicture.Curve, _ colour: RGBColor, on canvas: inout Canvas
  ) {
    guard curve.values.count > 1 else { return }
    let (x, y, side) = (left + Self.origin.x, top + Self.origin.y, Self.side)
    var before: Int?
    for column in 0...side {
      let place = Double(column) / Double(side) * Double(curve.values.count - 1)
      let first = min(Int(place), curve.values.count - 2)
      let share = place - Double(first)
      let value = curve.values[first] * (1 - share) + curve.values[first + 1] * share
      guard value.isFinite else {
        before = nil
        continue
      }
      let row = y + side - Int((min(max(value, 0), 1) * Double(side)).rounded())
      let (low, high) = (min(before ?? row, row), max(before ?? row, row))
      canvas.fill(
        x: x + column - 1, y: low - 1, width: Self.line, height: high - low + Self.line, colour)
      before = row
    }
  }

  /// In the lower left corner, where curves are seldom.
  private func drawLegend(_ curves: [CurvePicture.Curve], on canvas: inout Canvas) {
    let step = (BitmapFont.height + 3) * Self.scale
    let longest = curves.map { BitmapFont.width(of: $0.name) * Self.scale }.max() ?? 0
    let (x, height) = (left + Self.origin.x + 10, curves.count * step + 8)
    let y = top + Self.origin.y + Self.side - height - 10
    canvas.box(
      x: x, y: y, width: longest + 46, height: height, line: 1, border: Self.faint, .white)
    for (place, curve) in curves.enumerated() {
      let row = y + 6 + place * step
      canvas.fill(
        x: x + 8, y: row + BitmapFont.capHeight * Self.scale / 2 - 1, width: 24, height: Self.line,
        Self.colours[place % Self.colours.count])
      canvas.text(curve.name, x: x + 38, y: row, scale: Self.scale, Self.ink)
    }
  }
}
