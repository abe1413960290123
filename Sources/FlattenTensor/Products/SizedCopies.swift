/// Copies of one parameter table for other sizes, each made once: pictures of one size pay once.
///
/// The copies follow from the table alone and do not change anything that is computed; a batch of pictures of
/// ever new sizes does not fill the memory.
final class SizedCopies: Sendable {
  private struct Size: Hashable {
    let height: Int
    let width: Int
  }

  private let copies = Locked<[Size: Tensor]>([:])
  private static let kept = 16
  /// Of all copies together, beside the last one.
  private static let keptElements = 4 << 20

  func copy(height: Int, width: Int, make: () -> Tensor) -> Tensor {
    let size = Size(height: height, width: width)
    if let known = copies.withLock({ $0[size] }) { return known }
    let made = make()
    copies.withLock { copies in
      let elements = copies.values.reduce(0) { $0 + $1.count }
      if copies.count >= Self.kept || elements > Self.keptElements { copies.removeAll() }
      copies[size] = made
    }
    return made
  }
}
