import FlattenRegions
import FlattenVision
import Foundation

/// What `bench --json` says of a model, in part, in a process of its own: only the system knows the most memory that
/// a model takes, and it counts by process.
struct BenchProcess: Decodable {
  struct Operator: Decodable {
    let name: String
    let milliseconds: Double
    let macs: Int

    enum CodingKeys: String, CodingKey {
      case name, macs
      case milliseconds = "ms"
    }
  }

  let medianMilliseconds: Double
  let leastMilliseconds: Double
  let error: Double
  let threads: Int
  let height: Int
  let width: Int
  let peakMegabytes: Double
  /// Milliseconds of a detector's parts.
  let parts: [String: Double]
  let operators: [Operator]

  enum CodingKeys: String, CodingKey {
    case medianMilliseconds = "median_ms"
    case leastMilliseconds = "min_ms"
    case error, threads, height, width, parts, operators
    case peakMegabytes = "peak_rss_mb"
  }

  /// Runs this program anew; what it has to say on standard error goes there.
  ///
  /// - Parameter model: the options that name the model.
  static func run(
    _ model: [String], size: PixelSize, threads: Int?, _ precision: Precision, repeats: Int
  ) throws -> BenchProcess {
    var arguments =
      ["bench"] + model + [
        "--size", "\(size.height)x\(size.width)", "--precision", precision.rawValue, "--repeat",
        "\(repeats)", "--json",
      ]
    if let threads { arguments += ["--threads", "\(threads)"] }
    let (document, ending) = try ChildProcess.output(of: arguments)
    switch ending {
    case .signal(let number):
      Output.error(
        "error: the model's process ended by signal \(number), for instance for want of memory")
      throw ExitStatus.failed
    case .status(let status) where status != 0:
      throw ExitStatus(rawValue: status) ?? .failed
    case .status: return try JSONDecoder().decode(BenchProcess.self, from: document)
    }
  }
}
