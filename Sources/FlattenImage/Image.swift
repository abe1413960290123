import FlattenRegions

/// A colour picture in memory: 8-bit RGB, upright.
///
/// ```swift
/// let decoded = try Image.decode(path: "street.jpg")
/// let small = decoded.value.resized(width: 512, height: 384, by: .bilinear)
/// try small.writePNG(to: "small.png")
/// ```
public struct Image: Sendable, Equatable {
  /// Width in pixels, at least 1.
  public let width: Int
  /// Height in pixels, at least 1.
  public let height: Int
  /// `height * width * 3` samples, 0 to 255, in the order R, G, B, row by row without padding.
  public package(set) var pixels: [UInt8]

  /// Both sides.
  public var size: PixelSize { PixelSize(height: height, width: width) }

  /// Makes a picture from its samples.
  ///
  /// - Precondition: both sides are at least 1 and `pixels.count == width * height * 3`.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "a picture of \(width)x\(height) pixels")
    precondition(
      pixels.count == width * height * 3,
      "\(pixels.count) samples for a picture of \(width)x\(height) pixels")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// Makes a picture of one colour.
  ///
  /// - Precondition: both sides are at least 1.
  public init(width: Int, height: Int, filledWith colour: RGBColor) {
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    for start in stride(from: 0, to: pixels.count, by: 3) {
      pixels[start] = colour.red
      pixels[start + 1] = colour.green
      pixels[start + 2] = colour.blue
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// The colour of one pixel.
  ///
  /// - Precondition: `x` and `y` are inside the picture.
  public subscript(x: Int, y: Int) -> RGBColor {
    precondition(
      (0..<width).contains(x) && (0..<height).contains(y),
      "pixel (\(x), \(y)) of a picture of \(width)x\(height)")
    let start = (y * width + x) * 3
    return RGBColor(red: pixels[start], green: pixels[start + 1], blue: pixels[start + 2])
  }
}

/// A decoded value, with the decoder's warnings.
public struct Decoded<Value: Sendable>: Sendable {
  /// The value.
  public let value: Value
  /// One line each, naming the file; empty for a clean file.
  public let warnings: [String]
  /// The EXIF orientation that the file carries, applied or not.
  let storedOrientation: Orientation

  /// Whether the file carries an EXIF orientation that turns or mirrors it, applied or not.
  package var hasOrientation: Bool { storedOrientation != .upright }

  /// Whether the file's EXIF orientation turns rows into columns, applied or not.
  package var hasSidewaysOrientation: Bool { storedOrientation.swapsSides }
}
