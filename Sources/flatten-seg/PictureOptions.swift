import ArgumentParser
import FlattenVision

/// Which pictures; shared by the commands that work on pictures.
struct PictureOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "Pictures (JPEG, PNG), folders, or - for standard input.",
      valueName: "input"), completion: .picture)
  var inputs: [String] = []

  @Option(
    help: ArgumentHelp(
      "A text file that names one picture a line, # begins a comment; - is standard input.",
      valueName: "file"), completion: .file())
  var list: [String] = []

  @Flag(name: .shortAndLong, help: "Enter folders inside folders.")
  var recursive = false

  @Option(
    help: ArgumentHelp(
      "Take every n-th of the pictures, from the i-th on: one of n machines takes 1/n, the next 2/n.",
      valueName: "i/n"))
  var shard: ShardArgument?

  func validate() throws {
    if inputs.isEmpty && list.isEmpty {
      throw ValidationError("No picture is named. Give files, folders, --list FILE or -.")
    }
    if inputs.contains("-") && list.contains("-") {
      throw ValidationError("Standard input holds either a picture or a list, not both.")
    }
  }

  /// The pictures that are named, at least one; what cannot be used is reported.
  ///
  /// - Parameters:
  ///   - results: the folder that results go to.
  ///   - json: whether failures are reported as JSON too.
  ///   - quiet: whether errors alone are told.
  func pictures(results: String? = nil, json: Bool, quiet: Bool) throws -> PictureList {
    let pictures = PictureList(inputs, lists: list, isRecursive: recursive, results: results)
    try pictures.requirePictures(inputs + list, json: json, quiet: quiet)
    return pictures
  }
}

/// `--shard`: `2/3`, counted from 1.
struct ShardArgument: ExpressibleByArgument, CustomStringConvertible {
  let number: Int
  let count: Int

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }
    guard parts.count == 2, numbers.count == 2, numbers[1] >= 1,
      (1...numbers[1]).contains(numbers[0])
    else { return nil }
    (number, count) = (numbers[0], numbers[1])
  }

  var description: String { "\(number)/\(count)" }
}
