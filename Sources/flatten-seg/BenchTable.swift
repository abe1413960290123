import ArgumentParser
import FlattenConfig
import FlattenFiles
import FlattenRegions
import FlattenVision
import Foundation

/// `bench --all`: a line for each of many models.
///
/// Each is timed in a process of its own, one after the other, so that none disturbs another.
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
    let measured: BenchProcess
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
    let parts = Self.parts(of: rows)
    switch format {
    case _ where rows.isEmpty: break
    case nil: Output.line(document(rows, failures.map(\.config)).text())
    case .table:
      Output.text(
        TextTable.text(header: Self.header(parts), rows: cells(rows, parts), leftColumns: 2))
    case .markdown:
      Output.text(
        TextTable.markdown(header: Self.header(parts), rows: cells(rows, parts), leftColumns: 2))
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
    return Row(
      config: config, name: configuration.name, parameters: profile.parameters,
      macs: profile.macs,
      measured: try .run(
        ["--config=\(config)"], size: size, threads: threads, precision, repeats: repeats))
  }

  // MARK: What is printed

  /// Of models that are more than a network there is the time of each part, too.
  private static func header(_ parts: [String]) -> [String] {
    ["model", "config", "M parameters", "size", "GMAC", "ms"] + parts.map { "ms \($0)" } + ["MB"]
  }

  /// The parts of all models, each once; those of a model by their names.
  private static func parts(of rows: [Row]) -> [String] {
    var names: [String] = []
    for row in rows {
      for part in row.measured.parts.keys.sorted() where !names.contains(part) {
        names.append(part)
      }
    }
    return names
  }

  private func cells(_ rows: [Row], _ parts: [String]) -> [[String]] {
    func milliseconds(_ time: Double) -> String {
      String(format: time < 100 ? "%.1f" : "%.0f", time)
    }
    return rows.map { row in
      [
        row.name, row.config, String(format: "%.1f", Double(row.parameters) / 1e6),
        "\(row.measured.height)x\(row.measured.width)",
        String(format: "%.1f", Double(row.macs) / 1e9),
        milliseconds(row.measured.medianMilliseconds),
      ] + parts.map { row.measured.parts[$0].map(milliseconds) ?? "" }
        + [String(format: "%.0f", row.measured.peakMegabytes)]
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
              (
                "parts",
                .object(
                  row.measured.parts.sorted { $0.key < $1.key }.map { ($0.key, .number($0.value)) })
              ),
            ])
          })
      ),
      ("failed", .array(failed.map { .string($0) })),
    ])
  }
}
