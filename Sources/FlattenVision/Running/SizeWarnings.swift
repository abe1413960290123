import FlattenFiles
import FlattenTensor

/// What is said of the sizes that the network sees: what is wrong with one picture of a batch is wrong with most, so
/// it is said once.
final class SizeWarnings: Sendable {
  private let isSaid = Locked(false)

  /// The warnings of a result that name its picture; none where an earlier one had some.
  func first(of segmentation: Segmentation, path: String) -> [String] {
    if segmentation.warnings.isEmpty { return [] }
    let isLater = isSaid.withLock { said in
      defer { said = true }
      return said
    }
    return isLater ? [] : segmentation.warnings.map { "\(printable(path, limit: 200)): \($0)" }
  }
}
