import FlattenTensor
import TestSupport
import Testing

/// Linear attention whose features are made on the way: against the same step by step, from tensors.
@Suite struct FeatureAttentionTests {
  private static let heads = 2
  private static let channels = 48

  enum Features: CaseIterable {
    case plain, mapped, turned, mirroredAndTurned, weighted, copied, random
  }

  private static func rows(
    _ kind: Features, _ x: Tensor, _ offset: Int, _ grid: (height: Int, width: Int),
    _ pass: ForwardPass
  ) -> FeatureRows {
    let taken = offset..<offset + channels
    let tokens = x.shape[1]
    let frequencies = (0..<channels / heads / 4).map { 1 / Double($0 + 1) }
    let table = pass.table(
      Rotation(byRow: frequencies, byColumn: frequencies), height: grid.height, width: grid.width)
    let map = FeatureMap.activation(.eluPlusOne)
    switch kind {
    case .plain: return FeatureRows(x, channels: taken, heads: heads)
    case .mapped: return FeatureRows(x, channels: taken, heads: heads, map: map)
    case .turned:
      return FeatureRows(x, channels: taken, heads: heads, map: map, rotation: table)
    case .mirroredAndTurned:
      return FeatureRows(
        x, channels: taken, heads: heads, map: map, normal: .noise([channels / heads], seed: 9),
        rotation: table)
    case .weighted:
      return FeatureRows(
        x, channels: taken, heads: heads, map: map,
        factors: .noise([x.shape[0], tokens, heads], seed: 8, offset: 1.5))
    case .copied:
      return FeatureRows(
        x, channels: taken, heads: heads, map: .activation(.relu, plus: 0.1),
        copies: .noise([tokens, 2], seed: 7, offset: 1.5))
    case .random:
      let random = RandomFeatures(
        PackedMatrix(.noise([19, channels / heads], seed: 6)), half: 0.1, epsilon: 1e-4)
      let tops = pass.largestProducts(x, channels: taken, heads: heads, random, layer: "tops")
      return FeatureRows(x, channels: taken, heads: heads, random: random.with(tops: tops))
    }
  }

  /// On few tokens and on many, for inference and step by step, with everything that may come after.
  @Test(arguments: Features.allCases, [(5, 7), (61, 37)])
  func isTheSameFromTensors(kind: Features, size: (height: Int, width: Int)) {
    let c = Self.channels
    let x = Tensor.noise([2, size.height * size.width, 4 * c], seed: 1)
    let depthwise = DepthwiseWeight(taps: .noise([9, c], seed: 2), bias: .noise([c], seed: 3))
    let finish = AttentionFinish(
      depthwise: (depthwise, "local"), gate: (x, 3 * c..<4 * c), norm: (3, 1e-6))
    let normaliser = LinearAttentionNormaliser.meanKey(epsilon: 3)
    var results: [[UInt32]] = []
    for purpose in [Purpose.inference, .inspection] {
      for threads in [1, 3] {
        let pass = ForwardPass(threadCount: threads, purpose: purpose)
        let q = Self.rows(kind, x, 0, size, pass)
        let k = Self.rows(kind, x, c, size, pass)
        let isPlain = kind == .turned
        let state = pass.linearAttentionState(
          k, x, channels: 2 * c..<3 * c, plain: isPlain, layer: "state")
        results.append(
          pass.linearAttention(
            q, state, normaliser: normaliser, plain: isPlain, values: (x, 2 * c..<3 * c), finish,
            grid: size, layer: "attention"
          ).bits)
      }
    }
    let pass = pass()
    let (q, k) = (Self.rows(kind, x, 0, size, pass), Self.rows(kind, x, c, size, pass))
    func psi(_ f: FeatureRows) -> Tensor? {
      kind == .turned ? pass.features(f, plain: true, layer: "psi") : nil
    }
    let state = pass.linearAttentionState(
      pass.features(k, layer: "k"), x, channels: 2 * c..<3 * c, heads: Self.heads,
      normaliserKeys: psi(k), layer: "state")
    let y = pass.linearAttention(
      pass.features(q, layer: "q"), state, normaliser: normaliser, normaliserQueries: psi(q),
      layer: "attention")
    let local = pass.depthwiseConvolution(
      x.reshaped([2, size.height, size.width, 4 * c]), offset: 2 * c, depthwise, residual: y,
      layer: "local"
    ).reshaped(y.shape)
    let gated = pass.multiply(local, x, channels: 3 * c..<4 * c, layer: "gate")
    let wanted = pass.features(gated, .unitRows(length: 3, epsilon: 1e-6), layer: "norm").bits
    #expect(results.allSatisfy { $0 == wanted })
  }

  /// Gates, against products of joined heads.
  @Test(arguments: [true, false]) func gatesAreTheirDefinition(isShared: Bool) {
    let (tokens, heads, width) = (150, 2, 6)
    let c = heads * width
    let x = Tensor.noise([2, tokens, 3 * c], seed: 1)
    let weights = [2, 4].map { Tensor.noise([width, 3 * width], seed: $0) }
    let biases = [3, 5].map { Tensor.noise([width], seed: $0) }
    let phi = pass().gatedFeatures(
      (x, 0), (x, c), (x, 2 * c), heads: heads, map: .activation(.relu, plus: 0.5),
      queryGate: (PackedMatrix(weights[0]), biases[0]),
      keyGate: isShared ? nil : (PackedMatrix(weights[1]), biases[1]), layer: "gates")
    var wanted: [Double] = []
    for token in 0..<2 * tokens {
      let row = x.elements[token * 3 * c..<(token + 1) * 3 * c].map(Double.init)
      let features = row.enumerated().map { $0 < 2 * c ? max($1, 0) + 0.5 : $1 }
      for part in 0..<2 {
        let gate = isShared ? 0 : part
        for channel in 0..<c {
          let head = channel / width
          var sum = Double(biases[gate].elements[channel % width])
          for input in 0..<3 * width {
            let weight = weights[gate].elements[channel % width * 3 * width + input]
            sum += Double(weight) * features[input / width * c + head * width + input % width]
          }
          wanted.append(features[part * c + channel] * Naive.activated(sum, .sigmoid))
        }
      }
    }
    #expect(phi.mismatch(wanted, [2, tokens, 2 * c]) == nil)
  }

  @Test func theLargestProductIsThatOfAHead() {
    let x = Tensor.noise([2, 300, 12], seed: 1)
    let w = Tensor.noise([5, 3], seed: 2)
    let tops = pass().largestProducts(
      x, channels: 2..<8, heads: 2, RandomFeatures(PackedMatrix(w), half: 1, epsilon: 0),
      layer: "tops")
    let wanted = (0..<4).map { index -> Double in
      var top = -Double.infinity
      for token in index / 2 * 300..<(index / 2 + 1) * 300 {
        for direction in 0..<5 {
          var sum = 0.0
          for channel in 0..<3 {
            let value = x.elements[token * 12 + 2 + index % 2 * 3 + channel]
            sum += Double(value) * Double(w.elements[direction * 3 + channel])
          }
          top = max(top, sum)
        }
      }
      return top
    }
    #expect(tops.mismatch(wanted, [2, 2]) == nil)
  }
}
