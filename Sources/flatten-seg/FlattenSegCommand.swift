import ArgumentParser
import FlattenSeg
import Foundation

/// The command line's root.
@main
struct FlattenSegCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flatten-seg",
    abstract: "Segment pictures with FLatten transformers, on the CPU.",
    discussion: """
      Examples:
        flatten-seg predict street.jpg --overlay
        flatten-seg predict photos/ --config model.yaml --weights model.pth --output masks
        flatten-seg eval --config model.yaml --weights model.pth --data ADEChallengeData2016

      Exit status: 0 done, 1 failed, 2 wrong usage, 3 input missing or unreadable, 4 weights refused or
      of another model, 5 some pictures failed and the rest is done, 6 a demanded figure was missed,
      130 interrupted.
      """,
    version: Version.text,
    subcommands: [
      PredictCommand.self, EvalCommand.self, InfoCommand.self, InspectCommand.self,
      ConvertCommand.self, InitCommand.self, DatasetsCommand.self,
    ])

  /// Parses, runs and ends the process with the status that the failure's kind asks for.
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
      Output.finish()
    } catch {
      Output.finish()
      Foundation.exit(report(error))
    }
  }

  /// Prints what a failure has to say and gives its exit status.
  private static func report(_ error: any Error) -> Int32 {
    if let status = error as? ExitStatus { return status.rawValue }
    if let failure = ExitStatus(of: error) {
      Output.error("error: \(error)")
      return failure.rawValue
    }
    let text = fullMessage(for: error)
    if exitCode(for: error).isSuccess {
      Output.line(text)
      return ExitStatus.done.rawValue
    }
    Output.error(text)
    return exitCode(for: error) == .validationFailure
      ? ExitStatus.usage.rawValue : ExitStatus.failed.rawValue
  }
}
