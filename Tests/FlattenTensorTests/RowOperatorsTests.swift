import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite struct RowOperatorsTests {
  @Test(arguments: [1, 127, 129, 300]) func layerNormAgrees(rows: Int) {
    let x = Tensor.noise([rows, 35], seed: 1, scale: 3, offset: 2)
    let gamma = Tensor.noise([35], seed: 2, offset: 1.5)
    let beta = Tensor.noise([35], seed: 3)
    var wanted: [Double] = []
    for row in 0..<rows {
      let values = x.elements[row * 35..<(row + 1) * 35].map(Double.init)
      let mean = values.reduce(0, +) / 35
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 35
      for column in 0..<35 {
        wanted.append(
          (values[column] - mean) / (variance + 1e-5).squareRoot()
            * Double(gamma.elements[column]) + Double(beta.elements[column]))
      }
    }
    let y = pass().layerNorm(x, gamma: gamma, beta: beta, epsilon: 1e-5, layer: "norm")
    #expect(y.mismatch(wanted, [rows, 35]) == nil)
  }

  @Test func elementwiseAgrees() {
    let x = Tensor.noise([3, 11_003], seed: 1, scale: 4)
    let wanted = x.elements.map { Naive.activated(Double($0), .gelu) }
    #expect(pass().activate(x, .gelu, layer: "act").mismatch(wanted, x.shape) == nil)
    #expect(x.activated(.gelu).mismatch(wanted, x.shape) == nil)
    #expect(x.activated(.relu).elements == x.elements.map { max($0, 0) })
    #expect(x.activated(.none).bits == x.bits)
  }

  /// The second operand as a whole, or as one item of the batch.
  @Test(arguments: [1, 3, 8, 9, 100]) func additionAgrees(tokens: Int) {
    let x = Tensor.noise([3, tokens, 7], seed: 1)
    let one = Tensor.noise([tokens, 7], seed: 2)
    let all = Tensor.noise([3, tokens, 7], seed: 3)
    let wantedOne = x.elements.enumerated().map { $1 + one.elements[$0 % (tokens * 7)] }
    #expect(pass().add(x, one, layer: "add").elements == wantedOne)
    let wantedAll = zip(x.elements, all.elements).map { $0 + $1 }
    #expect(pass().add(x, all, layer: "add").elements == wantedAll)
    let (flat, other) = (x.reshaped([x.count]), all.reshaped([x.count]))
    #expect(pass().add(flat, other, layer: "add").elements == wantedAll)
  }

  @Test(arguments: [1, 5, 300]) func softmaxAndItsLogarithmAgree(rows: Int) {
    let x = Tensor.noise([rows, 19], seed: 1, scale: 6)
    let logs = (0..<rows).flatMap { row -> [Double] in
      let values = x.elements[row * 19..<(row + 1) * 19].map(Double.init)
      let sum = values.reduce(0) { $0 + exp($1) }
      return values.map { $0 - log(sum) }
    }
    let wanted = logs.map { exp($0) }
    #expect(pass().softmax(x).mismatch(wanted, x.shape) == nil)
    #expect(x.logSoftmax().mismatch(logs, x.shape) == nil)
  }

  @Test func softplusIsPositiveAndHasNoStep() {
    let x: [Float] = [-100, -20, -1, -0.0, 0, 1, 5, 19.999, 20, 20.001, 100]
    let wanted = x.map { log1p(exp(Double($0))) }
    #expect(Tensor([11], x).softplus().mismatch(wanted, [11], tolerance: 1e-7) == nil)
    #expect(Tensor([1], [-50]).softplus().elements[0] > 0)
    #expect(Tensor([1], [.nan]).softplus().elements[0].isNaN)
  }

  @Test func normsAndLabelsAreByRow() {
    let x = Tensor([2, 2, 3], [3, 4, 0, 0, 0, 0, -2, 1, 2, 5, 5, 12])
    #expect(x.rowNorms().shape == [2, 2, 1])
    #expect(x.rowNorms().mismatch([5, 0, 3, 194.0.squareRoot()], [2, 2, 1]) == nil)
    #expect(x.argmax() == [1, 0, 2, 2])
    #expect(Tensor([0, 3], []).argmax() == [])
  }
}
