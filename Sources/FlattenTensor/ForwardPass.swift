import FlattenKernels

/// What kind of work an operator is; the rows of a time table.
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

/// What one operator did: its place in the model, its output and its cost.
package struct OperatorRecord: Sendable {
  /// The layer's path in the checkpoint, for example `backbone.block1.0.attn.q`.
  package let layer: String
  package let kind: OperatorKind
  /// Shape of the output.
  package let shape: Shape
  /// Multiply-accumulate operations; 0 where an operator has none worth counting.
  package let macs: Int
  /// Bytes of the inputs, the weights and the output, each counted once.
  package let bytes: Int
  /// Wall-clock time; 0 in a dry run.
  package let seconds: Double
}

/// One run through a model: the threads, the memory and the observers that operators use.
///
/// A model is immutable and may be called from many threads; what a call needs lives here. A pass is
/// used by one thread at a time; the pool of threads and of memory may be shared between passes.
///
/// Its methods are the operators. Each writes a new tensor, divides the work among the threads, and
/// gives the same bits whatever their number; `layer` is what records of costs call it. Shapes that do
/// not fit end the program: they are mistakes of whoever wrote the model.
///
/// A second pass of one size takes nothing from the heap: tensors, the objects behind them and all that
/// operators need on the way come from memory that the first has left.
public final class ForwardPass {
  package let threads: ThreadPool
  /// Where outputs come from; `nil` takes each from the system, for what is kept.
  package let memory: BufferPool?
  /// Shapes and costs only: operators return tensors whose elements are never written.
  package let isDryRun: Bool
  /// Called with every operator's record, in order.
  package var onOperator: ((OperatorRecord) -> Void)?
  /// Called with every named layer's output, for tests and for looking inside a model.
  package var onOutput: ((String, Tensor) -> Void)?
  /// Who wants which intermediates of the model.
  package var tap: IntermediateTap?
  /// Called with every attention's operands, for looking at what it looks at.
  package var onAttention: ((AttentionRecord) -> Void)?

  /// Whether somebody looks at each step's output or cost, so that steps must not be taken as one.
  package var isObserved: Bool { isDryRun || onOutput != nil || onAttention != nil }

  package init(threads: ThreadPool, memory: BufferPool? = BufferPool(), isDryRun: Bool = false) {
    self.threads = threads
    self.memory = memory
    self.isDryRun = isDryRun
  }

  /// Makes a pass with threads of its own: for a layer by itself, as in tests.
  ///
  /// - Parameter threadCount: threads that compute, at least 1.
  public convenience init(threadCount: Int) {
    self.init(threads: ThreadPool(threads: threadCount))
  }

  /// Makes an operator's output and has `body` write it; skipped in a dry run.
  ///
  /// - Parameters:
  ///   - layer: path of the layer in the checkpoint; not made unless somebody looks.
  ///   - macs: multiply-accumulate operations.
  ///   - reading: elements of the inputs and weights.
  package func output(
    _ shape: Shape, _ kind: OperatorKind, layer: @autoclosure () -> String, macs: Int = 0,
    reading: Int,
    _ body: (UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    let result = Tensor(uninitialized: shape, pool: memory)
    var seconds = 0.0
    if !isDryRun {
      if onOperator == nil {
        body(result.mutablePointer)
      } else {
        seconds = ContinuousClock().measure { body(result.mutablePointer) }.seconds
      }
    }
    onOperator?(
      OperatorRecord(
        layer: layer(), kind: kind, shape: shape, macs: macs,
        bytes: (reading + result.count) * MemoryLayout<Float>.stride, seconds: seconds))
    if !isDryRun { onOutput?(layer(), result) }
    return result
  }

  /// Lends memory for one piece of an operator's work; what it holds at first is anything.
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
