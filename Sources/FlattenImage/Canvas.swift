/// A picture to draw on. Drawing outside it has no effect.
struct Canvas {
  private(set) var image: Image

  init(width: Int, height: Int, background: RGBColor) {
    image = Image(width: width, height: height, filledWith: background)
  }

  /// Fills a rectangle.
  mutating func fill(x: Int, y: Int, width: Int, height: Int, _ colour: RGBColor) {
    let columns = max(x, 0)..<max(max(x, 0), min(x + width, image.width))
    let rows = max(y, 0)..<max(max(y, 0), min(y + height, image.height))
    let stride = image.width * 3
    image.pixels.withUnsafeMutableBufferPointer { pixels in
      for row in rows {
        var at = row * stride + columns.lowerBound * 3
        for _ in columns {
          pixels[at] = colour.red
          pixels[at + 1] = colour.green
          pixels[at + 2] = colour.blue
          at += 3
        }
      }
    }
  }

  /// Fills a rectangle inside a border of `line` pixels.
  mutating func box(
    x: Int, y: Int, width: Int, height: Int, line: Int, border: RGBColor, _ colour: RGBColor
  ) {
    fill(x: x, y: y, width: width, height: height, border)
    fill(
      x: x + line, y: y + line, width: width - 2 * line, height: height - 2 * line, colour)
  }

  /// Draws another picture with its first pixel at (x, y).
  mutating func draw(_ picture: Image, x: Int, y: Int) {
    let columns = max(x, 0)..<max(max(x, 0), min(x + picture.width, image.width))
    guard !columns.isEmpty else { return }
    for row in max(y, 0)..<max(max(y, 0), min(y + picture.height, image.height)) {
      let from = ((row - y) * picture.width + columns.lowerBound - x) * 3
      let to = (row * image.width + columns.lowerBound) * 3
      let count = columns.count * 3
      image.pixels.replaceSubrange(to..<to + count, with: picture.pixels[from..<from + count])
    }
  }

  /// Draws a line of text, `scale` pixels a dot, its first letter's upper left corner at (x, y).
  ///
  /// - Parameter upwards: turned by a quarter to the left, so that it is read from the bottom to the
  ///   top; (x, y) is then the lower left corner of the text.
  mutating func text(
    _ text: String, x: Int, y: Int, scale: Int, _ colour: RGBColor, upwards: Bool = false
  ) {
    for (position, letter) in text.enumerated() {
      let rows = BitmapFont.rows(of: letter)
      for (row, bits) in zip((BitmapFont.height - rows.count)..., rows) {
        for column in 0..<BitmapFont.width
        where bits >> UInt8(BitmapFont.width - 1 - column) & 1 == 1 {
          let across = (position * BitmapFont.advance + column) * scale
          let down = row * scale
          if upwards {
            fill(x: x + down, y: y - across - scale, width: scale, height: scale, colour)
          } else {
            fill(x: x + across, y: y + down, width: scale, height: scale, colour)
          }
        }
      }
    }
  }
}
