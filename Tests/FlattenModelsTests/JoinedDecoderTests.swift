import FlattenCheckpoint
import FlattenConfig
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenModels

/// A segmentor joins the neck's last convolutions with the head's first; who looks at the maps between
/// them sees them computed in turn.
@Suite struct JoinedDecoderTests {
  private static let model = """
    backbone: {type: flatten_pvt, variant: tiny, img_size: 64, attn_type: LLLL}
    neck: {type: fpn, out_channels: 48}
    decode_head: {type: fpn_head, channels: 40, num_classes: 7, align_corners: false}
    """

  private func makeModel(_ precision: Precision) throws -> SemanticSegmentor {
    let packing = Packing(threads: ThreadPool(threads: 2), precision)
    return try SemanticSegmentor(
      SegmentorConfiguration(ConfigNode.parse(Self.model, name: "model.yaml")),
      from: ParameterTree.random(seed: 3, packing: packing).root)
  }

  /// Sizes at which levels have odd sides, and one whose coarsest level is a single pixel.
  @Test(arguments: [(64, 96), (75, 133), (32, 32)], [Precision.float32, .bfloat16])
  func joinedIsInTurn(size: (Int, Int), precision: Precision) throws {
    let model = try makeModel(precision)
    let x = Tensor([2, size.0, size.1, 3]) { values in
      for index in values.indices { values[index] = Float(index * 7919 % 1021) / 255 - 2 }
    }
    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    let joined = model(x, pass)
    let neck = try #require(model.neck)
    let inTurn = model.head(neck(model.backbone(x, pass), pass), pass)
    #expect(joined.shape == inTurn.shape)
    let magnitude = inTurn.elements.map(abs).max() ?? 0
    let error = zip(joined.elements, inTurn.elements).map { abs($0 - $1) }.max() ?? .infinity
    #expect(error <= magnitude * (precision == .float32 ? 1e-5 : 0.1))
    // The same bits where nothing is joined, and there only.
    let areSame = joined.elements == inTurn.elements
    #expect(areSame != PackedConvolutionPair.saves(inputs: 48, middle: 48, outputs: 40))
  }

  @Test func anObservedPassShowsTheMapsBetween() throws {
    let model = try makeModel(.float32)
    let pass = ForwardPass(threads: ThreadPool(threads: 1))
    var names: Set<String> = []
    pass.onOutput = { name, _ in names.insert(name) }
    _ = model(Tensor(zeros: [1, 64, 64, 3]), pass)
    #expect(names.contains("neck.fpn_convs.0.conv"))
    #expect(names.contains("decode_head.scale_heads.0.0"))
  }
}
