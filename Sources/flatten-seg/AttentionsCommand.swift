import ArgumentParser
import FlattenBackbones
import FlattenConfig
import FlattenFiles
import FlattenVision

struct AttentionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attentions",
    abstract: "List the attentions that configs may ask for, or show one.",
    discussion: """
      Examples:
        flatten-seg attentions
        flatten-seg attentions rala
        flatten-seg bench --attentions

      In a config: 'attn_type: RRLS', a letter a stage, or
      'attention: [rala, {type: agent, agents: 12}, focused, softmax]'.
      """)

  @Argument(
    help: ArgumentHelp("The attention to show, a letter or a name.", valueName: "letter"),
    completion: .custom { _, _, _ in StandardAttention.listed.map(\.name) })
  var name: String?

  @Flag(help: "Print JSON: letter, name, title, paper, cost, equation, parameters, options, ...")
  var json = false

  func run() throws {
    guard let name else {
      if json {
        return Output.line(OrderedJSON.array(StandardAttention.listed.map(document)).text())
      }
      return Output.text(Self.table(StandardAttention.listed))
    }
    let attention = try StandardAttention.of(argument: name)
    json ? Output.line(document(attention).text()) : Output.text(Self.page(attention))
  }

  private static func table(_ attentions: [StandardAttention]) -> String {
    TextTable.text(
      header: ["letter", "name", "cost", "sees", "public weights", "paper"],
      rows: attentions.map {
        [
          $0.letter, $0.name, $0.cost.rawValue, $0.isGlobal ? "all" : "near", $0.weights ?? "-",
          $0.paper,
        ]
      }, leftColumns: 6)
  }

  private static func page(_ attention: StandardAttention) -> String {
    var lines = [
      "\(attention.letter)  \(attention.name): \(attention.title)", attention.paper,
      "cost: \(attention.cost.rawValue); sees \(attention.isGlobal ? "the whole map" : "what is near")",
      "public weights: \(attention.weights ?? "none")",
    ]
    if let own = attention.own { lines.append("of this project: \(own)") }
    if !attention.hasMatrix { lines.append("has no matrix that could be drawn") }
    lines += [""] + attention.equation.map { "  " + $0 }
    lines += ["", "parameters below attn (C channels, d a head, h heads):"]
    lines += attention.parameters.map { "  " + $0 }
    if !attention.options.isEmpty {
      lines += ["", "options in a config, with their defaults:"]
      let width = attention.options.map { $0.key.count + $0.standard.count }.max() ?? 0
      lines += attention.options.map { option in
        let gap = String(
          repeating: " ", count: width - option.key.count - option.standard.count)
        return "  \(option.key): \(option.standard)\(gap)   \(option.meaning)"
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func document(_ attention: StandardAttention) -> OrderedJSON {
    func text(_ value: String?) -> OrderedJSON { value.map { .string($0) } ?? .null }
    return .object([
      ("letter", .string(attention.letter)),
      ("name", .string(attention.name)),
      ("title", .string(attention.title)),
      ("paper", .string(attention.paper)),
      ("cost", .string(attention.cost.rawValue)),
      ("global", .bool(attention.isGlobal)),
      ("weights", text(attention.weights)),
      ("own", text(attention.own)),
      ("matrix", .bool(attention.hasMatrix)),
      ("equation", .array(attention.equation.map { .string($0) })),
      ("parameters", .array(attention.parameters.map { .string($0) })),
      (
        "options",
        .object(
          attention.options.map { option in
            (
              option.key,
              .object([("default", .string(option.standard)), ("meaning", .string(option.meaning))])
            )
          })
      ),
    ])
  }
}

extension StandardAttention {
  /// The one that a user names.
  ///
  /// - Throws: ``RequestError`` that knows the nearest name.
  static func of(argument name: String) throws -> StandardAttention {
    if let attention = listed.first(where: { $0.letter == name || $0.name == name }) {
      return attention
    }
    let near = nearestSpelling(to: name, among: listed.map(\.name))
    throw RequestError(
      "There is no attention '\(printable(name))'. "
        + (near.map { "Did you mean '\($0)'? " } ?? "") + "'flatten-seg attentions' lists them.")
  }
}
