import ArgumentParser
import FlattenFiles
import FlattenInspection
import FlattenVision
import Foundation

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Show a model's layers: output shapes, parameters, multiply-accumulates.",
    discussion: """
      Example:
        flatten-seg info --config ade20k/pvt_t_semantic_fpn --size 512x2048

      Nothing is computed and no weights are read. One multiply-accumulate is one
      multiplication and one addition; what papers call FLOPs is mostly this number.
      """)

  @Option(
    help: ArgumentHelp(
      "Config of the model, or a name of 'flatten-seg configs'; default: the built-in street model.",
      valueName: "file.yaml"), completion: .yaml)
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Size of the network's input, height first; default: 512x512, or the config's own.",
      valueName: "HxW"))
  var size: SizeArgument?

  @Flag(help: "Print one JSON object: parameters, macs, layers.")
  var json = false

  func run() throws {
    if let size = size?.size, size.height < 32 || size.width < 32 {
      throw RequestError("--size is \(size.height)x\(size.width), at least 32x32 is wanted.")
    }
    let configuration: any TaskConfiguration =
      try config.map { try VisionTasks.configuration(path: $0) }
      ?? SegmentationConfiguration.builtIn()
    let profile = try configuration.profile(size: size?.size ?? configuration.nominalSize)
    if json {
      Output.line(document(configuration.name, profile).text())
    } else {
      Output.text(table(configuration.name, profile))
    }
  }

  private func document(_ name: String, _ profile: ModelProfile) -> OrderedJSON {
    .object([
      ("name", .string(name)),
      ("height", .integer(profile.size.height)),
      ("width", .integer(profile.size.width)),
      ("instruction_set", .string(Version.instructionSet)),
      ("parameters", .integer(profile.parameters)),
      ("macs", .integer(profile.macs)),
      (
        "layers",
        .array(
          profile.layers.map { layer in
            .object([
              ("name", .string(layer.name)),
              ("kind", .string(layer.kind)),
              ("shape", .string(layer.shapeText)),
              ("parameters", .integer(layer.parameters)),
              ("macs", .integer(layer.macs)),
            ])
          })
      ),
    ])
  }

  private func table(_ name: String, _ profile: ModelProfile) -> String {
    let header = ["layer", "kind", "output", "parameters", "MMAC"]
    let rows = profile.layers.map { layer in
      [
        layer.name, layer.kind, layer.shapeText, layer.parameters == 0 ? "" : "\(layer.parameters)",
        layer.macs == 0 ? "" : String(format: "%.1f", Double(layer.macs) / 1e6),
      ]
    }
    return TextTable.text(header: header, rows: rows, leftColumns: 3)
      + String(
        format: "%@\nparameters %d (%.2f M), %.2f GMAC at %dx%d (height x width), kernels %@\n",
        name, profile.parameters, Double(profile.parameters) / 1e6,
        Double(profile.macs) / 1e9, profile.size.height, profile.size.width,
        Version.instructionSet)
  }
}

extension ModelProfile.Layer {
  /// Extents joined by x, batch first, channels last.
  fileprivate var shapeText: String { shape.map(String.init).joined(separator: "x") }
}
