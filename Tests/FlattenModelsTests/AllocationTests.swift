import AllocationCounter
import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenTensor
import Foundation
import Synchronization
import Testing

@testable import FlattenModels

/// A pass of a size that was seen before takes no memory for tensors, on none of its threads: what the first
/// pass has taken is used again. Small objects, lists and closures are not counted. Room is made before, as every
/// model does that a program loads.
@Suite struct AllocationTests {
  /// A model and how its passes are counted.
  struct Case: Sendable, CustomTestStringConvertible {
    let backbone: String
    let decoder: String
    let size: (height: Int, width: Int)
    let precision: Precision

    init(
      _ backbone: String, _ decoder: String = fpn, _ height: Int = 96, _ width: Int = 128,
      _ precision: Precision = .float32
    ) {
      self.backbone = backbone
      self.decoder = decoder
      size = (height, width)
      self.precision = precision
    }

    var testDescription: String {
      "\(backbone) \(decoder.split(separator: "\n").last ?? "") \(size) \(precision)"
    }
  }

  static let fpn = """
    neck: {type: fpn, out_channels: 256}
    decode_head: {type: fpn_head, channels: 128, num_classes: 150, align_corners: false}
    """
  static let uper = "decode_head: {type: uper_head, channels: 64, num_classes: 19}"
  static let mlp = "decode_head: {type: segformer_head, channels: 64, num_classes: 19}"
  static let classifier = "classifier: {num_classes: 1000}"
  static let efficient = """
    decode_head: {type: efficientvit_head, channels: 64, head_depth: 3, expand_ratio: 4, middle_op: mbconv, \
    act_func: hswish, norm_eps: 1.0e-5, num_classes: 150}
    """

  private static let pvt = "{type: flatten_pvt, variant: tiny, img_size: 224, attn_type: LLLL}"

  static let cases = [
    Case(pvt, fpn, 512, 512), Case(pvt, fpn, 512, 512, .bfloat16), Case(pvt, fpn, 75, 133),
    Case(pvt, uper), Case(pvt, mlp), Case(pvt, classifier, 224, 224),
    Case("{type: flatten_pvt, variant: tiny, attn_type: LLSS}"),
    Case("{type: pvt, variant: tiny}"), Case("{type: pvt, variant: tiny}", classifier, 224, 224),
    Case("{type: flatten_pvt_v2, variant: b1}"), Case("{type: pvt_v2, variant: b2_li}"),
    Case("{type: flatten_swin, variant: tiny}"), Case("{type: flatten_swin, variant: tiny}", uper),
    Case("{type: swin, variant: tiny}", uper, 200, 150),
    Case("{type: flatten_cswin, variant: tiny}"),
    Case("{type: cswin, variant: tiny}", uper, 200, 150),
    Case("{type: flatten_deit, variant: tiny}", classifier, 224, 224),
    Case("{type: deit, variant: tiny}", mlp, 100, 130),
    Case("{type: agent_pvt, variant: tiny}", fpn, 100, 130),
    Case("{type: inline_pvt, variant: tiny}", fpn, 100, 130),
    Case("{type: vvt, variant: tiny}", classifier, 224, 224),
    Case("{type: ravlt, variant: tiny}", fpn, 100, 130),
    Case("{type: ravlt, variant: tiny}", classifier, 224, 224),
    Case("{type: mlla, variant: tiny}", uper, 100, 130),
    Case("{type: mlla, variant: tiny}", classifier, 224, 224, .bfloat16),
    Case("{type: efficientvit, variant: b1}", efficient, 512, 480),
    Case("{type: efficientvit_large, variant: l1}", efficient, 100, 130, .bfloat16),
    Case("{type: deit, variant: tiny, skip_attention: [[3, 4]]}", mlp, 100, 130),
    Case("{type: flatten_pvt, variant: tiny, skip_attention: [[1], [1], [1], [1]]}"),
  ]

  /// The attentions of the literature in all stages.
  static let letters = [(96, 128), (200, 168)].flatMap { height, width in
    StandardAttention.all.map { attention in
      let letters = String(repeating: attention.letter, count: 4)
      return Case(
        "{type: flatten_pvt, variant: tiny, img_size: 224, attn_type: \(letters)}", fpn, height,
        width)
    }
  }

  private func makeModel(_ c: Case) throws -> (Tensor, ForwardPass) -> Void {
    let text = "backbone: \(c.backbone)\n\(c.decoder)\n"
    let node = try ConfigNode.parse(text, name: "model.yaml")
    let context = LoadingContext(threads: ThreadPool(threads: 1), c.precision)
    let tree = ParameterTree.random(seed: 1, context: context).root
    if c.decoder == Self.classifier {
      let model = try ImageClassifier(ClassifierConfiguration(node), from: tree)
      return { _ = model($0, $1) }
    }
    let model = try SemanticSegmentor.load(SegmentorConfiguration(node), from: tree)
    return { _ = model($0, $1) }
  }

