import FlattenTensor
import TestSupport
import Testing

@Suite struct LinearOperatorTests {
  /// Rows, inputs, outputs: single ones, odd ones, and enough to be cut into blocks both ways.
  static let sizes = [
    (1, 1, 1), (1, 7, 3), (5, 1, 9), (3, 5, 1), (7, 31, 13), (129, 17, 33), (2, 64, 257),
    (300, 9, 130), (2050, 3, 5),
  ]

  @Test(arguments: sizes, [Activation.none, .relu, .gelu])
  func agreesWithTheDefinition(size: (Int, Int, Int), activation: Activation) {
    let (rows, inputs, outputs) = size
    let x = Tensor.noise([rows, inputs], seed: 1)
    let weight = Tensor.noise([outputs, inputs], seed: 2)
    let packed = PackedMatrix(weight)
    let bias = Tensor.noise([outputs], seed: 3)
    let residual = Tensor.noise([rows, outputs], seed: 4)
    for (hasBias, hasResidual) in KernelEpilogueTests.combinations {
      let y = pass().linear(
        x, packed, bias: hasBias ? bias : nil, activation: activation,
        residual: hasResidual ? residual : nil, layer: "fc")
      var wanted = Naive.linear(
        x.elements, weight.elements, bias: hasBias ? bias.elements : nil, inputs: inputs
      ).map { Naive.activated($0, activation) }
      if hasResidual { wanted = zip(wanted, residual.elements).map { $0 + Double($1) } }
      #expect(y.mismatch(wanted, [rows, outputs]) == nil)
    }
  }

  @Test func leadingAxesStay() {
    let x = Tensor.noise([2, 3, 5, 7], seed: 1)
    let weight = Tensor.noise([4, 7], seed: 2)
    let y = pass().linear(x, PackedMatrix(weight), bias: nil, layer: "fc")
    let wanted = Naive.linear(x.elements, weight.elements, bias: nil, inputs: 7)
    #expect(y.mismatch(wanted, [2, 3, 5, 4]) == nil)
    let one = pass().linear(
      x.reshaped([30, 7]), PackedMatrix(weight), bias: nil, residual: y.reshaped([30, 4]),
      layer: "fc")
    #expect(one.mismatch(wanted.map { 2 * $0 }, [30, 4]) == nil)
  }

  @Test func noRowsAreNoRows() {
    let y = pass().linear(
      Tensor([0, 7], []), PackedMatrix(.noise([4, 7], seed: 2)), bias: nil, layer: "fc")
    #expect(y.shape == [0, 4] && y.elements.isEmpty)
  }

  /// A row that is no number spoils its own output and no other.
  @Test func aBadRowStaysVisibleAndAlone() {
    for bad: Float in [.nan, .infinity] {
      var elements = Noise.floats(131 * 7, seed: 1)
      elements[129 * 7 + 3] = bad
      let y = pass().linear(
        Tensor([131, 7], elements), PackedMatrix(.noise([33, 7], seed: 2)), bias: nil,
        activation: .relu, layer: "fc")
      for (index, value) in y.elements.enumerated() where index / 33 != 129 {
        #expect(value.isFinite)
      }
      let row = y.elements[129 * 33..<130 * 33]
      #expect(
        bad.isNaN ? row.allSatisfy { $0.isNaN } : row.allSatisfy { $0 == .infinity || $0 == 0 })
    }
  }

  /// The fused feed-forward part against its two layers, with and without enough rows to be fused.
  @Test(arguments: [1, 49, 1023, 1024, 2311]) func mlpIsItsTwoLayers(rows: Int) {
    let pass = pass()
    let x = Tensor.noise([rows, 24], seed: 1)
    let expand = (
      weight: PackedMatrix(.noise([77, 24], seed: 2)), bias: Tensor.noise([77], seed: 3)
    )
    let contract = (
      weight: PackedMatrix(.noise([24, 77], seed: 4)), bias: Tensor.noise([24], seed: 5)
    )
    let residual = Tensor.noise([rows, 24], seed: 6)
    let hidden = pass.linear(x, expand.weight, bias: expand.bias, activation: .gelu, layer: "fc1")
    let wanted = pass.linear(
      hidden, contract.weight, bias: contract.bias, residual: residual, layer: "fc2")
    let got = pass.mlp(x, expand: expand, contract: contract, residual: residual, layer: "mlp")
    #expect(got.mismatch(wanted.elements.map(Double.init), wanted.shape) == nil)
  }
}
