import FlattenFiles
import Foundation
import TestSupport
import Testing

/// All tests of the command line. One after the other: each starts a process that uses all processors.
@Suite(.serialized) struct CommandLineTests {}

/// The built binary, run as a user would.
enum Tool {
  /// `flatten-seg` beside the test bundle in the build folder, or FLATTEN_SEG_BINARY: any other build.
  static let path: String = {
    if let path = ProcessInfo.processInfo.environment["FLATTEN_SEG_BINARY"] { return path }
    let bundle =
      CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    let beside = URL(filePath: bundle).deletingLastPathComponent()
    let candidates = [
      beside, Bundle.main.bundleURL,
    ].map { $0.appending(path: "flatten-seg").path }
    return candidates.first(where: FileManager.default.isExecutableFile(atPath:))
      ?? "flatten-seg is not beside the tests"
  }()

  /// Whether the binary has a sanitizer, which makes it slow and takes terabytes of addresses.
  static let isSanitized = ProcessInfo.processInfo.environment["FLATTEN_SANITIZER"] != nil

  /// For the beginning of a shell script: bounds the address space of what follows.
  static func boundingMemory(kilobytes: Int) -> String {
    isSanitized ? "" : "ulimit -v \(kilobytes);"
  }

  /// Whether this is a release build, which alone is quick enough for some tests.
  static let isOptimised: Bool = {
    if isSanitized { return false }
    if path.contains("/release/") { return true }
    var result = true
    // The condition of an assertion is evaluated in debug builds only.
    assert(
      {
        result = false
        return true
      }())
    return result
  }()

  /// What came of a run.
  struct Outcome {
    let status: Int32
    /// Whether a signal ended the process; `status` is then its number.
    let isSignalled: Bool
    let output: Data
    /// All of standard error.
    let allErrors: String
    let seconds: Double

    var text: String { String(decoding: output, as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
    /// Standard error without what is said of the tests' pictures, which are smaller than any that a model was
    /// trained with.
    var errors: String {
      allErrors.split(separator: "\n", omittingEmptySubsequences: false)
        .filter { !$0.contains("than what it was trained with") }.joined(separator: "\n")
    }
    var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
    /// Standard error without the line that a batch of pictures ends with.
    var messages: [String] {
      errorLines.filter { !$0.contains(#/^\d+ pictures, (\d+ kept, )?\d+ failed, /#) }
    }
  }

  /// Runs the binary.
  ///
  /// - Parameters:
  ///   - folder: the current folder of the process.
  ///   - input: a file for standard input.
  ///   - environment: over the tests' own; an empty value removes.
  static func run(
    _ arguments: [String], in folder: Scratch, input: String? = nil,
    environment: [String: String] = [:], timeout: Double = 300
  ) throws -> Outcome {
    try run(
      executable: path, arguments, in: folder, input: input, environment: environment,
      timeout: timeout)
  }

  /// Runs a shell script in which `$tool` is the binary.
  static func shell(
    _ script: String, in folder: Scratch, timeout: Double = 300
  ) throws -> Outcome {
    try run(
      executable: "/bin/sh", ["-c", script], in: folder, environment: ["tool": path],
      timeout: timeout)
  }

  /// Runs another program.
  static func run(
    executable: String, _ arguments: [String], in folder: Scratch, input: String? = nil,
    environment: [String: String] = [:], timeout: Double = 300
  ) throws -> Outcome {
    let run = try Run(
      executable: executable, arguments, in: folder, input: input, environment: environment)
    return try run.finish(timeout: timeout)
  }
}

/// A process under way.
final class Run {
  let process = Process()
  private let ended = DispatchSemaphore(value: 0)
  private let streams: URL
  private let start = ContinuousClock.now

  /// - Parameter screen: takes both streams, which the outcome then lacks.
  init(
    executable: String = Tool.path, _ arguments: [String], in folder: Scratch,
    input: String? = nil, environment: [String: String] = [:], screen: FileHandle? = nil
  ) throws {
    streams = FileManager.default.temporaryDirectory.appending(path: "streams-\(UUID())")
    try FileManager.default.createDirectory(at: streams, withIntermediateDirectories: true)
    process.executableURL = URL(filePath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = folder.url
    var all = ProcessInfo.processInfo.environment
    all["COLUMNS"] = "80"
    for (key, value) in environment { all[key] = value.isEmpty ? nil : value }
    process.environment = all
    process.standardInput = try FileHandle(
      forReadingFrom: URL(filePath: input.map(folder.path) ?? "/dev/null"))
    let (output, errors) = try (
      Self.file(streams.appending(path: "out")), Self.file(streams.appending(path: "err"))
    )
    process.standardOutput = screen ?? output
    process.standardError = screen ?? errors
    process.terminationHandler = { [ended] _ in ended.signal() }
    try Self.withoutBlockedSignals { try process.run() }
  }

  /// Threads that tests run on may block signals, and a child inherits that.
  private static func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
    var nothing = sigset_t()
    var before = sigset_t()
    sigemptyset(&nothing)
    pthread_sigmask(SIG_SETMASK, &nothing, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }

  /// How the process ended; `nil` where it has not.
  ///
  /// Foundation now and then misses the end of a process that begins just as another one's ends, and would
  /// wait for ever; so the system is asked as well.
  private func waitForEnd(timeout: Double) -> (status: Int32, isSignalled: Bool)? {
    let deadline = ContinuousClock.now + .seconds(timeout)
    while ContinuousClock.now < deadline {
      if ended.wait(timeout: .now() + min(timeout, 1)) == .success {
        return (process.terminationStatus, process.terminationReason == .uncaughtSignal)
      }
      var info = siginfo_t()
      let id = id_t(process.processIdentifier)
      if waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0, info.si_signo == SIGCHLD,
        ended.wait(timeout: .now() + 1) != .success
      {
        return (info._sifields._sigchld.si_status, info.si_code != CLD_EXITED)
      }
    }
    return nil
  }

  private static func file(_ url: URL) throws -> FileHandle {
    _ = FileManager.default.createFile(atPath: url.path, contents: nil)
    return try FileHandle(forWritingTo: url)
  }

  var isRunning: Bool { process.isRunning }

  func finish(timeout: Double = 300) throws -> Tool.Outcome {
    var ending = waitForEnd(timeout: timeout)
    let isInTime = ending != nil
    if !isInTime {
      kill(process.processIdentifier, SIGKILL)
      ending = waitForEnd(timeout: 60)
    }
    defer { try? FileManager.default.removeItem(at: streams) }
    #expect(isInTime, "ended only after \(timeout) s: \(process.arguments ?? [])")
    let time = (ContinuousClock.now - start).components
    return Tool.Outcome(
      status: ending?.status ?? SIGKILL, isSignalled: ending?.isSignalled ?? true,
      output: try Data(contentsOf: streams.appending(path: "out")),
      allErrors: String(
        decoding: try Data(contentsOf: streams.appending(path: "err")), as: UTF8.self),
      seconds: Double(time.seconds) + Double(time.attoseconds) * 1e-18)
  }
}

/// A folder of a test's own, removed with it.
final class Scratch {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "flatten-seg-test-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// A path below the folder; absolute paths stay as they are.
  func path(_ name: String) -> String {
    name.hasPrefix("/") ? name : url.appending(path: name).path
  }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: path(name), withIntermediateDirectories: true)
  }

  func write(_ text: String, to name: String) throws {
    try write(Data(text.utf8), to: name)
  }

  func write(_ bytes: Data, to name: String) throws {
    try bytes.write(to: URL(filePath: path(name)))
  }

  func read(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: path(name))) }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func copy(_ file: URL, to name: String) throws {
    try FileManager.default.copyItem(atPath: file.path, toPath: path(name))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: path(name))
  }

