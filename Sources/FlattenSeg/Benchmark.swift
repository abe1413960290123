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

  /// Median over all runs, from the input tensor to the network's scores.
  public let medianSeconds: Double
  /// The fastest run.
  public let minSeconds: Double
  /// Size of the network's input.
  public let size: PixelSize
  /// Threads that computed.
  public let threads: Int
  /// How weights and the left sides of products were stored.
  public let precision: Precision
  /// The largest difference of a score from that of the plain reference kernels in float32, over the
  /// largest score, on a small input; checked before anything is timed.
  public let error: Double
  /// The operators in the order they run.
  public let layers: [Layer]
  /// What products reach here when their data lie in the caches: multiply-accumulates a second.
  public let peak: Double
  /// Most memory that the process has held, in bytes.
  public let peakResidentBytes: Int

  /// Runs a model with random weights, or with given ones, on a fixed input.
  ///
  /// - Parameters:
  ///   - configuration: of either task.
  ///   - weights: a checkpoint's path; `nil` for random weights. Times do not depend on it.
  ///   - size: of the network's input; both sides at least 32.
  ///   - repeats: counted runs, after two that are not.
  ///   - threads: threads that compute.
  ///   - precision: how weights and the left sides of products are stored.
  /// - Throws: ``BenchmarkError`` where the kernels in use disagree with the reference.
  public static func run(
    _ configuration: ModelConfiguration, weights: String?, size: PixelSize, threads: Int,
    precision: Precision = .float32, repeats: Int
  ) throws -> Benchmark {
    let pool = ThreadPool(threads: threads)
    func load(_ precision: Precision) throws -> Network {
      let packing = Packing(threads: pool, precision)
      guard let weights else {
        return try configuration.makeNetwork(
          from: ParameterTree.random(seed: 0, packing: packing))
      }
      let source = configuration.translating(try WeightsError.opening(weights))
      return try configuration.makeNetwork(from: ParameterTree(source: source, packing: packing))
    }
    let expected = try Engine.withReferenceKernels {
      try load(.float32)(Self.input(Self.smallSize), ForwardPass(threads: pool))
    }
    let model = try load(precision)
    let error = try Self.error(
      of: model(Self.input(Self.smallSize), ForwardPass(threads: pool)), from: expected, precision)

    let memory = BufferPool()
    let input = Self.input(size)
    let peak = Engine.measuredPeak(pool, precision)
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
        name: record.layer, kind: record.kind.rawValue, shape: Array(record.shape),
        macs: record.macs,
        bytes: record.bytes, seconds: median(runs.map { $0.records[index].seconds }))
    }
    return Benchmark(
      medianSeconds: median(runs.map(\.seconds)),
      minSeconds: runs.map(\.seconds).min() ?? 0, size: size, threads: threads,
      precision: precision, error: error, layers: layers, peak: peak,
      peakResidentBytes: mostResidentMemory())
  }

  /// Odd in its grids; small, for the reference is slow.
  private static let smallSize = PixelSize(height: 72, width: 104)

  private static func error(
    of scores: Tensor, from expected: Tensor, _ precision: Precision
  ) throws -> Double {
    var largest: Float = 0
    var difference: Float = 0
    for (score, wanted) in zip(scores.elements, expected.elements) {
      largest = max(largest, abs(wanted))
      // A NaN must not be overlooked by a comparison.
      difference = abs(score - wanted) <= difference ? difference : abs(score - wanted)
    }
    let error = Double(difference / largest)
    let allowed = precision == .float32 ? 1e-4 : 0.1
    guard error <= allowed else { throw BenchmarkError.disagrees(error, allowed: allowed) }
    return error
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
}

/// From an input `[1, H, W, 3]` to scores, coarse logits or those of a classifier.
private typealias Network = (Tensor, ForwardPass) -> Tensor

extension ModelConfiguration {
  fileprivate func translating(_ source: any ParameterSource) -> any ParameterSource {
    switch self {
    case .segmentation(let c): c.model.translating(source)
    case .classification(let c): c.model.translating(source)
    }
  }

  /// The model with all of a tree's parameters.
  fileprivate func makeNetwork(from tree: ParameterTree) throws -> Network {
    switch self {
    case .segmentation(let c):
      let model = try SemanticSegmentor(c.model, from: tree.root)
      try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(c.model))
      return { model($0, $1) }
    case .classification(let c):
      let model = try ImageClassifier(c.model, from: tree.root)
      try tree.finish(ignoring: ImageClassifier.ignoredKeys(c.model))
      return { model($0, $1).logits }
    }
  }
}

/// Why nothing was timed.
public enum BenchmarkError: Error, CustomStringConvertible, Sendable {
  /// The scores' largest error over the largest score, and what is allowed.
  case disagrees(Double, allowed: Double)

  /// One sentence.
  public var description: String {
    switch self {
    case .disagrees(let error, let allowed):
      "the kernels for \(Version.instructionSet) disagree with the reference by \(error) of the largest "
        + "score, at most \(allowed) is allowed. Please report this; FLATTEN_ISA=ref avoids them."
    }
  }
}
