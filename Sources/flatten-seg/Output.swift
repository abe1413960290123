import FlattenFiles
import FlattenSystem
import FlattenTensor
import Foundation
import Synchronization

/// The two streams: results on standard output, everything else on standard error.
enum Output {
  /// Why standard output takes no more: the C library's error number.
  private static let failure = Locked<Int32?>(nil)

  /// Whether results can go nowhere any more.
  static var isLost: Bool { failure.withLock { $0 != nil } }

  /// Whether whoever was reading left before all results were told.
  static var wasLeft: Bool { failure.withLock { $0 == EPIPE } }

  /// Notes that a result was written past ``line(_:)`` and found no reader.
  static func noteReaderLeft() { failure.withLock { $0 = $0 ?? EPIPE } }

  /// Writes a line of results.
  static func line(_ text: String) { self.text(text + "\n") }

  /// Writes text of results as it is.
  static func text(_ text: String) {
    // On a terminal results share the screen with the progress.
    if isTerminal { Progress.shared.clear() }
    write(text, to: STDOUT_FILENO)
  }

  private static let isTerminal = isatty(STDOUT_FILENO) == 1

  /// Writes a message for people.
  static func error(_ text: String) {
    Progress.shared.clear()
    write(text + "\n", to: STDERR_FILENO)
  }

  static func warning(_ text: String) { error("warning: \(text)") }

  /// Called once before the process ends.
  ///
  /// - Returns: what was wrong with standard output. A reader that left is told by the status alone.
  static func finish() -> FileError? {
    Progress.shared.clear()
    guard let code = failure.withLock({ $0 }), code != EPIPE else { return nil }
    return FileError(path: "standard output", kind: .unwritable, errno: code)
  }

  /// Writes on the terminal's last line.
  static func overwriteLine(_ text: String) { write("\r\u{1B}[K" + text, to: STDERR_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let wrote = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if wrote > 0 {
        bytes = bytes.dropFirst(wrote)
      } else if errno != EINTR {
        let code = errno
        if descriptor == STDOUT_FILENO { failure.withLock { $0 = $0 ?? code } }
        return
      }
    }
  }
}

/// A line on a terminal that says how far a batch is; nothing where standard error is no terminal.
final class Progress: Sendable {
  static let shared = Progress()

  private struct State {
    var isOn = false
    var isShown = false
    var start = ContinuousClock.now
    var last = ContinuousClock.now
  }

  private let state = Locked(State())

  /// Begins a batch.
  func begin(quiet: Bool) {
    let terminal =
      isatty(STDERR_FILENO) == 1
      && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    state.withLock {
      $0.isOn = terminal && !quiet
      $0.start = .now
    }
  }

  /// Shows count, rate and time left, a few times a second.
  func show(done: Int, of total: Int) {
    let line: String? = state.withLock { state in
      guard state.isOn else { return nil }
      let now = ContinuousClock.now
      if state.isShown && now - state.last < .milliseconds(200) && done < total { return nil }
      state.last = now
      state.isShown = true
      let time = (now - state.start).seconds
      let rate = Double(done) / max(time, 1e-9)
      let left = rate > 0 ? Int((Double(total - done) / rate).rounded(.up)) : 0
      return String(
        format: "%d of %d, %.1f pictures a second, %d:%02d left", done, total, rate,
        left / 60, left % 60)
    }
    if let line { Output.overwriteLine(line) }
  }

  /// Removes the line, before something else is printed.
  func clear() {
    let wasShown = state.withLock { state in
      defer { state.isShown = false }
      return state.isShown
    }
    if wasShown { Output.overwriteLine("") }
  }
}

/// Whether the user asked to stop. The first interrupt lets the pictures under way finish, the second
/// ends the process.
enum Interrupt {
  private static let count = Atomic<Int>(0)
  /// SIG_IGN as a number: functions cannot be compared.
  private static let ignored = 1

  static var isRequested: Bool { count.load(ordering: .relaxed) > 0 || Output.isLost }

  static var wasSignalled: Bool { count.load(ordering: .relaxed) > 0 }

  /// Begins to listen; where whoever started the program wants interrupts ignored, as nohup's users and
  /// background jobs do, they stay ignored.
  static func watch() {
    if signal(SIGINT, SIG_IGN).map({ unsafeBitCast($0, to: Int.self) }) == ignored { return }
    signal(SIGINT) { _ in
      if Interrupt.count.add(1, ordering: .relaxed).newValue > 1 {
        fs_remove_temporaries()
        _exit(130)
      }
    }
  }
}
