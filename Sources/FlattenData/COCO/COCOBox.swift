/// A box as COCO writes it: the upper left corner and the sides, in pixels.
public struct COCOBox: Sendable, Hashable {
  /// The left edge.
  public var x: Double
  /// The upper edge.
  public var y: Double
  /// The right edge minus the left one.
  public var width: Double
  /// The lower edge minus the upper one.
  public var height: Double

  /// Makes a box.
  public init(x: Double, y: Double, width: Double, height: Double) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// `width * height`.
  public var area: Double { width * height }
}
