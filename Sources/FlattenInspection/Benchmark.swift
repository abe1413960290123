import FlattenBackbones
import FlattenCheckpoint
import FlattenFiles
import FlattenModels
import FlattenRegions
import FlattenTensor
import Foundation

/// How long a model takes on this machine, and where the time goes.
package struct Benchmark: Sendable {
  /// One operator, its median over all runs.
  package struct Layer: Sendable {
    /// Its path in the checkpoint.
    package let name: String
    /// What it does: `linear`, `convolution`, ...
    package let kind: String
    /// The output, batch first, channels last.
    package let shape: [Int]
    /// Multiply-accumulate operations of the definition, whatever the method saves.
    package let macs: Int
    /// Bytes of its inputs, weights and output, each counted once.
    package let bytes: Int
    /// Median wall-clock time.
    package let seconds: Double
  }

  /// Median over all runs, from the input tensor to the network's scores.
  package let medianSeconds: Double
  /// The fastest run.
  package let minSeconds: Double
  /// Size of the network's input.
  package let size: PixelSize
  /// Threads that computed.
  package let threads: Int
  /// How weights and the left sides of products were stored.
  package let precision: Precision
  /// The largest difference of a score from that of the plain reference kernels in float32, over the
  /// largest score, on a small input; checked before anything is timed.
  package let error: Double
  /// The operators in the order they run.
  package let layers: [Layer]
  /// The parts that a model is measured by beside its operators, in the order they run, with their median times;
  /// none of a model that is all operators.
  package let parts: [(name: String, seconds: Double)]
  /// What products reach here when their data lie in the caches: multiply-accumulates a second.
  package let peak: Double
  /// Most memory that the process has held, in bytes.
  package let peakResidentBytes: Int

  /// Runs a model with random weights, or with given ones, on a fixed input.
  ///
  /// - Parameters:
  ///   - type: the task's model.
  ///   - configuration: its config's `model` section.
  ///   - weights: all parameters under our names; `nil` for random ones. Times do not depend on them.
  ///   - size: of the network's input; both sides at least 32.
  ///   - threads: threads that compute.
  ///   - precision: how weights and the left sides of products are stored.
  ///   - repeats: counted runs, after two that are not.
  /// - Throws: ``BenchmarkError`` where the kernels in use disagree with the reference.
  package static func run<Model: TaskModel>(
    _ type: Model.Type, _ configuration: Model.Configuration, weights: (any ParameterSource)?,
    size: PixelSize, threads: Int, precision: Precision = .float32, repeats: Int
  ) throws -> Benchmark {
    let pool = ThreadPool(threads: threads)
    func load(_ precision: Precision) throws -> Model {
      let context = LoadingContext(threads: pool, precision)
      let tree =
        weights.map { ParameterTree(source: $0, context: context) }
        ?? ParameterTree.random(seed: 0, context: context)
      let model = try Model.load(configuration, from: tree.root)
      try tree.finish(ignoring: Model.ignoredKeys(configuration))
      return model
    }
    func scores(_ model: Model) -> [Tensor] {
      Model.scores(of: model(Self.input(Self.smallSize), ForwardPass(threads: pool)))
    }
    let expected = try Products.withReferenceKernels { scores(try load(.float32)) }
    let model = try load(precision)
    let error = try Self.error(of: scores(model), from: expected, precision)

    let memory = BufferPool()
    let bytes = try MemoryNeed.bytes(
      input: Shape(1, size.height, size.width, 3), threads: threads, .inference
    ) { _ = model($0, $1) }
    guard memory.reserve(bytes: bytes, where: { MemoryNeed.isMet($0) }) else {
      throw BenchmarkError.sizeTooLarge(size, bytes: bytes)
    }
    let input = Self.input(size, memory)
    let peak = Products.measuredPeak(pool, precision)
    var runs:
      [(seconds: Double, records: [OperatorRecord], parts: [(name: String, seconds: Double)])] =
        []
    for index in 0..<repeats + 2 {
      let pass = ForwardPass(threads: pool, memory: memory)
      var records: [OperatorRecord] = []
      var parts: [(name: String, seconds: Double)] = []
      pass.observer = { observation in
        switch observation {
        case .operation(let record, _): records.append(record)
        case .part(let name, let seconds): parts.append((name, seconds))
        case .intermediate, .attention: break
        }
      }
      let start = ContinuousClock.now
      let output = model(input, pass)
      let seconds = (ContinuousClock.now - start).seconds
      guard Model.scores(of: output).allSatisfy(\.isFinite) else {
        throw BenchmarkError.scoresNotFinite
      }
      if index >= 2 { runs.append((seconds, records, parts)) }
    }
    let layers = runs[0].records.indices.map { index in
      let record = runs[0].records[index]
      return Layer(
        name: record.name, kind: record.kind.rawValue, shape: Array(record.shape),
        macs: record.macs,
        bytes: record.bytes, seconds: median(runs.map { $0.records[index].seconds }))
    }
    return Benchmark(
      medianSeconds: median(runs.map(\.seconds)),
      minSeconds: runs.map(\.seconds).min() ?? 0, size: size, threads: pool.threads,
      precision: precision, error: error, layers: layers,
      parts: runs[0].parts.indices.map { index in
        (runs[0].parts[index].name, median(runs.map { $0.parts[index].seconds }))
      },
      peak: peak,
      peakResidentBytes: mostResidentMemory())
  }

  /// Odd in its grids; small, for the reference is slow.
  private static let smallSize = PixelSize(height: 72, width: 104)

  private static func error(
    of scores: [Tensor], from expected: [Tensor], _ precision: Precision
  ) throws -> Double {
    var largest: Float = 0
    var difference: Float = 0
    for (score, wanted) in zip(scores.flatMap(\.elements), expected.flatMap(\.elements)) {
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
  private static func input(_ size: PixelSize, _ memory: BufferPool? = nil) -> Tensor {
    Tensor([1, size.height, size.width, 3], pool: memory) { values in
      for index in values.indices { values[index] = Float(index * 7919 % 1021) / 255 - 2 }
    }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// Why nothing was timed.
package enum BenchmarkError: Error, CustomStringConvertible, Sendable {
  /// The network gave NaN or infinity.
  case scoresNotFinite
  /// The input's size, and the bytes that it needs and cannot have.
  case sizeTooLarge(PixelSize, bytes: Int)
  /// The scores' largest error over the largest score, and what is allowed.
  case disagrees(Double, allowed: Double)

  /// One sentence.
  package var description: String {
    switch self {
    case .scoresNotFinite:
      "the network's scores are not finite; the weights are damaged or belong to another config"
    case .sizeTooLarge(let size, let bytes):
      "an input of \(size.height)x\(size.width) (height x width) needs \(bytes >> 20) MB of memory, which the "
        + "system or a limit refuses. Choose a smaller size."
    case .disagrees(let error, let allowed):
      "the kernels for \(InstructionSet.name) disagree with the reference by \(error) of the largest "
        + "score, at most \(allowed) is allowed. Please report this; FLATTEN_ISA=ref avoids them."
    }
  }
}
