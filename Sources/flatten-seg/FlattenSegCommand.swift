import ArgumentParser
import FlattenConfig
import FlattenData
import FlattenFiles
import FlattenSystem
import FlattenVision
import Foundation
import Logging

/// The command line's root.
@main
struct FlattenSegCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flatten-seg",
    abstract: "Segment pictures, find objects and classify with FLatten transformers, on the CPU.",
    discussion: """
      Examples:
        flatten-seg predict street.jpg --overlay
        flatten-seg detect street.jpg --overlay
        flatten-seg predict photos/ --config model.yaml --weights model.pth
        flatten-seg eval --config model.yaml --weights model.pth --data ADE20K

      Exit status:
        0    done
        1    failed, for instance because a result could not be written
        2    wrong usage
        3    an input is missing, unreadable or refused
        4    the weights are refused or belong to another model
        5    some pictures failed, the rest is done
        6    a demanded figure was missed
        130  interrupted
        141  standard output was closed before all results were told
      """,
    version: Version.text,
    subcommands: [
      PredictCommand.self, DetectCommand.self, ClassifyCommand.self, EvalCommand.self,
      InfoCommand.self,
      AttentionCommand.self, AttentionsCommand.self, BenchCommand.self, InspectCommand.self,
      ConvertCommand.self, InitCommand.self, ConfigsCommand.self, DatasetsCommand.self,
    ])

  /// Parses, runs and ends the process with the status that the failure's kind asks for.
  static func main() {
    // A reader that left and a limit on file sizes are errors of a write, not ends of the process.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP] { fs_remove_temporaries_on(number) }
    occupyStandardStreams()
    startLogging()
    var status = ExitStatus.done.rawValue
    do {
      try requireKnownCommand(arguments.dropFirst())
      var command = try parseAsRoot(
        FlipArguments.spelledOut(Array(arguments.dropFirst())))
      try command.run()
    } catch {
      status = report(error)
    }
    if let failure = Output.finish() {
      Output.error("error: \(failure)")
      if status == ExitStatus.done.rawValue { status = ExitStatus.failed.rawValue }
    }
    if Output.wasLeft && status != ExitStatus.interrupted.rawValue {
      status = ExitStatus.readerLeft.rawValue
    }
    Foundation.exit(status)
  }

  /// The program's name and what it was called with.
  ///
  /// Swift itself takes them from `/proc`, which not every container has, and has none without it.
  static let arguments: [String] = {
    let given = (0..<fs_argument_count()).compactMap { fs_argument($0).map { String(cString: $0) } }
    return given.isEmpty ? CommandLine.arguments : given
  }()

  /// Refuses a word that is nearly a command; what is nothing like one the parser refuses.
  private static func requireKnownCommand(_ arguments: ArraySlice<String>) throws {
    var known = configuration.subcommands
    var path: [String] = []
    for word in arguments {
      if path.isEmpty && word == "help" { continue }
      if known.isEmpty || word.hasPrefix("-") { return }
      let names = known.map { $0.configuration.commandName ?? "" }
      if let index = names.firstIndex(of: word) {
        path.append(word)
        known = known[index].configuration.subcommands
      } else {
        return try requireDistant(word, from: names, after: path)
      }
    }
  }

  private static func requireDistant(
    _ word: String, from names: [String], after path: [String]
  ) throws {
    func refusal(meaning text: String) -> ValidationError {
      ValidationError("Unexpected argument '\(word)'. Did you mean '\(text)'?")
    }
    // Below a command that has others the word may be an argument of the standard one.
    if !path.isEmpty {
      if DatasetDescription.builtInNames.contains(word) { return }
      if FileManager.default.fileExists(atPath: word) { return }
    } else if FileManager.default.fileExists(atPath: word) {
      throw refusal(meaning: "flatten-seg predict \(word)")
    }
    guard let near = nearestSpelling(to: word, among: names) else { return }
    throw refusal(meaning: (path + [near]).joined(separator: " "))
  }

  /// The libraries' log goes to standard error, its details with --verbose only.
  private static func startLogging() {
    let isVerbose = arguments.contains { $0 == "-v" || $0 == "--verbose" }
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = isVerbose ? .debug : .warning
      return handler
    }
  }

  /// Opens closed standard streams on nothing, so that no file of ours gets their numbers.
  private static func occupyStandardStreams() {
    for descriptor in STDIN_FILENO...STDERR_FILENO
    where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
      _ = open("/dev/null", O_RDWR)
    }
  }

  /// Prints what a failure has to say and gives its exit status.
  private static func report(_ error: any Error) -> Int32 {
    if let status = error as? ExitStatus { return status.rawValue }
    if error is ReaderLeftError { return ExitStatus.readerLeft.rawValue }
    if let error = error as? RequestError {
      Output.error("error: \(printable(error.description, limit: 490))")
      return ExitStatus.usage.rawValue
    }
    if let failure = ExitStatus(of: error) {
      Output.error("error: \(ErrorTexts.text(of: error))")
      return failure.rawValue
    }
    if exitCode(for: error).isSuccess {
      Output.line(fullMessage(for: error))
      return ExitStatus.done.rawValue
    }
    guard exitCode(for: error) == .validationFailure else {
      Output.error("error: \(printable(message(for: error), limit: 490))")
      return ExitStatus.failed.rawValue
    }
    Output.error("error: \(printable(message(for: error), limit: 490))")
    // The parser's text is the message, help on the option, and how the command is called.
    let usage = fullMessage(for: error).split(separator: "\n").drop { !$0.hasPrefix("Usage:") }
    if !usage.isEmpty { Output.error(usage.joined(separator: "\n")) }
    return ExitStatus.usage.rawValue
  }
}
