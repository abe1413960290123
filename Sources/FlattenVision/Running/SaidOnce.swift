import FlattenFiles
import FlattenTensor

/// What was said of a batch: what is unusual about one picture is so about most, so it is said once.
final class SaidOnce: Sendable {
  private let topics = Locked<Set<String>>([])

  /// Lines about a picture, with its name; none where an earlier picture had some on that topic.
  func first(_ lines: [String], on topic: String, of path: String) -> [String] {
    guard !lines.isEmpty, topics.withLock({ $0.insert(topic).inserted }) else { return [] }
    return lines.map { "\(printable(path, limit: 200)): \($0)" }
  }
}
