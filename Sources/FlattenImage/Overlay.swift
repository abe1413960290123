import FlattenRegions

extension Image {
  /// The picture with each pixel tinted in its class's colour.
  ///
  /// Classes that the palette has no colour for, such as an ignore index of 255, stay untinted.
  ///
  /// - Parameters:
  ///   - labels: the class of each pixel.
  ///   - opacity: 0 leaves the picture, 1 gives the flat colours. Values outside are cut.
  /// - Precondition: the picture and the map have the same size.
  public func overlaid(with labels: LabelMap, palette: Palette, opacity: Double) -> Image {
    precondition(
      labels.width == width && labels.height == height,
      "a label map of \(labels.width)x\(labels.height) on a picture of \(width)x\(height)")
    // NaN fails the comparison and counts as 0.
    let share = opacity > 0 ? Int((min(opacity, 1) * 256).rounded()) : 0
    guard share > 0 else { return self }
    // The tint's part of the sum and the rounding, once for each class.
    let tints = palette.colours.map { colour in
      (
        Int(colour.red) * share + 128, Int(colour.green) * share + 128,
        Int(colour.blue) * share + 128
      )
    }
    let rest = 256 - share
    let mixed = [UInt8](unsafeUninitializedCapacity: pixels.count) { out, written in
      func mix(_ at: Int, _ sample: UInt8, _ tint: Int) {
        out.initializeElement(
          at: at, to: UInt8(truncatingIfNeeded: (Int(sample) &* rest &+ tint) >> 8))
      }
      pixels.withUnsafeBufferPointer { pixels in
        for (index, id) in labels.ids.enumerated() {
          let at = index * 3
          if Int(id) < tints.count {
            let tint = tints[Int(id)]
            mix(at, pixels[at], tint.0)
            mix(at + 1, pixels[at + 1], tint.1)
            mix(at + 2, pixels[at + 2], tint.2)
          } else {
            for channel in at..<at + 3 {
              out.initializeElement(at: channel, to: pixels[channel])
            }
          }
        }
      }
      written = pixels.count
    }
    return Image(width: width, height: height, pixels: mixed)
  }
}

extension LabelMap {
  /// The map as flat colours; ids without a colour are black.
  public func coloured(by palette: Palette) -> Image {
    Image(width: width, height: height, filledWith: .black)
      .overlaid(with: self, palette: palette, opacity: 1)
  }
}
