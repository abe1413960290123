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
