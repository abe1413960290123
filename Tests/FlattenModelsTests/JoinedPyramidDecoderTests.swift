import FlattenCheckpoint
import FlattenConfig
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenModels

/// A segmentor that is loaded for inference joins the neck's last convolutions with the head's first; loaded
/// for anything else it computes them in turn.
@Suite struct JoinedPyramidDecoderTests {
  private static let joins = PackedConvolutionPair.saves(inputs: 48, middle: 48, outputs: 40)

  private static let model = """
    backbone: {type: flatten_pvt, variant: tiny, img_size: 64, attn_type: LLLL}
    neck: {type: fpn, out_channels: 48}
    decode_head: {type: fpn_head, channels: 40, num_classes: 7, align_corners: false}
    """

  private func load(
    _ purpose: Purpose, _ precision: Precision = .float32
  ) throws -> (model: SemanticSegmentor, tree: ParameterTree) {
    let tree = ParameterTree.random(
      seed: 3,
      context: LoadingContext(threads: ThreadPool(threads: 2), precision, purpose: purpose))
    let configuration = try SegmentorConfiguration(
      ConfigNode.parse(Self.model, name: "model.yaml"))
    return (try SemanticSegmentor.load(configuration, from: tree.root), tree)
  }

  private func operators(_ model: SemanticSegmentor, _ purpose: Purpose) -> [OperatorRecord] {
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: purpose)
    var records: [OperatorRecord] = []
    pass.observer = { if case .operation(let record, _) = $0 { records.append(record) } }
    _ = model(Tensor(zeros: [1, 64, 64, 3]), pass)
    return records
  }

  /// Sizes at which levels have odd sides, and one whose coarsest level is a single pixel.
  @Test(arguments: [(64, 96), (75, 133), (32, 32)], [Precision.float32, .bfloat16])
  func joinedIsInTurn(size: (Int, Int), precision: Precision) throws {
    let x = Tensor([2, size.0, size.1, 3]) { values in
      for index in values.indices { values[index] = Float(index * 7919 % 1021) / 255 - 2 }
    }
    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    let joined = try load(.inference, precision).model(x, pass)
    let inTurn = try load(.inspection, precision).model(x, pass)
    #expect(joined.shape == inTurn.shape)
    let magnitude = inTurn.elements.map(abs).max() ?? 0
    let error = zip(joined.elements, inTurn.elements).map { abs($0 - $1) }.max() ?? .infinity
    #expect(error <= magnitude * (precision == .float32 ? 1e-5 : 0.1))
    // The same bits where nothing is joined, and there only.
    #expect((joined.elements == inTurn.elements) != Self.joins)
  }

  /// A row of costs that covers two layers says which; both have the same work in all.
  @Test func joinedLayersAreNamed() throws {
    let joined = operators(try load(.inference).model, .inference)
    let inTurn = operators(try load(.inspection).model, .inspection)
    let pairs = joined.filter { $0.layers.count == 2 }.map(\.layers)
    #expect(
      pairs
        == (Self.joins
          ? (0..<2).map { ["neck.fpn_convs.\($0).conv", "decode_head.scale_heads.\($0).0"] } : []))
    #expect(inTurn.allSatisfy { $0.layers.count == 1 })
    func macs(_ records: [OperatorRecord]) -> Int { records.reduce(0) { $0 + $1.macs } }
    #expect(macs(joined) == macs(inTurn))
  }

  /// Joined or not, a model asks for the same parameters, in the same order.
  @Test func theParametersAreTheSame() throws {
    let names = try Purpose.allCases.map { try load($0).tree.requested.map(\.name) }
    #expect(names[0] == names[1] && names[0] == names[2])
  }
}
