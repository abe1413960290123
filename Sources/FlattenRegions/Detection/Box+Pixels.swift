extension Box {
  /// The pixels of a picture that the box touches: rounded outwards, cut to the picture. `nil` where there are
  /// none, or an edge is not a number.
  public func pixels(in size: PixelSize) -> PixelRectangle? {
    func edge(_ value: Float, _ side: Int) -> Int { Int(min(max(value, 0), Float(side))) }
    guard left < right, top < bottom else { return nil }
    let (x, y) = (edge(left.rounded(.down), size.width), edge(top.rounded(.down), size.height))
    let (endX, endY) = (
      min(edge(right.rounded(.up), size.width), size.width),
      min(edge(bottom.rounded(.up), size.height), size.height)
    )
    guard x < endX, y < endY else { return nil }
    return PixelRectangle(x: x, y: y, width: endX - x, height: endY - y)
  }
}
