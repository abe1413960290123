import ArgumentParser
import FlattenBackbones
import FlattenCheckpoint
import FlattenFiles
import FlattenVision

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "List a checkpoint's tensors and tell what model it holds.",
    discussion: """
      Example:
        flatten-seg inspect flatten_pvt_t.pth

      Nothing in the file is ever executed: it is read as data.
      """)

  @Argument(
    help: ArgumentHelp("A .pth or .safetensors file.", valueName: "file"), completion: .weights)
  var file: String

  @OptionGroup var reading: CheckpointArguments

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let (summary, task) = try WeightsError.telling {
      let checkpoint = try reading.open(file)
      let plain = checkpoint.plain
      let task = VisionTasks.task(of: Set(plain.parameterShapes.map(\.name)))
      return (try CheckpointSummary(checkpoint, plain, looksLike: plain.likeness), task)
    }
    guard json else {
      return Output.line(summary.text + (task.map { "\ntask: \($0.taskName)" } ?? ""))
    }
    let document = OrderedJSON.object([
      ("path", .string(summary.path)),
      ("kind", .string(summary.kind)),
      ("unwrapped", summary.unwrapped.map { .string($0) } ?? .null),
      ("files", .array(summary.shards.map { .string($0) })),
      ("prefix", .string(summary.prefix)),
      ("left_out", .array(summary.leftOut.map { .string($0) })),
      ("looks_like", summary.looksLike.map { .string($0) } ?? .null),
      ("task", task.map { .string($0.taskName) } ?? .null),
      ("elements", .integer(summary.elementCount)),
      ("bytes", .integer(summary.byteCount)),
      (
        "metadata",
        .object(
          summary.metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
      ),
      (
        "tensors",
        .array(
          summary.tensors.map { tensor in
            .object([
              ("name", .string(tensor.name)),
              ("type", .string(tensor.type)),
              ("shape", .array(tensor.shape.map { .integer($0) })),
            ])
          })
      ),
    ])
    Output.line(document.text())
  }
}

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a checkpoint's tensors as safetensors.",
    discussion: """
      Example:
        flatten-seg convert flatten_pvt_t.pth flatten_pvt_t.safetensors --dtype f16
      """)

  @Argument(
    help: ArgumentHelp("A .pth or .safetensors file.", valueName: "in"), completion: .weights)
  var input: String

  @Argument(
    help: ArgumentHelp("The safetensors file to write.", valueName: "out"),
    completion: .safetensors)
  var output: String

  @Option(help: "What floating-point tensors become; integers stay as they are.")
  var dtype = SafetensorsWriter.Precision.float32

  @Flag(help: "Replace a file that exists.")
  var overwrite = false

  @OptionGroup var reading: CheckpointArguments

  func run() throws {
    try ResultPath.check(output, holds: .safetensors, overwrite: overwrite, inputs: [input])
    let checkpoint = try reading.open(input)
    let texts = checkpoint.metadata
    try WeightsError.telling {
      try SafetensorsWriter(precision: dtype, metadata: texts).write(checkpoint, to: output)
    }
    checkpoint.warnings.forEach(Output.warning)
    Output.line(printable(output, limit: .max))
  }
}

extension SafetensorsWriter.Precision: ExpressibleByArgument {}

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Write randomly initialised weights for a config, for trying it and for measuring.",
    discussion: """
      Example:
        flatten-seg init --config model.yaml random.safetensors
      """)

  @Option(
    help: ArgumentHelp(
      "Config of the model, or a name of 'flatten-seg configs'.", valueName: "file.yaml"),
    completion: .yaml)
  var config: String

  @Argument(
    help: ArgumentHelp("The safetensors file to write.", valueName: "out"),
    completion: .safetensors)
  var output: String

  @Option(help: "The same seed gives the same file.")
  var seed: UInt64 = 0

  @Flag(help: "Replace a file that exists.")
  var overwrite = false

  func run() throws {
    try ResultPath.check(output, holds: .safetensors, overwrite: overwrite, inputs: [config])
    try VisionTasks.configuration(path: config).writeRandomWeights(seed: seed, to: output)
    Output.line(printable(output, limit: .max))
  }
}
