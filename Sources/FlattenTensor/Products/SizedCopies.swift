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

  func copy(height: Int, width: Int, make: () -> Tensor) -> Tensor {
    let size = Size(height: height, width: width)
    if let known = copies.withLock({ $0[size] }) { return known }
    let made = make()
    copies.withLock { copies in
      if copies.count >= Self.kept { copies.removeAll() }
      copies[size] = made
    }
    return made
  }
}
