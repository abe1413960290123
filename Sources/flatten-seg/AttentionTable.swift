import FlattenBackbones
import FlattenFiles
import FlattenInspection
import FlattenRegions
import FlattenVision
import Foundation

/// `bench --attentions`: a line for each attention, in all stages of one model.
struct AttentionTable {
  /// The model whose attentions are replaced.
  let config: String
  /// What is timed; focused linear attention, with which the others are compared, is always among them.
  let attentions: [StandardAttention]
  /// Whether quadratic ones are timed at every size.
  let includesQuadratic: Bool
  /// Of the network's input, the smallest first.
  let sizes: [PixelSize]
  let threads: Int?
  let precision: Precision
  let repeats: Int

  /// A part of a model, or all of it.
  private struct Cost {
    var parameters = 0
    var macs = 0
    var milliseconds = 0.0
  }

  private struct Row {
    let attention: StandardAttention
    let size: PixelSize
    var attentionPart = Cost()
    var whole = Cost()
    /// Most memory of the process, in MB.
    let peak: Double

    /// Without what the weights take in float32.
    var peakAboveWeights: Double { peak - Double(whole.parameters) * 4e-6 }
  }

  /// Times them and prints the table; those that fail are reported, and the rest go on.
  ///
  /// - Parameter format: `nil` for JSON.
  func run(_ format: BenchTable.Format?) throws {
    var rows: [Row] = []
    var failures: [(what: String, status: ExitStatus)] = []
    Interrupt.watch()
    for size in sizes {
      for attention in attentions where !Interrupt.isRequested {
        if attention.cost == .quadratic, size != sizes[0], !includesQuadratic { continue }
        let what = "\(attention.letter) (\(attention.name)) at \(size.height)x\(size.width)"
        Output.error(what)
        do {
          rows.append(try row(attention, size))
        } catch let status as ExitStatus {
          failures.append((what, status))
        } catch {
          Output.error("error: \(ErrorTexts.text(of: error))")
          failures.append((what, ExitStatus(of: error) ?? .failed))
        }
      }
    }
    switch format {
    case _ where rows.isEmpty: break
    case nil: Output.line(document(rows).text())
    case .table:
      Output.text(
        TextTable.text(header: header, rows: rows.map { cells($0, rows) }, leftColumns: 4))
    case .markdown:
      Output.text(
        TextTable.markdown(header: header, rows: rows.map { cells($0, rows) }, leftColumns: 4))
    }
    if Interrupt.wasSignalled { throw ExitStatus.interrupted }
    guard let first = failures.first else { return }
    for failure in failures { Output.error("failed: \(failure.what)") }
    throw rows.isEmpty ? first.status : ExitStatus.partial
  }

  private func row(_ attention: StandardAttention, _ size: PixelSize) throws -> Row {
    let profile = try VisionTasks.configuration(path: config, attention: attention.name)
      .profile(size: size)
    let measured = try BenchProcess.run(
      ["--config=\(config)", "--attention", attention.name], size: size, threads: threads,
      precision, repeats: repeats)
    var row = Row(attention: attention, size: size, peak: measured.peakMegabytes)
    row.whole = Cost(
      parameters: profile.parameters, macs: profile.macs,
      milliseconds: measured.medianMilliseconds)
    for layer in profile.layers where Self.isAttention(layer.name) {
      row.attentionPart.parameters += layer.parameters
      row.attentionPart.macs += layer.macs
    }
    for layer in measured.operators where Self.isAttention(layer.name) {
      row.attentionPart.milliseconds += layer.milliseconds
    }
    return row
  }

  /// Whether a layer is part of a block's attention, projections included.
  private static func isAttention(_ layer: String) -> Bool { layer.contains(".attn") }

  // MARK: What is printed

  private var header: [String] {
    [
      "letter", "name", "cost", "size", "M par. attn", "M par.", "GMAC attn", "GMAC", "ms attn",
      "ms", "ms/GMAC over L", "MB", "x ms attn", "x MB",
    ]
  }

  private func cells(_ row: Row, _ rows: [Row]) -> [String] {
    func number(_ value: Double, _ digits: Int = 2) -> String {
      String(format: "%.\(digits)f", value)
    }
    let growth = growth(of: row, in: rows)
    return [
      row.attention.letter, row.attention.name, row.attention.cost.rawValue,
      "\(row.size.height)x\(row.size.width)",
      number(Double(row.attentionPart.parameters) / 1e6),
      number(Double(row.whole.parameters) / 1e6),
      number(Double(row.attentionPart.macs) / 1e9), number(Double(row.whole.macs) / 1e9),
      number(row.attentionPart.milliseconds, 1), number(row.whole.milliseconds, 1),
      ratio(of: row, in: rows).map { number($0) } ?? "", number(row.peak, 0),
      growth.map { number($0.time, 1) } ?? "", growth.map { number($0.memory, 1) } ?? "",
    ]
  }

  /// Time a multiply-accumulate of the attention part, over focused linear attention's at the same size.
  private func ratio(of row: Row, in rows: [Row]) -> Double? {
    func pace(_ row: Row) -> Double {
      row.attentionPart.milliseconds / Double(max(row.attentionPart.macs, 1))
    }
    return rows.first { $0.attention.letter == "L" && $0.size == row.size }.map {
      pace(row) / pace($0)
    }
  }

  /// How much more than at the smallest size the attention part takes, and memory above the weights.
  private func growth(of row: Row, in rows: [Row]) -> (time: Double, memory: Double)? {
    guard row.size != sizes[0],
      let small = rows.first(where: {
        $0.attention.letter == row.attention.letter && $0.size == sizes[0]
      })
    else { return nil }
    return (
      row.attentionPart.milliseconds / small.attentionPart.milliseconds,
      row.peakAboveWeights / small.peakAboveWeights
    )
  }

  private func document(_ rows: [Row]) -> OrderedJSON {
    func cost(_ cost: Cost) -> OrderedJSON {
      .object([
        ("parameters", .integer(cost.parameters)), ("macs", .integer(cost.macs)),
        ("ms", .number(cost.milliseconds)),
      ])
    }
    return .object([
      ("config", .string(config)),
      ("instruction_set", .string(Version.instructionSet)),
      ("precision", .string(precision.rawValue)),
      ("repeats", .integer(repeats)),
      (
        "attentions",
        .array(
          rows.map { row in
            let growth = growth(of: row, in: rows)
            return .object([
              ("letter", .string(row.attention.letter)),
              ("name", .string(row.attention.name)),
              ("cost", .string(row.attention.cost.rawValue)),
              ("height", .integer(row.size.height)),
              ("width", .integer(row.size.width)),
              ("attention", cost(row.attentionPart)),
              ("whole", cost(row.whole)),
              ("pace_over_focused", ratio(of: row, in: rows).map { .number($0) } ?? .null),
              ("peak_rss_mb", .number(row.peak)),
              ("time_growth", growth.map { .number($0.time) } ?? .null),
              ("memory_growth", growth.map { .number($0.memory) } ?? .null),
            ])
          })
      ),
    ])
  }
}
