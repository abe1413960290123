import FlattenKernels

/// The kind of work that an operator is: a row of a time table.
package enum OperatorKind: String, Sendable, CaseIterable {
  case linear
  case convolution
  case depthwiseConvolution = "depthwise convolution"
  case layerNorm = "layer norm"
  case focus = "focusing map"
  case linearAttention = "linear attention"
  case softmaxAttention = "softmax attention"
  case elementwise
  case resize
  case pooling
}

/// One run of an operator: its place in the model, its output's shape and its cost.
package struct OperatorRecord: Sendable {
  /// The layers' paths in the checkpoint, for example `backbone.block1.0.attn.q`; several where one operator
  /// computes several layers.
  package let layers: [String]
  package let kind: OperatorKind
  /// Shape of the output.
  package let shape: Shape
  /// Multiply-accumulate operations; 0 where an operator has none worth counting.
  package let macs: Int
  /// Bytes of the inputs, the weights and the output, each counted once.
  package let bytes: Int
  /// Wall-clock time; 0 in a dry run.
  package let seconds: Double

  /// The layers in one word.
  package var name: String { layers.joined(separator: " + ") }
}

/// One run through a model: the threads, the memory and the observer that operators use.
///
/// A model is immutable and may be called from many threads; what a call needs lives here. A pass is
/// used by one thread at a time; the pool of threads and of memory may be shared between passes.
///
/// Its methods are the operators. Each writes a new tensor, divides the work among the threads, and
/// gives the same bits whatever their number; `layer` is the name that records of costs have. Operators
/// that join several steps are defined by those steps, and take them one by one where the pass is not for
/// ``Purpose/inference``. Shapes that do not fit end the program: they are mistakes in the model's code.
public final class ForwardPass {
  package let threads: ThreadPool
  /// Where outputs come from; `nil` takes each from the system, for tensors that are kept.
  package let memory: BufferPool?
  /// Whether operators may join steps.
  package let purpose: Purpose
  /// Shapes, costs and the memory's size only: operators return tensors that have no elements.
  package let isDryRun: Bool
  /// Of a dry run: what a model would keep for the next pass of the same size, which is not in the pass's memory.
  private var keptTensors: [Tensor] = []
  private let keptMemory: BufferPool?
  /// Why the model does not take pictures of this size: of a dry run.
  package private(set) var refusal: String?
  /// Is told of every operator, intermediate and attention, in the order they are computed. Watching
  /// changes nothing that is computed.
  package var observer: ((Observation) -> Void)?

  package init(
    threads: ThreadPool, memory: BufferPool? = BufferPool(), purpose: Purpose = .inference,
    isDryRun: Bool = false
  ) {
    self.threads = threads
    self.memory = isDryRun ? .counting() : memory
    keptMemory = isDryRun ? .counting() : nil
    self.purpose = purpose
    self.isDryRun = isDryRun
  }

  /// Makes a pass with threads of its own: for a layer by itself, as in tests.
  ///
  /// - Parameters:
  ///   - threadCount: threads that compute, at least 1.
  ///   - purpose: whether operators may join steps.
  public convenience init(threadCount: Int, purpose: Purpose = .inference) {
    self.init(threads: ThreadPool(threads: threadCount), purpose: purpose)
  }

  /// Makes an operator's output and has `body` write it; skipped in a dry run.
  ///
  /// - Parameters:
  ///   - layer: path of the layer in the checkpoint; evaluated for an observer only.
  ///   - next: a second layer that the operator computes as well.
  ///   - macs: multiply-accumulate operations.
  ///   - reading: elements of the inputs and weights.
  package func output(
    _ shape: Shape, _ kind: OperatorKind, layer: @autoclosure () -> String,
    and next: @autoclosure () -> String? = nil, macs: Int = 0, reading: Int,
    _ body: (UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    let result = Tensor(uninitialized: shape, pool: memory)
    guard let observer else {
      if !isDryRun { body(result.mutablePointer) }
      return result
    }
    let time =
      isDryRun ? .zero : ContinuousClock().measure { body(result.mutablePointer) }
    let record = OperatorRecord(
      layers: [layer()] + (next().map { [$0] } ?? []), kind: kind, shape: shape, macs: macs,
      bytes: (reading + result.count) * MemoryLayout<Float>.stride, seconds: time.seconds)
    observer(.operation(record, output: isDryRun ? nil : result))
    return result
  }

  /// Says that a part of the model does not take maps of this size. The pass goes on: what counts a picture's memory
  /// before it is computed makes an error of it.
  ///
  /// - Parameter reason: a sentence without its end: the part, what it found, and what to do.
  package func refuse(_ reason: @autoclosure () -> String) {
    if isDryRun, refusal == nil { refusal = reason() }
  }

  /// In a dry run, a tensor that a model would make once a size and keep.
  func kept(_ shape: Shape) -> Tensor {
    let tensor = Tensor(uninitialized: shape, pool: keptMemory)
    keptTensors.append(tensor)
    return tensor
  }

  /// Bytes of what a model would keep, after a dry run.
  package var keptBytes: Int { keptMemory?.mostBytes ?? 0 }

  /// Memory for all pieces of an operator's work, taken before its output: large memory that a dry run has to
  /// count.
  func workspace(_ count: Int) -> Tensor { Tensor(uninitialized: Shape(count), pool: memory) }

  /// Lends memory for one piece of an operator's work, which a dry run does not count: at most some MB, see
  /// `MemoryNeed`. Its first contents are undefined.
  func withScratch(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    let bytes = count * MemoryLayout<Float>.stride
    let block = memory?.take(bytes: bytes) ?? MemoryBlock(bytes: bytes)
    body(block.address.assumingMemoryBound(to: Float.self))
    if let memory { memory.put(block) } else { block.free() }
  }

  /// The kernels of this CPU.
  var kernels: fk_table { fk_active().pointee }

  /// Runs `body` over `0..<count` in chunks of `size`, the last one shorter, on all threads.
  func chunks(_ count: Int, of size: Int, _ body: (Range<Int>) -> Void) {
    let pieces = (count + size - 1) / size
    threads.run(pieces) { piece in
      body(piece * size..<min((piece + 1) * size, count))
    }
  }
}
