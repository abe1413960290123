import ArgumentParser
import FlattenFiles
import FlattenVision
import Foundation

struct ConfigsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "configs",
    abstract: "List the built-in configs, or print one.",
    discussion: """
      Examples:
        flatten-seg configs
        flatten-seg configs ade20k
        flatten-seg configs ade20k/flatten_pvt_t_semantic_fpn > mine.yaml

      Wherever a command takes --config, such a name will do. The figures are those
      that were published, in percent, not those of this program.
      """)

  @Argument(
    help: ArgumentHelp(
      "The config to print, or the folder whose configs are listed.", valueName: "name"),
    completion: .custom { _, _, _ in BuiltInConfigs.names })
  var name: String?

  @Flag(help: "Print the list as JSON: name, title, task, classes, published.")
  var json = false

  func run() throws {
    let names = try listed()
    if let name, names == [name], let text = BuiltInConfigs.text(of: name), !json {
      return Output.text(text.hasSuffix("\n") ? text : text + "\n")
    }
    let configs = try names.map { try BuiltInConfigSummary(of: $0) }
    if json { return Output.line(OrderedJSON.array(configs.map(document)).text()) }
    Output.text(
      TextTable.text(
        header: ["config", "task", "published", "classes"],
        rows: configs.map { config in
          [
            config.name, config.task,
            config.figures.map { "\($0.name) \($0.percent)" }.joined(separator: ", "),
            "\(config.classes)",
          ]
        }, leftColumns: 3))
  }

  /// The names that are asked for, at least one.
  private func listed() throws -> [String] {
    guard let name else { return BuiltInConfigs.names }
    if BuiltInConfigs.names.contains(name) { return [name] }
    let folder = name.hasSuffix("/") ? name : name + "/"
    let below = BuiltInConfigs.names.filter { $0.hasPrefix(folder) }
    guard below.isEmpty else { return below }
    let near = BuiltInConfigs.suggestion(for: name)
    throw RequestError(
      "'\(printable(name, limit: 200))' is no built-in config. "
        + (near.map { "Did you mean '\($0)'? " } ?? "") + "'flatten-seg configs' lists them.")
  }

  private func document(_ config: BuiltInConfigSummary) -> OrderedJSON {
    .object([
      ("name", .string(config.name)),
      ("title", .string(config.title)),
      ("task", .string(config.task)),
      ("classes", .integer(config.classes)),
      ("published", .object(config.figures.map { ($0.name, .number($0.percent)) })),
    ])
  }
}
