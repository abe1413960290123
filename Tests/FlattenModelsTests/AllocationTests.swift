import AllocationCounter
import FlattenCheckpoint
import FlattenConfig
import FlattenTensor
import Testing

@testable import FlattenModels

/// A pass of a size that was seen before takes no memory for tensors, neither new slabs nor blocks of
/// the heap.
///
/// What it does take, and the tests allow, are Swift's small objects: each tensor's reference count and
/// list of extents, names of layers, resize tables. They are some four a layer, 30 KB in all, none of them
/// as large as a pixel of a feature map.
@Suite struct AllocationTests {
  private static let model = """
    backbone: {type: flatten_pvt, variant: tiny, img_size: 224, attn_type: LLLL}
    neck: {type: fpn, out_channels: 256}
    decode_head: {type: fpn_head, channels: 128, num_classes: 150, align_corners: false}
    """

  private func makeModel() throws -> SemanticSegmentor {
    try SemanticSegmentor(
      SegmentorConfiguration(ConfigNode.parse(Self.model, name: "model.yaml")),
      from: ParameterTree.shapesOnly().root)
  }

  private static let input = Tensor(zeros: [1, 96, 128, 3])

  @Test(arguments: [1, 2, 3]) func aRepeatedPassHoldsNoMoreMemory(threads: Int) throws {
    let model = try makeModel()
    let (pool, memory) = (ThreadPool(threads: threads), BufferPool())
    func run() { _ = model(Self.input, ForwardPass(threads: pool, memory: memory)) }
    run()
    run()
    let held = memory.heldBytes
    for _ in 0..<3 { run() }
    #expect(memory.heldBytes == held)
  }

  @Test(.enabled(if: ac_counts() == 1, "glibc without sanitizers only"))
  func aRepeatedPassTakesSmallObjectsOnly() throws {
    let model = try makeModel()
    // One thread, on which all is counted.
    let (pool, memory) = (ThreadPool(threads: 1), BufferPool())
    func run() { _ = model(Self.input, ForwardPass(threads: pool, memory: memory)) }
    run()
    run()
    ac_begin()
    run()
    let count = ac_end()
    #expect(count.largest < 512)
    #expect(count.blocks < 600 && count.bytes < 48 << 10)
  }

  /// The counter sees what tensors take, of the heap or of a pool that has nothing.
  @Test(.enabled(if: ac_counts() == 1, "glibc without sanitizers only"))
  func theCounterCounts() {
    ac_begin()
    let plain = Tensor(zeros: [4096])
    #expect(ac_end().largest >= 16_384)
    let pooled = Tensor(uninitialized: [4096], pool: BufferPool())
    #expect(ac_end().largest >= 8 << 20 && ac_end().blocks >= 4)
    withExtendedLifetime((plain, pooled)) {}
  }
}