  /// No tensor of a model here is so small; no list or closure so large.
  private static let tensorBytes = 2048

  @Test(.enabled(if: ac_counts() == 1, "glibc without sanitizers, optimised code only"))
  func theCounterCounts() {
    ac_begin()
    let plain = Tensor(zeros: [4096])
    #expect(ac_end().largest >= 16_384)
    let pooled = Tensor(uninitialized: [4096], pool: BufferPool())
    #expect(ac_end().largest >= 8 << 20)
    withExtendedLifetime((plain, pooled)) {}
    // On each thread of a pool what this thread takes.
    let pool = ThreadPool(threads: 3)
    onEachThread(pool) { ac_begin() }
    pool.run(1000) { _ = [Int](repeating: $0, count: $0 + 1).withUnsafeBufferPointer { $0.count } }
    #expect(largest(pool) > Self.tensorBytes)
  }

  @Test(
    .enabled(if: ac_counts() == 1, "glibc without sanitizers, optimised code only"),
    arguments: cases + letters)
  func aRepeatedPassTakesNoMemoryForTensors(_ c: Case) throws {
    let run = try makeModel(c)
    let input = Tensor(zeros: [1, c.size.height, c.size.width, 3])
    for threads in [1, 2, 3] {
      let pool = ThreadPool(threads: threads)
      let memory = try memory(for: input, threads: threads, run)
      let pass = ForwardPass(threads: pool, memory: memory)
      run(input, pass)
      onEachThread(pool) { ac_begin() }
      run(input, pass)
      #expect(largest(pool) < Self.tensorBytes, "\(threads) threads")
    }
  }

  /// Memory with room for passes on an input.
  private func memory(
    for input: Tensor, threads: Int, _ run: (Tensor, ForwardPass) -> Void
  ) throws -> BufferPool {
    let memory = BufferPool()
    memory.reserve(
      bytes: try MemoryNeed.bytes(input: input.shape, threads: threads, .inference, run))
    return memory
  }

  /// Threads lend themselves memory as they come to their pieces, and a pass in which more of them do so at the same
  /// time than in the first one must find room too: after a pass of one thread, in which none does. There is room for
  /// 4 MB a thread beside what a dry run counts; one thread takes less than half of it.
  @Test(
    arguments: letters + [
      Case(pvt, fpn, 512, 512), Case("{type: deit, variant: tiny}", mlp, 512, 512),
    ])
  func roomIsThereHoweverThreadsMeet(_ c: Case) throws {
    let run = try makeModel(c)
    let input = Tensor(zeros: [1, c.size.height, c.size.width, 3])
    let memory = try memory(for: input, threads: 3, run)
    let held = memory.heldBytes
    run(input, ForwardPass(threads: ThreadPool(threads: 1), memory: memory))
    let dry = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    run(input, dry)
    let counted = try #require(dry.memory).mostBytes
    #expect(memory.mostBytes - counted <= 2 << 20, "beside \(counted) bytes")
    let pool = ThreadPool(threads: 3)
    for _ in 0..<3 { run(input, ForwardPass(threads: pool, memory: memory)) }
    #expect(memory.heldBytes == held)
  }

  /// Bytes of the largest block that the threads of a pool have taken since they began to count.
  private func largest(_ pool: ThreadPool) -> Int {
    let most = Atomic(0)
    onEachThread(pool) { most.max(Int(ac_end().largest), ordering: .relaxed) }
    return most.load(ordering: .relaxed)
  }

  /// Calls `body` once on each thread of a pool that does nothing else.
  private func onEachThread(_ pool: ThreadPool, _ body: () -> Void) {
    // None leaves before all are in, so none comes twice.
    let inside = Atomic(0)
    pool.run(pool.threads) { _ in
      body()
      inside.add(1, ordering: .relaxed)
      while inside.load(ordering: .relaxed) < pool.threads { sched_yield() }
    }
  }

  /// Where nothing is counted as well.
  @Test(arguments: [1, 2, 3]) func aRepeatedPassHoldsNoMoreMemory(threads: Int) throws {
    let run = try makeModel(Case(Self.pvt))
    let (pool, memory) = (ThreadPool(threads: threads), BufferPool())
    let input = Tensor(zeros: [1, 96, 128, 3])
    for _ in 0..<2 { run(input, ForwardPass(threads: pool, memory: memory)) }
    let held = memory.heldBytes
    for _ in 0..<3 { run(input, ForwardPass(threads: pool, memory: memory)) }
    #expect(memory.heldBytes == held)
  }
}
