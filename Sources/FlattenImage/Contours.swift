import FlattenRegions

extension Image {
  /// Contours: draws a line one pixel wide between neighbouring pixels of different classes.
  ///
  /// Of two such pixels it is the left or the upper one that is drawn, black where the picture is light and
  /// white where it is dark. The picture's own border is no contour.
  ///
  /// - Precondition: the picture and the map have the same size.
  package mutating func drawContours(of labels: LabelMap) {
    precondition(
      labels.width == width && labels.height == height,
      "a label map of \(labels.width)x\(labels.height) on a picture of \(width)x\(height)")
    let (width, height) = (width, height)
    pixels.withUnsafeMutableBufferPointer { pixels in
      labels.ids.withUnsafeBufferPointer { ids in
        for y in 0..<height {
          let row = y * width
          // The last row has nothing below it: it is compared with itself.
          let below = y + 1 < height ? row + width : row
          for x in 0..<width {
            let id = ids[row + x]
            let right = x + 1 < width ? ids[row + x + 1] : id
            guard id != right || id != ids[below + x] else { continue }
            let at = (row + x) * 3
            let shown = RGBColor(red: pixels[at], green: pixels[at + 1], blue: pixels[at + 2])
            let line: UInt8 = shown.luma < Self.darkestForBlack ? 255 : 0
            pixels[at] = line
            pixels[at + 1] = line
            pixels[at + 2] = line
          }
        }
      }
    }
  }

  /// The least luma that a black line shows on.
  private static let darkestForBlack = 80
}
