import ArgumentParser
import FlattenBackbones
import FlattenCheckpoint
import FlattenFiles
import FlattenInspection
import FlattenRegions
import FlattenTensor
import FlattenVision
import Foundation

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time a model on this machine, per kind of operator and per layer, or all models.",
    discussion: """
      Examples:
        flatten-seg bench --config model.yaml --size 512x512
        flatten-seg bench --all --configs Configs/imagenet --format markdown
        flatten-seg bench --attentions --letters R L S --sizes 512x512 2048x2048

      The time is that of the network, from its input to its scores; times do not
      depend on the weights, which are random unless --weights names some.
      GFLOP/s count the operations of the definition, two a multiply-accumulate:
      where a method needs fewer, the share of the peak passes 100 %. Compare ratios
      between machines, not times. With --all and --attentions each model has a process
      of its own, whose largest memory is reported. 'attn' columns count what is below
      a block's attention, projections included; 'x' columns compare with the smallest
      size, memory without the weights.
      """)

  @Option(
    help: ArgumentHelp(
      "Config of the model, or a name of 'flatten-seg configs'; default: the built-in street model.",
      valueName: "file.yaml"), completion: .yaml)
  var config: String?

  @Option(
    help: ArgumentHelp("Weights of the model; default: random ones.", valueName: "file"),
    completion: .weights)
  var weights: String?

  @OptionGroup var reading: CheckpointArguments

  @Flag(help: "Time every model of --configs, one after the other: a line each.")
  var all = false

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "With --all: configs, and folders that hold some; default: Configs, or the built-in ones.",
      valueName: "path"), completion: .yaml)
  var configs: [String] = []

  @Flag(
    help: "Time every attention in all stages of the model that --config names: a line each.")
  var attentions = false

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "With --attentions: letters or names of those to time; default: all (see 'flatten-seg attentions').",
      valueName: "letter"))
  var letters: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      With --attentions: sizes of the network's input; quadratic attentions are timed at the first alone, \
      unless --letters names them. Default: 512x512.
      """, valueName: "HxW"))
  var sizes: [SizeArgument] = []

  @Option(
    help: ArgumentHelp(
      "Take this attention in all stages in the place of the config's; see 'flatten-seg attentions'.",
      valueName: "letter"))
  var attention: String?

  @Option(help: "With --all and --attentions: how the table is printed.")
  var format = BenchTable.Format.table

  @Option(
    help: ArgumentHelp(
      "Size of the network's input, height first; default: 512x512, or the config's own.",
      valueName: "HxW"))
  var size: SizeArgument?

  @OptionGroup var compute: ComputeOptions

  @Option(name: .customLong("repeat"), help: "Counted runs; default: 20, in tables 5.")
  var repeats: Int?

  @Flag(
    help:
      "Print one JSON object: median_ms, min_ms, operators, ...; models or attentions in tables.")
  var json = false

  func validate() throws {
    if let repeats, !(1...10000).contains(repeats) {
      throw ValidationError("--repeat is \(repeats), a number from 1 to 10000 is wanted.")
    }
    let given = [("--size", size)] + sizes.map { ("--sizes", $0) }
    for case (let name, let size?) in given where min(size.size.height, size.size.width) < 32 {
      throw ValidationError("\(name) is \(size), at least 32x32 is wanted.")
    }
    try validateAll()
    try validateAttentions()
  }

  private func validateAttentions() throws {
    if attentions && (all || weights != nil || attention != nil || size != nil) {
      throw ValidationError(
        "--attentions takes --config, --letters and --sizes, no --all, --weights, --attention or --size."
      )
    }
    if !attentions && (!letters.isEmpty || !sizes.isEmpty) {
      throw ValidationError("--letters and --sizes belong to --attentions.")
    }
    if attention != nil && (all || weights != nil) {
      throw ValidationError("--attention is for one model with random weights.")
    }
  }

  private func validateAll() throws {
    if all && (config != nil || weights != nil) {
      throw ValidationError("--all takes --configs; --config and --weights are for one model.")
    }
    if reading.container != nil && weights == nil {
      throw ValidationError("--container belongs to --weights.")
    }
    if !all && !configs.isEmpty { throw ValidationError("--configs belongs to --all.") }
    if !all && !attentions && format != .table {
      throw ValidationError("--format belongs to --all and --attentions.")
    }
  }

  func run() throws {
    if all {
      let table = BenchTable(
        size: size?.size, threads: compute.threads, precision: compute.storage,
        repeats: repeats ?? 5)
      return try table.run(configs.isEmpty ? standardConfigs : configs, json ? nil : format)
    }
    if attentions { return try attentionTable().run(json ? nil : format) }
    let configuration = try configuration()
    let checkpoint = try weights.map(reading.open)
    let benchmark = try configuration.benchmark(
      weights: checkpoint, size: size?.size ?? configuration.nominalSize,
      threads: compute.threads ?? Processors.available, precision: compute.storage,
      repeats: repeats ?? 20)
    checkpoint.map { $0.plain.notes + $0.warnings }?.forEach(Output.warning)
    if json {
      Output.line(document(configuration.name, benchmark).text())
    } else {
      Output.text(table(configuration.name, benchmark))
    }
  }

  private func configuration() throws -> any TaskConfiguration {
    if let attention {
      return try VisionTasks.configuration(
        path: config ?? Self.skeleton, attention: StandardAttention.of(argument: attention).name)
    }
    return try config.map { try VisionTasks.configuration(path: $0) }
      ?? SegmentationConfiguration.builtIn()
  }

  /// The model whose attentions are replaced where no other is named.
  private static let skeleton = "ade20k/flatten_pvt_t_semantic_fpn"

  private func attentionTable() throws -> AttentionTable {
    let named = try letters.flatMap { $0.split(separator: ",") }
      .map { try StandardAttention.of(argument: String($0)) }
    let listed = StandardAttention.listed.filter { attention in
      named.isEmpty || attention.letter == "L" || named.contains { $0.letter == attention.letter }
    }
    let areas = sizes.map(\.size).sorted { $0.area < $1.area }
    return AttentionTable(
      config: config ?? Self.skeleton, attentions: listed,
      includesQuadratic: named.contains { $0.cost == .quadratic },
      sizes: areas.isEmpty ? [PixelSize(height: 512, width: 512)] : areas,
      threads: compute.threads, precision: compute.storage, repeats: repeats ?? 5)
  }

  /// Those of a folder `Configs`, as the repository has one; else those that are built in.
  private var standardConfigs: [String] {
    if case .folder = PathKind("Configs") { ["Configs"] } else { BuiltInConfigs.names }
  }

  private func document(_ name: String, _ benchmark: Benchmark) -> OrderedJSON {
    .object([
      ("name", .string(name)),
      ("median_ms", .number(benchmark.medianSeconds * 1e3)),
      ("min_ms", .number(benchmark.minSeconds * 1e3)),
      ("precision", .string(benchmark.precision.rawValue)),
      ("error", .number(benchmark.error)),
      ("threads", .integer(benchmark.threads)),
      ("height", .integer(benchmark.size.height)),
      ("width", .integer(benchmark.size.width)),
      ("instruction_set", .string(Version.instructionSet)),
      ("peak_gflops", .number(benchmark.peak * 2e-9)),
      ("peak_rss_mb", .number(Double(benchmark.peakResidentBytes) / 1e6)),
      (
        "parts",
        .object(benchmark.parts.map { ($0.name, .number($0.seconds * 1e3)) })
      ),
      (
        "operators",
        .array(
          benchmark.layers.map { layer in
            .object([
              ("name", .string(layer.name)),
              ("kind", .string(layer.kind)),
              ("shape", .string(layer.shape.map(String.init).joined(separator: "x"))),
              ("ms", .number(layer.seconds * 1e3)),
              ("macs", .integer(layer.macs)),
              ("bytes", .integer(layer.bytes)),
            ])
          })
      ),
    ])
  }

  private func table(_ model: String, _ benchmark: Benchmark) -> String {
    func row(_ name: String, _ seconds: Double, _ macs: Int, _ bytes: Int) -> [String] {
      let rate = Double(macs) / max(seconds, 1e-9)
      return [
        name, String(format: "%.2f", seconds * 1e3),
        String(format: "%.1f", seconds / benchmark.medianSeconds * 100),
        macs == 0 ? "" : String(format: "%.0f", rate * 2e-9),
        macs == 0 ? "" : String(format: "%.0f", rate / benchmark.peak * 100),
        String(format: "%.1f", Double(bytes) / 1e6),
      ]
    }
    var kinds: [(name: String, seconds: Double, macs: Int, bytes: Int)] = []
    for layer in benchmark.layers {
      let index = kinds.firstIndex { $0.name == layer.kind } ?? kinds.count
      if index == kinds.count { kinds.append((layer.kind, 0, 0, 0)) }
      kinds[index].seconds += layer.seconds
      kinds[index].macs += layer.macs
      kinds[index].bytes += layer.bytes
    }
    kinds.sort { $0.seconds > $1.seconds }
    let header = ["ms", "% of time", "GFLOP/s", "% of peak", "MB moved"]
    let macs = benchmark.layers.reduce(0) { $0 + $1.macs }
    let parts =
      benchmark.parts.isEmpty
      ? ""
      : TextTable.text(
        header: ["part", "ms", "% of time"],
        rows: benchmark.parts.map {
          [
            $0.name, String(format: "%.2f", $0.seconds * 1e3),
            String(format: "%.1f", $0.seconds / benchmark.medianSeconds * 100),
          ]
        }, leftColumns: 1) + "\n"
    return parts
      + TextTable.text(
        header: ["kind"] + header,
        rows: kinds.map { row($0.name, $0.seconds, $0.macs, $0.bytes) }, leftColumns: 1)
      + "\n"
      + TextTable.text(
        header: ["layer"] + header,
        rows: benchmark.layers.map { row($0.name, $0.seconds, $0.macs, $0.bytes) }, leftColumns: 1)
      + String(
        format: "%@\n%dx%d (height x width), %@, %d %@, %@: median %.1f ms, fastest %.1f ms, "
          + "%.0f GFLOP/s of %.0f, %.0f MB; within %.1e of the reference kernels\n",
        model, benchmark.size.height, benchmark.size.width,
        benchmark.precision.rawValue, benchmark.threads,
        benchmark.threads == 1 ? "thread" : "threads", Version.instructionSet,
        benchmark.medianSeconds * 1e3, benchmark.minSeconds * 1e3,
        Double(macs) * 2e-9 / benchmark.medianSeconds, benchmark.peak * 2e-9,
        Double(benchmark.peakResidentBytes) / 1e6, benchmark.error)
  }
}
