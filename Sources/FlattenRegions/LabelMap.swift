/// One class id per pixel, row-major: what a segmentor predicts and what a label picture holds.
public struct LabelMap: Sendable, Equatable {
  /// Width in pixels.
  public let width: Int
  /// Height in pixels.
  public let height: Int
  /// `height * width` class ids, row by row.
  public var ids: [UInt16]

  /// Makes a map from its ids.
  ///
  /// - Precondition: `ids.count == width * height`.
  public init(width: Int, height: Int, ids: [UInt16]) {
    precondition(
      ids.count == width * height, "\(ids.count) ids for a map of \(width)x\(height) pixels")
    self.width = width
    self.height = height
    self.ids = ids
  }
}