  /// All files below the folder, hidden ones too, sorted.
  func files(_ name: String = "") -> [String] {
    let found = FileManager.default.enumerator(atPath: path(name))?.compactMap { $0 as? String }
    return (found ?? []).filter {
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(
        atPath: path(name.isEmpty ? $0 : "\(name)/\($0)"), isDirectory: &isFolder)
      return !isFolder.boolValue
    }.sorted()
  }
}

/// The four rendered scenes of the repository.
enum Street {
  static let folder = Fixtures.repository.appending(path: "Datasets/street")
  static let names = ["street_0000", "street_0003", "street_0006", "street_0009"]

  static func picture(_ name: String) -> URL { folder.appending(path: "images/\(name).jpg") }
}

/// Fails unless the run ended with `status` and told so as a person should be told.
func expectFailure(
  _ outcome: Tool.Outcome, status: Int32, says words: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(!outcome.isSignalled, "signal \(outcome.status)", sourceLocation: sourceLocation)
  #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: sourceLocation)
  #expect(outcome.text == "", sourceLocation: sourceLocation)
  #expect(outcome.errors.hasPrefix("error: "), "\(outcome.errors)", sourceLocation: sourceLocation)
  for line in outcome.errorLines {
    #expect(line.count <= 500, "\(line)", sourceLocation: sourceLocation)
  }
  #expect(isPrintable(outcome.errors), "\(outcome.errors)", sourceLocation: sourceLocation)
  for word in words {
    #expect(
      outcome.errors.contains(word), "'\(outcome.errors)' does not say '\(word)'",
      sourceLocation: sourceLocation)
  }
}

/// Fails unless the run ended well, with nothing on standard error but a batch's last line.
func expectSuccess(
  _ outcome: Tool.Outcome, isQuiet: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(
    outcome.status == 0 && !outcome.isSignalled, "status \(outcome.status): \(outcome.errors)",
    sourceLocation: sourceLocation)
  if isQuiet { #expect(outcome.messages == [], sourceLocation: sourceLocation) }
}

/// Whether a text holds no control characters but line ends.
func isPrintable(_ text: String) -> Bool {
  !text.unicodeScalars.contains { ($0.value < 0x20 && $0 != "\n") || $0.value == 0x7F }
}
