import FlattenRegions

/// A picture to draw on. Drawing outside it has no effect.
struct Canvas {
  private(set) var image: Image

  init(width: Int, height: Int, background: RGBColor) {
    image = Image(width: width, height: height, filledWith: background)
  }

  /// Draws on a picture.
  init(_ picture: Image) { image = picture }

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

  /// Mixes a colour into the pixels of a mask of the picture's size.
  ///
  /// - Parameter share: of the colour, of 256.
  mutating func tint(_ mask: RunLengthMask, _ colour: RGBColor, share: Int) {
    let (stride, rest) = (image.width * 3, 256 - share)
    let (red, green, blue) = (
      Int(colour.red) * share + 128, Int(colour.green) * share + 128,
      Int(colour.blue) * share + 128
    )
    image.pixels.withUnsafeMutableBufferPointer { pixels in
      mask.forEachSegment { column, rows in
        var at = rows.lowerBound * stride + column * 3
        for _ in rows {
          pixels[at] = UInt8(truncatingIfNeeded: (Int(pixels[at]) &* rest &+ red) >> 8)
          pixels[at + 1] = UInt8(truncatingIfNeeded: (Int(pixels[at + 1]) &* rest &+ green) >> 8)
          pixels[at + 2] = UInt8(truncatingIfNeeded: (Int(pixels[at + 2]) &* rest &+ blue) >> 8)
          at += stride
        }
      }
    }
  }

  /// Draws the outlines of a mask with a line of `line` pixels along their inner side.
  mutating func outline(_ polygons: [Polygon], line: Int, _ colour: RGBColor) {
    for ring in polygons.lazy.flatMap({ [$0.outline] + $0.holes }) {
      var from = ring.last
      for to in ring {
        if let from {
          // The mask lies to the right of who walks along the ring.
          let (left, top) = (min(from.x, to.x), min(from.y, to.y))
          if from.y == to.y {
            fill(
              x: left, y: to.x > from.x ? top : top - line, width: abs(to.x - from.x),
              height: line, colour)
          } else {
            fill(
              x: to.y < from.y ? left : left - line, y: top, width: line,
              height: abs(to.y - from.y), colour)
          }
        }
        from = to
      }
    }
  }

  /// Draws the four sides of a rectangle, `line` pixels wide, inside it.
  mutating func frame(_ frame: PixelRectangle, line: Int, _ colour: RGBColor) {
    let line = min(line, (min(frame.width, frame.height) + 1) / 2)
    let (right, bottom) = (frame.x + frame.width, frame.y + frame.height)
    fill(x: frame.x, y: frame.y, width: frame.width, height: line, colour)
    fill(x: frame.x, y: bottom - line, width: frame.width, height: line, colour)
    fill(x: frame.x, y: frame.y, width: line, height: frame.height, colour)
    fill(x: right - line, y: frame.y, width: line, height: frame.height, colour)
  }

  /// Draws a straight line, `line` pixels wide.
  mutating func line(
    from: (x: Int, y: Int), to: (x: Int, y: Int), line: Int, _ colour: RGBColor
  ) {
    let steps = max(abs(to.x - from.x), abs(to.y - from.y), 1)
    for step in 0...steps {
      fill(
        x: from.x + (to.x - from.x) * step / steps - line / 2,
        y: from.y + (to.y - from.y) * step / steps - line / 2, width: line, height: line, colour)
    }
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
