import FlattenRegions
import ArgumentParser
import FlattenConfig
import FlattenFiles
import FlattenVision
import Foundation

/// `bench --all`: a line for each of many models.
///
/// Each is timed by `bench` in a process of its own, because only the system knows the most memory that a
/// model takes, and it counts by process. One after the other, so that none disturbs another.
struct BenchTable {
  enum Format: String, ExpressibleByArgument, CaseIterable { case table, markdown }

  /// Of the network's input; `nil` takes each config's own.
  let size: PixelSize?
  let threads: Int?
  let precision: Precision
  let repeats: Int

  private struct Row {
    let config: String
    let name: String
    let parameters: Int
    let macs: Int
    let measured: Measured
  }

  /// What `bench --json` says, in part.
  private struct Measured: Decodable {
    let medianMilliseconds: Double
    let leastMilliseconds: Double
    let error: Double
    let threads: Int
    let height: Int
    let width: Int
    let peakMegabytes: Double

    enum CodingKeys: String, CodingKey {
      case medianMilliseconds = "median_ms"
      case leastMilliseconds = "min_ms"
      case error, threads, height, width
      case peakMegabytes = "peak_rss_mb"
    }
  }

  /// Times the models and prints the table; those that fail are reported, and the rest go on.
  ///
  /// - Parameters:
  ///   - paths: configs, and folders that hold some.
  ///   - format: `nil` for JSON.
  func run(_ paths: [String], _ format: Format?) throws {
    let configs = try Self.configs(in: paths)
    var rows: [Row] = []
    var failures: [(config: String, status: ExitStatus)] = []
    Interrupt.watch()
    for (index, config) in configs.enumerated() where !Interrupt.isRequested {
      Output.error("\(index + 1) of \(configs.count): \(printable(config, limit: 200))")
      do {
        rows.append(try row(config))
      } catch let status as ExitStatus {
        failures.append((config, status))
      } catch {
        Output.error("error: \(ErrorTexts.text(of: error))")
        failures.append((config, ExitStatus(of: error) ?? .failed))
      }
    }
    switch format {
    case _ where rows.isEmpty: break
    case nil: Output.line(document(rows, failures.map(\.config)).text())
    case .table: Output.text(TextTable.text(header: Self.header, rows: cells(rows), leftColumns: 2))
    case .markdown:
      Output.text(TextTable.markdown(header: Self.header, rows: cells(rows), leftColumns: 2))
    }
    if Interrupt.wasSignalled { throw ExitStatus.interrupted }
    guard let first = failures.first else { return }
    Output.error("\(failures.count) of \(counted(configs.count, "model")) failed:")
    for failure in failures { Output.error("  \(printable(failure.config, limit: 200))") }
    throw rows.isEmpty ? first.status : ExitStatus.partial
  }

  /// Every config that is named or lies below a folder that is.
  private static func configs(in paths: [String]) throws -> [String] {
    try paths.flatMap { path in
      switch PathKind(path) {
      case .file: return [path]
      case .absent where BuiltInConfigs.names.contains(path): return [path]
      case .absent:
        throw UnknownConfigError(name: path, suggestion: BuiltInConfigs.suggestion(for: path))
      case .folder: break
      }
      let walk = FolderWalk(path)
      if let problem = walk.problems.first { throw problem.error }
      let found = walk.files.filter(ConfigNode.isFileName)
      guard !found.isEmpty else {
        throw FileError(path: path, kind: .refused, reason: "holds no configs (.yaml)")
      }
      return found.map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
    }
  }

  private func row(_ config: String) throws -> Row {
    let configuration = try VisionTasks.configuration(path: config)
    let size = size ?? configuration.nominalSize
    let profile = try configuration.profile(size: size)
    var arguments = [
      "bench", "--config=\(config)", "--size", "\(size.height)x\(size.width)",
      "--precision", precision.rawValue, "--repeat", "\(repeats)", "--json",
    ]
    if let threads { arguments += ["--threads", "\(threads)"] }
    return Row(
      config: config, name: configuration.name, parameters: profile.parameters,
      macs: profile.macs, measured: try Self.measure(arguments))
  }

  /// Runs this program anew; what it has to say on standard error goes there.
  private static func measure(_ arguments: [String]) throws -> Measured {
    let (document, ending) = try ChildProcess.output(of: arguments)
    switch ending {
    case .signal(let number):
      Output.error(
        "error: the model's process ended by signal \(number), for instance for want of memory")
      throw ExitStatus.failed
    case .status(let status) where status != 0:
      throw ExitStatus(rawValue: status) ?? .failed
    case .status: return try JSONDecoder().decode(Measured.self, from: document)
    }
  }

  // MARK: What is printed

  private static let header = ["model", "config", "M parameters", "size", "GMAC", "ms", "MB"]

  private func cells(_ rows: [Row]) -> [[String]] {
    rows.map { row in
      let time = row.measured.medianMilliseconds
      return [
        row.name, row.config, String(format: "%.1f", Double(row.parameters) / 1e6),
        "\(row.measured.height)x\(row.measured.width)",
        String(format: "%.1f", Double(row.macs) / 1e9),
        String(format: time < 100 ? "%.1f" : "%.0f", time),
        String(format: "%.0f", row.measured.peakMegabytes),
      ]
    }
  }

  private func document(_ rows: [Row], _ failed: [String]) -> OrderedJSON {
    .object([
      ("instruction_set", .string(Version.instructionSet)),
      ("precision", .string(precision.rawValue)),
      ("repeats", .integer(repeats)),
      (
        "models",
        .array(
          rows.map { row in
            .object([
              ("config", .string(row.config)),
              ("name", .string(row.name)),
              ("parameters", .integer(row.parameters)),
              ("macs", .integer(row.macs)),
              ("height", .integer(row.measured.height)),
              ("width", .integer(row.measured.width)),
              ("threads", .integer(row.measured.threads)),
              ("median_ms", .number(row.measured.medianMilliseconds)),
              ("min_ms", .number(row.measured.leastMilliseconds)),
              ("peak_rss_mb", .number(row.measured.peakMegabytes)),
              ("error", .number(row.measured.error)),
            ])
          })
      ),
      ("failed", .array(failed.map { .string($0) })),
    ])
  }
}
