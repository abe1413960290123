/// A confusion matrix as a heat map.
public enum ConfusionPicture {
  /// Most classes whose names and percentages are shown; more are numbered.
  static let mostNamed = 20

  /// Draws a confusion matrix: a row for each true class, a column for each predicted one.
  ///
  /// A cell's colour is its share of its row, white for none, dark blue for all: the diagonal holds
  /// each class's accuracy. Up to 20 classes have names on both axes and percentages in the cells;
  /// more have their index, every few classes where cells are small. The row of a class that never
  /// occurs is grey.
  ///
  /// - Parameters:
  ///   - names: class names; a class beyond them is called by its index.
  ///   - counts: pixels, `counts[truth][prediction]`; 0 where one is missing, negative or not
  ///     finite.
  /// - Precondition: `counts` has at least one row.
  public static func draw(names: [String], counts: [[Double]]) -> Image {
    precondition(!counts.isEmpty, "a confusion matrix without classes")
    return Layout(names: names, counts: counts).drawn()
  }

  /// Draws a matrix of whole counts.
  public static func draw(names: [String], counts: [[Int]]) -> Image {
    draw(names: names, counts: counts.map { $0.map(Double.init) })
  }

  /// Shade of a share, 0 to 1: white, light blue, blue, navy at equal distances.
  static func shade(_ share: Double) -> RGBColor {
    RGBColor.between(
      [RGBColor(0xFFFFFF), RGBColor(0xA9CCE8), RGBColor(0x3579B8), RGBColor(0x0B2C57)],
      share: share)
  }
}

/// The layout of the picture. All lengths are pixels.
private struct Layout {
  private static let ink = RGBColor(0x202020)
  private static let grid = RGBColor(0xD0D0D0)
  /// Line width for small cells, whose shades thicker lines would hide.
  private static let faintGrid = RGBColor(0xECECEC)
  private static let empty = RGBColor(0xE8E8E8)

  /// Longest name in characters.
  private static let longestName = 18

  private let labels: [String]
  /// Each row's shares; `nil` where the row has no pixel.
  private let shares: [[Double]?]
  private let showsValues: Bool
  private let scale: Int
  private let cell: Int
  /// Step between labelled classes.
  private let step: Int

  init(names: [String], counts: [[Double]]) {
    let count = counts.count
    showsValues = count <= ConfusionPicture.mostNamed
    scale = showsValues ? 2 : 1
    let names = showsValues ? names : []
    labels = (0..<count).map { index in
      index < names.count
        ? BitmapFont.label(names[index], id: index, longest: Self.longestName) : "\(index)"
    }
    shares = counts.map { row in
      let cells = (0..<count).map { column -> Double in
        let value = column < row.count ? row[column] : 0
        return value.isFinite && value > 0 ? value : 0
      }
      // Scaled by the largest first, so that no sum overflows.
      guard let largest = cells.max(), largest > 0 else { return nil }
      let total = cells.reduce(0) { $0 + $1 / largest }
      return cells.map { $0 / largest / total }
    }
    // Three digits and some air where values are shown; a large matrix stays near 2000 pixels.
    let threeDigits = BitmapFont.width(of: "100") * scale
    cell = showsValues ? threeDigits + 6 * scale : min(max(2000 / count, 2), 12)
    step = (BitmapFont.advance * 2 + cell - 1) / cell
  }

  private var side: Int { cell * shares.count }
  private var gap: Int { 4 * scale }
  private var line: Int { BitmapFont.height * scale }
  private var labelLength: Int { (labels.map { BitmapFont.width(of: $0) }.max() ?? 0) * scale }
  /// From the left and from the top: margin, axis title, labels, then the matrix.
  private var origin: Int { 3 * gap + line + labelLength + gap }

  func drawn() -> Image {
    let caption = "% of each true class"
    let captionHeight = line + 2 * gap
    let size = origin + side + 2 * gap
    let right = max(size, origin + BitmapFont.width(of: caption) * scale + 2 * gap)
    var canvas = Canvas(width: right, height: size + captionHeight, background: .white)
    drawCells(on: &canvas)
    drawAxes(on: &canvas)
    canvas.text(caption, x: origin, y: origin + side + 2 * gap, scale: scale, Self.ink)
    return canvas.image
  }

  private func drawCells(on canvas: inout Canvas) {
    // Grid lines show between cells that have room for them.
    let line = cell >= 8 ? 1 : 0
    canvas.fill(
      x: origin - line, y: origin - line, width: side + 2 * line, height: side + 2 * line,
      showsValues ? Self.grid : Self.faintGrid)
    for (row, shares) in shares.enumerated() {
      for column in labels.indices {
        let share = shares?[column]
        let colour = share.map(ConfusionPicture.shade) ?? Self.empty
        let x = origin + column * cell
        let y = origin + row * cell
        canvas.fill(x: x, y: y, width: cell - line, height: cell - line, colour)
        if showsValues, let share, share > 0 { drawValue(share, x: x, y: y, colour, on: &canvas) }
      }
    }
  }

  private func drawValue(
    _ share: Double, x: Int, y: Int, _ background: RGBColor, on canvas: inout Canvas
  ) {
    let percent = Int((share * 100).rounded())
    let text = percent == 0 ? "<1" : "\(percent)"
    let width = BitmapFont.width(of: text) * scale
    canvas.text(
      text, x: x + (cell - width) / 2, y: y + (cell - BitmapFont.capHeight * scale) / 2,
      scale: scale, background.luma < 140 ? .white : Self.ink)
  }

  private func drawAxes(on canvas: inout Canvas) {
    let titleAt = 2 * gap
    canvas.text("prediction", x: origin, y: titleAt, scale: scale, Self.ink)
    canvas.text(
      "truth", x: titleAt, y: origin + BitmapFont.width(of: "truth") * scale, scale: scale,
      Self.ink, upwards: true)
    let middle = (cell - BitmapFont.capHeight * scale) / 2
    for index in stride(from: 0, to: labels.count, by: step) {
      let at = origin + index * cell + middle
      let width = BitmapFont.width(of: labels[index]) * scale
      canvas.text(labels[index], x: origin - gap - width, y: at, scale: scale, Self.ink)
      canvas.text(labels[index], x: at, y: origin - gap, scale: scale, Self.ink, upwards: true)
    }
  }
}
