import FlattenCheckpoint
import FlattenFiles
import FlattenModels
import FlattenTensor
import Foundation

/// How long a model takes on this machine, and where the time goes.
public struct Benchmark: Sendable {
  /// One operator, its median over all runs.
  public struct Layer: Sendable {
    /// Its path in the checkpoint.
    public let name: String
    /// What it does: `linear`, `convolution`, ...
    public let kind: String
    /// The output, batch first, channels last.
    public let shape: [Int]
    /// Multiply-accumulate operations of the definition, whatever the method saves.
    public let macs: Int
    /// Bytes of its inputs, weights and output, each counted once.
    public let bytes: Int
    /// Median wall-clock time.
    public let seconds: Double
  }

  /// Median over all runs, from the input tensor to the coarse logits.
  public let medianSeconds: Double
  /// The fastest run.
  public let minSeconds: Double
  /// Size of the network's input.
  public let size: PixelSize
  /// Threads that computed.
  public let threads: Int
  /// The operators in the order they run.
  public let layers: [Layer]
  /// What products reach here when their data lie in the caches: multiply-accumulates a second.
  public let peak: Double
  /// Most memory that the process has held, in bytes.
  public let peakResidentBytes: Int

  /// Runs a model with random weights, or with given ones, on a fixed input.
  ///
  /// - Parameters:
  ///   - weights: a checkpoint's path; `nil` for random weights. Times do not depend on it.
  ///   - size: of the network's input; both sides at least 32.
  ///   - repeats: counted runs, after two that are not.
  public static func run(
    _ configuration: SegmentationConfiguration, weights: String?, size: PixelSize, threads: Int,
    repeats: Int
  ) throws -> Benchmark {
    let pool = ThreadPool(threads: threads)
    let tree =
      try weights.map {
        ParameterTree(source: try WeightsError.opening($0), packing: Packing(threads: pool))
      } ?? ParameterTree.random(seed: 0)
    let model = try SemanticSegmentor(configuration.model, from: tree.root)
    try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(configuration.model))
    let memory = BufferPool()
    let input = Self.input(size)
    let peak = Engine.measuredPeak(pool)

    var runs: [(seconds: Double, records: [OperatorRecord])] = []
    for index in 0..<repeats + 2 {
      let pass = ForwardPass(threads: pool, memory: memory)
      var records: [OperatorRecord] = []
      pass.onOperator = { records.append($0) }
      let start = ContinuousClock.now
      let logits = model(input, pass)
      let seconds = (ContinuousClock.now - start).seconds
      guard logits.isFinite else { throw SegmentationError.scoresNotFinite }
      if index >= 2 { runs.append((seconds, records)) }
    }
    let layers = runs[0].records.indices.map { index in
      let record = runs[0].records[index]
      return Layer(
        name: record.layer, kind: record.kind.rawValue, shape: record.shape, macs: record.macs,
        bytes: record.bytes, seconds: median(runs.map { $0.records[index].seconds }))
    }
    return Benchmark(
      medianSeconds: median(runs.map(\.seconds)),
      minSeconds: runs.map(\.seconds).min() ?? 0, size: size, threads: threads, layers: layers,
      peak: peak, peakResidentBytes: peakResidentBytes())
  }

  /// A picture-like input: every value between -2 and 2, none the same along a row.
  private static func input(_ size: PixelSize) -> Tensor {
    Tensor([1, size.height, size.width, 3]) { values in
      for index in values.indices { values[index] = Float(index * 7919 % 1021) / 255 - 2 }
    }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  private static func peakResidentBytes() -> Int {
    var usage = rusage()
    #if canImport(Darwin)
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss  // bytes
    #else
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      return usage.ru_maxrss << 10  // kilobytes
    #endif
  }
}
