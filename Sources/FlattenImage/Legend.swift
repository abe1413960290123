import FlattenRegions

/// The entries of a legend: the classes of a label map, the largest first.
public struct Legend: Sendable, Equatable {
  /// One class that occurs.
  public struct Entry: Sendable, Equatable {
    /// The class id.
    public let id: UInt16
    /// The class's name; `id 255` where it has none.
    public let name: String
    /// The class's colour, `nil` where the palette has none.
    public let colour: RGBColor?
    /// Pixels of this class.
    public let pixels: Int
  }

  /// The classes that occur, by falling number of pixels, then by id.
  public let entries: [Entry]
  /// Pixels of the map.
  public let total: Int

  /// Counts the classes of a map.
  public init(of labels: LabelMap, names: [String], palette: Palette) {
    var counts = [Int](repeating: 0, count: 1 << 16)
    for id in labels.ids { counts[Int(id)] += 1 }
    entries = counts.indices.filter { counts[$0] > 0 }
      .map { id in
        Entry(
          id: UInt16(id), name: id < names.count ? names[id] : "id \(id)",
          colour: palette.colour(of: UInt16(id)), pixels: counts[id])
      }
      .sorted { ($1.pixels, $0.id) < ($0.pixels, $1.id) }
    total = labels.ids.count
  }

  /// An entry's share of all pixels in percent, with one decimal: `12.5%`, `<0.1%`.
  func share(of entry: Entry) -> String {
    let thousandths = Int((Double(entry.pixels) / Double(max(total, 1)) * 1000).rounded())
    return thousandths == 0 ? "<0.1%" : "\(thousandths / 10).\(thousandths % 10)%"
  }
}

extension Image {
  /// The picture with a panel below that explains the colours: swatch, name and share of each class.
  ///
  /// Letters grow with the picture. Classes run down columns; where they would take more room than
  /// the picture itself, smaller letters are used. A picture too narrow for one column is set on a
  /// wider white ground. Long names are cut.
  ///
  /// - Parameter longestSide: of the whole; where also the smallest letters would make it longer, the
  ///   picture is returned as it is.
  public func withLegend(_ legend: Legend, longestSide: Int = .max) -> Image {
    guard !legend.entries.isEmpty else { return self }
    let largest = min(max((max(width, height) + 200) / 340, 1), 12)
    let layouts = (1...largest).reversed().map {
      LegendLayout(legend, scale: $0, pictureWidth: width)
    }
    // The last one, with the smallest letters, is taken whatever its size.
    guard let last = layouts.last else { return self }
    let fits = { (layout: LegendLayout) in
      layout.width <= self.width && layout.height <= max(self.height / 2, 1)
        && layout.height <= longestSide - self.height
    }
    let layout = layouts.first(where: fits) ?? last
    guard max(width, layout.width, height + layout.height) <= longestSide else { return self }
    return layout.drawn(below: self)
  }
}

/// The layout of a legend for letters of one size. Lengths are dots of a letter; a dot is `scale`
/// pixels.
private struct LegendLayout {
  private static let background = RGBColor.white
  private static let ink = RGBColor(0x202020)
  private static let border = RGBColor(0x808080)
  /// Longest name in characters.
  private static let longestName = 28
  private static let swatch = BitmapFont.height
  /// Between swatch, name and share.
  private static let gap = 4
  /// Between columns.
  private static let gutter = 9
  /// Around the panel.
  private static let margin = 5
  /// From one line to the next.
  private static let line = 12

  private let legend: Legend
  private let names: [String]
  private let shares: [String]
  private let scale: Int
  private let columnWidth: Int
  private let rows: Int

  /// - Precondition: the legend has at least one entry.
  init(_ legend: Legend, scale: Int, pictureWidth: Int) {
    self.legend = legend
    self.scale = scale
    names = legend.entries.map {
      BitmapFont.label($0.name, id: Int($0.id), longest: Self.longestName)
    }
    shares = legend.entries.map { legend.share(of: $0) }
    let longest = { (texts: [String]) in texts.map { BitmapFont.width(of: $0) }.max() ?? 0 }
    columnWidth = Self.swatch + Self.gap + longest(names) + Self.gap + longest(shares)
    // n columns have n - 1 gutters between them and a margin on both sides.
    let room = pictureWidth / scale - 2 * Self.margin + Self.gutter
    let columns = min(max(room / (columnWidth + Self.gutter), 1), legend.entries.count)
    rows = (legend.entries.count + columns - 1) / columns
  }

  /// Pixels across the panel.
  var width: Int {
    let columns = (legend.entries.count + rows - 1) / rows
    return (columns * (columnWidth + Self.gutter) - Self.gutter + 2 * Self.margin) * scale
  }

  /// Pixels down the panel.
  var height: Int { ((rows - 1) * Self.line + Self.swatch + 2 * Self.margin) * scale }

  func drawn(below picture: Image) -> Image {
    var canvas = Canvas(
      width: max(picture.width, width), height: picture.height + height,
      background: Self.background)
    canvas.draw(picture, x: 0, y: 0)
    for (index, entry) in legend.entries.enumerated() {
      let x = (Self.margin + index / rows * (columnWidth + Self.gutter)) * scale
      let y = picture.height + (Self.margin + index % rows * Self.line) * scale
      canvas.box(
        x: x, y: y, width: Self.swatch * scale, height: Self.swatch * scale, line: scale,
        border: Self.border, entry.colour ?? Self.background)
      // Capitals are two dots shorter than a swatch: one dot down puts them in its middle.
      canvas.text(
        names[index], x: x + (Self.swatch + Self.gap) * scale, y: y + scale, scale: scale, Self.ink)
      canvas.text(
        shares[index], x: x + (columnWidth - BitmapFont.width(of: shares[index])) * scale,
        y: y + scale, scale: scale, Self.ink)
    }
    return canvas.image
  }
}
