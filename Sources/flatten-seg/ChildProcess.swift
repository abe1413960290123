import FlattenFiles
import Foundation

/// This program, run once more.
///
/// By `posix_spawn`: Foundation's `Process` waits for ever where the system does not start its thread, and its
/// `Bundle` ends the process where there is no `/proc`.
enum ChildProcess {
  /// How a process ended.
  enum Ending: Equatable {
    case status(Int32)
    /// By a signal.
    case signal(Int32)
  }

  /// Runs the program with standard input closed, and returns what it wrote on standard output.
  ///
  /// - Throws: ``ExitStatus/failed`` where the system starts no process; the reason is printed.
  static func output(of arguments: [String]) throws -> (Data, Ending) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw failure(errno) }
    let reader = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
    defer { try? reader.close() }
    let process: pid_t
    do {
      defer { close(ends[1]) }
      process = try start(arguments, output: ends)
    }
    let written = Result { try reader.readToEnd() ?? Data() }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    // The C macros WIFEXITED and so on.
    let number = status & 0x7F
    return (try written.get(), number == 0 ? .status(status >> 8 & 0xFF) : .signal(number))
  }

  /// The program's file: the one that runs, also where it has another name by now; without `/proc` the one
  /// that a shell would find.
  private static var program: String {
    let own = "/proc/self/exe"
    return access(own, X_OK) == 0 ? own : name
  }

  private static var name: String { FlattenSegCommand.arguments.first ?? "flatten-seg" }

  private static func start(_ arguments: [String], output: [Int32]) throws -> pid_t {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #else
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    // A group of its own: a terminal's interrupt is for the process that waits, which then stops after this one.
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO)
    for end in output { posix_spawn_file_actions_addclose(&actions, end) }
    var words = ([name] + arguments).map { strdup($0) }
    defer { words.forEach { free($0) } }
    words.append(nil)
    var process: pid_t = 0
    let code = posix_spawnp(&process, program, &actions, &attributes, words, environ)
    guard code == 0 else { throw failure(code) }
    return process
  }

  private static func failure(_ code: Int32) -> ExitStatus {
    Output.error("error: this program could not be started once more: \(systemReason(code))")
    return .failed
  }
}
