import FlattenSystem
import Foundation

/// The processors that this process may use: those of its affinity mask, and of these as many as the CPU
/// quota of its control group, or of any group above that, is worth (rounded up).
package enum Processors {
  /// At least 1; asked once.
  package static let available: Int = {
    let processors = fs_affine_processors()
    return count(
      processors > 0 ? Int(processors) : ProcessInfo.processInfo.activeProcessorCount,
      quota: ControlGroups().quota)
  }()

  /// How many threads so many processors and a quota, in processors, are worth.
  static func count(_ processors: Int, quota: Double?) -> Int {
    let most = Double(max(processors, 1))
    return Int(max(1, min(most, (quota ?? most).rounded(.up))))
  }
}
