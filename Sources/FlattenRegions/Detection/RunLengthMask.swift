/// A bitmap as run lengths, as COCO has them: column by column from the left, each from the top, how many pixels
/// are 0, how many 1, and so on in turn.
public struct RunLengthMask: Sendable, Hashable {
  /// Size of the bitmap.
  public let size: PixelSize
  /// The lengths, those of 0 first; they sum to the pixels of the bitmap.
  public let counts: [UInt32]

  /// - Precondition: the lengths sum to the pixels of the bitmap.
  package init(size: PixelSize, runs counts: [UInt32]) {
    self.size = size
    self.counts = counts
  }
}
