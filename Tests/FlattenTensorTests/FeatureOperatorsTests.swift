import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite struct FeatureOperatorsTests {
  @Test(arguments: Activation.allCases) func activationsAgree(activation: Activation) {
    let x = Tensor.noise([3, 11_003], seed: 1, scale: 4)
    let wanted = x.elements.map { Naive.activated(Double($0), activation) }
    #expect(pass().activate(x, activation, layer: "act").mismatch(wanted, x.shape) == nil)

    let map = FeatureMap.activation(activation, plus: 0.5)
    let y = pass().features(x, channels: 11..<300, map, layer: "features")
    let some = (0..<3).flatMap { row -> [Double] in
      wanted[row * 11_003 + 11..<row * 11_003 + 300].map { $0 + 0.5 }
    }
    #expect(y.mismatch(some, [3, 289]) == nil)
  }

  @Test func headsBecomeAsLong() {
    let x = Tensor.noise([2, 131, 20], seed: 1, scale: 3)
    let y = pass().features(
      x, channels: 2..<17, .unitRows(length: 2, epsilon: 0.5), heads: 3, layer: "unit")
    let wanted = (0..<2 * 131 * 15).map { index -> Double in
      let start = index / 15 * 20 + 2
      let head = index % 15 / 5
      let norm = (0..<5).reduce(0.0) { $0 + pow(Double(x.elements[start + head * 5 + $1]), 2) }
      return Double(x.elements[start + index % 15]) * 2 / (norm.squareRoot() + 0.5)
    }
    #expect(y.mismatch(wanted, [2, 131, 15]) == nil)
  }

  /// Each token of the other operand, or one row for all.
  @Test(arguments: [1, 5, 300]) func productsAgree(tokens: Int) {
    let x = Tensor.noise([2, tokens, 7], seed: 1)
    let y = Tensor.noise([2, tokens, 11], seed: 2)
    let row = Tensor.noise([2, 1, 7], seed: 3)
    let wanted = x.elements.enumerated().map { index, value -> Float in
      value * y.elements[index / 7 * 11 + 3 + index % 7]
    }
    #expect(pass().multiply(x, y, channels: 3..<10, layer: "product").elements == wanted)
    let byRow = x.elements.enumerated().map { index, value -> Float in
      value * row.elements[index / 7 / tokens * 7 + index % 7]
    }
    #expect(pass().multiply(x, row, layer: "product").elements == byRow)
  }

  @Test func copiesHaveTheirWeights() {
    let x = Tensor.noise([2, 70, 6], seed: 1)
    let weights = Tensor.noise([70, 3], seed: 2)
    let y = pass().features(
      FeatureRows(x, heads: 2, copies: weights), layer: "copies")
    let wanted = (0..<2 * 70 * 18).map { index -> Float in
      let (token, head, copy) = (index / 18, index % 18 / 9, index % 9 / 3)
      return x.elements[token * 6 + head * 3 + index % 3] * weights.elements[token % 70 * 3 + copy]
    }
    #expect(y.shape == [2, 70, 18] && y.elements == wanted)
  }

  @Test func headsAreMultipliedWithOneRow() {
    let x = Tensor.noise([2, 300, 12], seed: 1)
    let m = Tensor.noise([2, 12], seed: 2)
    let y = pass().headProducts(
      FeatureRows(x, heads: 3), m, scale: 0.25, layer: "scores")
    let wanted = (0..<2 * 300 * 3).map { index -> Double in
      var sum = 0.0
      for channel in index % 3 * 4..<index % 3 * 4 + 4 {
        let product = x.elements[index / 3 * 12 + channel] * m.elements[index / 900 * 12 + channel]
        sum += Double(product) / 4
      }
      return sum
    }
    #expect(y.mismatch(wanted, [2, 300, 3]) == nil)
  }

  /// The same with scores whose exponentials would overflow.
  @Test(arguments: [1, 5, 257, 2000], [Float(1), 300])
  func softmaxOverTokensAgrees(tokens: Int, magnitude: Float) {
    let x = Tensor.noise([2, tokens, 5], seed: 1, scale: magnitude)
    for length: Float? in [nil, 1] {
      let y = pass().softmaxOverTokens(
        x, channels: 1..<4, scale: 0.5, summingTo: length, layer: "softmax")
      var wanted = [Double](repeating: 0, count: 2 * tokens * 3)
      for item in 0..<2 {
        for channel in 0..<3 {
          let scores = (0..<tokens).map {
            Double(x.elements[(item * tokens + $0) * 5 + 1 + channel] * 0.5)
          }
          let top = scores.max() ?? 0
          let sum = scores.reduce(0) { $0 + exp($1 - top) }
          for token in 0..<tokens {
            wanted[(item * tokens + token) * 3 + channel] =
              exp(scores[token] - top) / sum * Double(length ?? Float(tokens))
          }
        }
      }
      #expect(y.mismatch(wanted, [2, tokens, 3]) == nil)
    }
  }

  @Test func pairsTurnWithRowAndColumn() {
    let rotation = Rotation(byRow: [1, 100], byColumn: [0.01])
    let x = Tensor.noise([2, 35, 14], seed: 1)
    let y = pass().rotate(
      x, channels: 1..<13, rotation, grid: (5, 7), heads: 2, layer: "rotation")
    let wanted = (0..<2 * 35 * 12).map { index -> Double in
      let (token, pair) = (index / 12 % 35, index % 6 / 2)
      let angle = pair < 2 ? rotation.byRow[pair] * Double(token / 7) : 0.01 * Double(token % 7)
      let own = Double(x.elements[index / 12 * 14 + 1 + index % 12])
      let other = Double(x.elements[index / 12 * 14 + 1 + (index % 12 ^ 1)])
      return own * cos(angle) + (index % 2 == 0 ? -other : other) * sin(angle)
    }
    #expect(y.mismatch(wanted, [2, 35, 12]) == nil)
  }
}
