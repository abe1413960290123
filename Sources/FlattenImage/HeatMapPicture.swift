/// Heat maps over one picture, side by side, with a title above and a scale below each.
///
/// The colours are those of "inferno" (S. van der Walt and N. Smith, public domain): black, violet, red,
/// orange, pale yellow, whose lightness rises evenly, so that equal steps of the number look equal also in
/// grey and to the colour-blind. Numbers of either sign have those colours above zero; below it equal magnitudes
/// have about the same lightness in blue: black, navy, blue, azure, pale cyan.
package struct HeatMapPicture {
  /// One heat map.
  package struct Panel: Sendable {
    package let title: String
    /// The number of each cell, row by row; a cell without one shows the picture in grey.
    package let cells: [Double?]
    /// The number at the end of the scale; larger ones have the same colour.
    package let limit: Double
    /// The label of the scale's end.
    package let limitText: String
    /// The label of the scale's other end, `-limit`; `nil` where the scale begins with 0.
    package let negativeLimitText: String?

    package init(
      title: String, cells: [Double?], limit: Double, limitText: String,
      negativeLimitText: String? = nil
    ) {
      self.title = title
      self.cells = cells
      self.limit = limit
      self.limitText = limitText
      self.negativeLimitText = negativeLimitText
    }

    /// The colour of a number.
    func colour(_ value: Double) -> RGBColor {
      let share = limit > 0 ? value / limit : 0
      return negativeLimitText == nil
        ? HeatMapPicture.colour(share) : HeatMapPicture.signedColour(share)
    }
  }

  private let picture: Image
  private let mark: (x: Int, y: Int)
  private let cell: (_ x: Double, _ y: Double) -> Int?
  private let heading: [String]
  private let panels: [Panel]

  /// Longest side of a panel's picture, and the shortest that leaves room for its title.
  private static let sides = 240...640
  private static let ink = RGBColor(0x202020)
  private static let background = RGBColor.white
  private static let stops = [
    0x000004, 0x1B0C41, 0x4A0C6B, 0x781C6D, 0xA52C60, 0xCF4446, 0xED6925, 0xFB9B06, 0xF7D13D,
    0xFCFFA4,
  ].map { RGBColor($0) }
  /// As light as ``stops``, one by one; the last is less pale, so that the two ends differ.
  private static let negativeStops = [
    0x000004, 0x081350, 0x0A268A, 0x1041B8, 0x175ED4, 0x207EDF, 0x2FA3E6, 0x4FC5ED, 0x8EE3F3,
    0xC4FFFF,
  ].map { RGBColor($0) }
  /// Weight of the grey picture against the heat map's colour, of 256.
  private static let pictureShare = 96

  /// - Parameters:
  ///   - mark: the pixel that is marked in every panel.
  ///   - heading: lines above the panels.
  ///   - cell: the cell's index for a position on the picture, in pixels from the left and from the
  ///     top; `nil` outside the map.
  package init(
    _ picture: Image, mark: (x: Int, y: Int), heading: [String], panels: [Panel],
    cell: @escaping (_ x: Double, _ y: Double) -> Int?
  ) {
    self.picture = picture
    self.mark = mark
    self.cell = cell
    self.heading = heading
    self.panels = panels
  }

  /// The colour of a share of the scale, 0 to 1.
  static func colour(_ share: Double) -> RGBColor { RGBColor.between(stops, share: share) }

  /// The colour of a share of a scale of both signs, -1 to 1.
  static func signedColour(_ share: Double) -> RGBColor {
    share < 0 ? RGBColor.between(negativeStops, share: -share) : colour(share)
  }

  /// Draws everything.
  package func drawn() -> Image {
    let shown = resized()
    let scale = max(1, max(shown.width, shown.height) / 300)
    let (gap, line) = (6 * scale, (BitmapFont.height + 4) * scale)
    let top = gap + heading.count * line + gap
    let widest = heading.map { BitmapFont.width(of: $0) * scale }.max() ?? 0
    let panelsWidth = panels.count * (shown.width + gap) + gap
    var canvas = Canvas(
      width: max(panelsWidth, widest + 2 * gap),
      height: top + line + shown.height + gap + line + line + gap, background: Self.background)
    for (index, text) in heading.enumerated() {
      canvas.text(text, x: gap, y: gap + index * line, scale: scale, Self.ink)
    }
    for (index, panel) in panels.enumerated() {
      let x = gap + index * (shown.width + gap)
      canvas.text(panel.title, x: x, y: top, scale: scale, Self.ink)
      canvas.draw(heated(shown, panel), x: x, y: top + line)
      drawMark(on: &canvas, shown, x: x, y: top + line, scale: scale)
      drawScale(
        panel, on: &canvas, x: x, y: top + line + shown.height + gap, width: shown.width,
        scale: scale)
    }
    return canvas.image
  }

  /// The picture at a panel's size.
  private func resized() -> Image {
    let longest = max(picture.width, picture.height)
    let wanted = min(max(longest, Self.sides.lowerBound), Self.sides.upperBound)
    if wanted == longest { return picture }
    func side(_ length: Int) -> Int { max(1, length * wanted / longest) }
    return picture.resized(
      width: side(picture.width), height: side(picture.height),
      by: wanted < longest ? .antialiasedBilinear : .nearest)
  }

  /// The picture in grey, tinted by the panel's numbers.
  private func heated(_ shown: Image, _ panel: Panel) -> Image {
    var result = shown
    let across = Double(picture.width) / Double(shown.width)
    let down = Double(picture.height) / Double(shown.height)
    for y in 0..<shown.height {
      for x in 0..<shown.width {
        let luma = UInt8(clamping: shown[x, y].luma)
        let grey = RGBColor(red: luma, green: luma, blue: luma)
        var colour = grey
        if let cell = cell((Double(x) + 0.5) * across, (Double(y) + 0.5) * down),
          let value = panel.cells[cell]
        {
          colour = panel.colour(value).mixed(with: grey, share: Self.pictureShare)
        }
        let start = (y * shown.width + x) * 3
        result.pixels[start] = colour.red
        result.pixels[start + 1] = colour.green
        result.pixels[start + 2] = colour.blue
      }
    }
    return result
  }

  /// Four arms around the marked pixel, which stays visible.
  private func drawMark(
    on canvas: inout Canvas, _ shown: Image, x: Int, y: Int, scale: Int
  ) {
    let centre = (
      x: x + mark.x * shown.width / picture.width, y: y + mark.y * shown.height / picture.height
    )
    let (from, length) = (5 * scale, 8 * scale)
    for (colour, extra) in [(RGBColor.black, scale), (RGBColor.white, 0)] {
      let thickness = scale + 2 * extra
      let run = length + 2 * extra
      for start in [-from - length - extra, from - extra] {
        canvas.fill(
          x: centre.x + start, y: centre.y - thickness / 2, width: run, height: thickness, colour)
        canvas.fill(
          x: centre.x - thickness / 2, y: centre.y + start, width: thickness, height: run, colour)
      }
    }
  }

  /// A bar of all colours, with the numbers at its ends, and in the middle of both signs, below it.
  private func drawScale(
    _ panel: Panel, on canvas: inout Canvas, x: Int, y: Int, width: Int, scale: Int
  ) {
    let height = BitmapFont.height * scale
    let isSigned = panel.negativeLimitText != nil
    for column in 0..<width {
      let share = Double(column) / Double(max(width - 1, 1))
      let colour = isSigned ? Self.signedColour(2 * share - 1) : Self.colour(share)
      canvas.fill(x: x + column, y: y, width: 1, height: height, colour)
    }
    let below = y + height + 3 * scale
    func label(_ text: String, at share: Double) {
      let room = Double(width - BitmapFont.width(of: text) * scale)
      canvas.text(text, x: x + Int(room * share), y: below, scale: scale, Self.ink)
    }
    if let text = panel.negativeLimitText { label(text, at: 0) }
    label("0", at: isSigned ? 0.5 : 0)
    label(panel.limitText, at: 1)
  }
}
