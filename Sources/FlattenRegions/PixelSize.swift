/// A height and a width in pixels.
public struct PixelSize: Sendable, Hashable {
  /// Rows.
  public var height: Int
  /// Columns.
  public var width: Int

  /// Makes a size.
  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
}

extension PixelSize {
  /// Pixels in all.
  package var area: Int { height * width }

  /// The largest size of the same proportions whose sides stay within the two.
  package func fitted(long: Int, short: Int) -> PixelSize {
    scaled(
      by: min(
        Double(long) / Double(max(height, width)), Double(short) / Double(min(height, width))))
  }

  /// Both sides times `factor`, rounded half up, at least 1.
  package func scaled(by factor: Double) -> PixelSize {
    PixelSize(
      height: max(1, Int(min(Double(height) * factor + 0.5, Self.longest))),
      width: max(1, Int(min(Double(width) * factor + 0.5, Self.longest))))
  }

  /// Both sides rounded up to multiples of `step`.
  package func padded(to step: Int) -> PixelSize {
    PixelSize(
      height: (height + step - 1) / step * step, width: (width + step - 1) / step * step)
  }

  /// What each side was multiplied with to become that of `size`: two numbers, as both were rounded.
  package func factors(to size: PixelSize) -> (x: Double, y: Double) {
    (Double(size.width) / Double(width), Double(size.height) / Double(height))
  }

  /// No side becomes longer: areas of such sides can still be counted.
  private static let longest = 0x1p30
}
