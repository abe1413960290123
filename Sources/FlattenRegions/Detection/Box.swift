/// An axis-aligned box in pixels: from the left edge of its first column to the right edge of its last.
///
/// Coordinates count pixel edges: the first pixel of a picture lies between 0 and 1.
public struct Box: Sendable, Hashable {
  /// The left edge.
  public var left: Float
  /// The upper edge.
  public var top: Float
  /// The right edge.
  public var right: Float
  /// The lower edge.
  public var bottom: Float

  /// Makes a box of its edges.
  public init(left: Float, top: Float, right: Float, bottom: Float) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }

  /// `right - left`, negative where the edges are the wrong way round.
  public var width: Float { right - left }
  /// `bottom - top`, negative where the edges are the wrong way round.
  public var height: Float { bottom - top }
}

extension Box {
  /// The box within a picture: x in [0, width], y in [0, height]. It may end up without area; NaN stays NaN.
  public func clipped(to size: PixelSize) -> Box {
    let (width, height) = (Float(size.width), Float(size.height))
    return Box(
      left: min(max(left, 0), width), top: min(max(top, 0), height),
      right: min(max(right, 0), width), bottom: min(max(bottom, 0), height))
  }

  /// All coordinates times a factor of their axis.
  public func scaled(x: Float, y: Float) -> Box {
    Box(left: left * x, top: top * y, right: right * x, bottom: bottom * y)
  }

  /// All coordinates divided by a number of their axis, which does not round as a product with its inverse does.
  public func divided(x: Float, y: Float) -> Box {
    Box(left: left / x, top: top / y, right: right / x, bottom: bottom / y)
  }

  /// `width * height`; positive as well where both edges are the wrong way round.
  public var area: Float { width * height }

  /// The area that two boxes share, 0 where they do not meet.
  public func intersection(with other: Box) -> Float {
    max(min(right, other.right) - max(left, other.left), 0)
      * max(min(bottom, other.bottom) - max(top, other.top), 0)
  }

  /// Intersection over union, 0 to 1. The union counts at least 1e-6: two boxes without area have 0.
  public func intersectionOverUnion(with other: Box) -> Float {
    let shared = intersection(with: other)
    return shared / max(area + other.area - shared, 1e-6)
  }

  /// Intersection over the area of this box, which counts at least 1e-6: its share that lies in the other.
  public func intersectionOverArea(with other: Box) -> Float {
    intersection(with: other) / max(area, 1e-6)
  }
}
