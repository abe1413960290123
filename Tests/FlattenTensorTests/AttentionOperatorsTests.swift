import FlattenKernels
import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite struct AttentionOperatorsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let batch: Int
    let queries: Int
    let keys: Int
    let heads: Int
    let width: Int

    var testDescription: String {
      "\(batch) x \(queries) queries, \(keys) keys, \(heads) heads of \(width)"
    }
    var channels: Int { heads * width }
  }

  static let cases = [
    Case(batch: 1, queries: 1, keys: 1, heads: 1, width: 1),
    Case(batch: 2, queries: 13, keys: 5, heads: 3, width: 7),
    Case(batch: 1, queries: 5, keys: 31, heads: 1, width: 19),
    Case(batch: 2, queries: 65, keys: 9, heads: 2, width: 8),
    // Blocks of queries, and columns of a head's state made by several tasks.
    Case(batch: 1, queries: 259, keys: 70, heads: 1, width: 64),
    Case(batch: 2, queries: 67, keys: 12, heads: 2, width: 32),
  ]

  /// Element of tokens `[B, N, stride]`.
  private func at(_ x: [Double], _ c: Case, _ b: Int, _ n: Int, _ tokens: Int, _ channel: Int)
    -> Double
  {
    x[(b * tokens + n) * (x.count / (c.batch * tokens)) + channel]
  }

  private func expectation(
    _ c: Case, _ score: (_ b: Int, _ n: Int, _ m: Int, _ h: Int) -> Double, kv: [Double],
    finish: ([Double]) -> [Double]
  ) -> [Double] {
    var result = [Double](repeating: 0, count: c.batch * c.queries * c.channels)
    for b in 0..<c.batch {
      for n in 0..<c.queries {
        for h in 0..<c.heads {
          let weights = finish((0..<c.keys).map { score(b, n, $0, h) })
          for d in 0..<c.width {
            let channel = h * c.width + d
            result[(b * c.queries + n) * c.channels + channel] = (0..<c.keys).reduce(0) {
              $0 + weights[$1] * at(kv, c, b, $1, c.keys, c.channels + channel)
            }
          }
        }
      }
    }
    return result
  }

  /// The quadratic form: every query meets every key, which the operator never makes.
  @Test(arguments: cases) func linearAttentionAgrees(_ c: Case) {
    let q = Tensor.noise([c.batch, c.queries, c.channels], seed: 1, scale: 0.5, offset: 0.5)
    let k = Tensor.noise([c.batch, c.keys, c.channels], seed: 2, scale: 0.5, offset: 0.5)
    let kv = Tensor.noise([c.batch, c.keys, 2 * c.channels], seed: 3)
    let (qs, ks) = (q.elements.map(Double.init), k.elements.map(Double.init))
    let wanted = expectation(
      c,
      { b, n, m, h in
        (0..<c.width).reduce(0) {
          $0 + at(qs, c, b, n, c.queries, h * c.width + $1)
            * at(ks, c, b, m, c.keys, h * c.width + $1)
        } / Double(c.keys)
      },
      kv: kv.elements.map(Double.init)
    ) { scores in
      let sum = scores.reduce(0, +) + 1e-6
      return scores.map { $0 / sum }
    }
    let y = pass().linearAttention(q, k, kv: kv, heads: c.heads, layer: "attn")
    #expect(y.mismatch(wanted, q.shape, tolerance: 4e-6) == nil)
  }

  @Test(arguments: cases) func softmaxAttentionAgrees(_ c: Case) {
    let q = Tensor.noise([c.batch, c.queries, c.channels], seed: 1, scale: 3)
    let kv = Tensor.noise([c.batch, c.keys, 2 * c.channels], seed: 3, scale: 2)
    let (qs, kvs) = (q.elements.map(Double.init), kv.elements.map(Double.init))
    let wanted = expectation(
      c,
      { b, n, m, h in
        (0..<c.width).reduce(0) {
          $0 + at(qs, c, b, n, c.queries, h * c.width + $1)
            * at(kvs, c, b, m, c.keys, h * c.width + $1)
        } / Double(c.width).squareRoot()
      },
      kv: kvs
    ) { scores in
      let largest = scores.max() ?? 0
      let exps = scores.map { exp($0 - largest) }
      let sum = exps.reduce(0, +)
      return exps.map { $0 / sum }
    }
    let y = pass().softmaxAttention(q, kv: kv, heads: c.heads, layer: "attn")
    #expect(y.mismatch(wanted, q.shape, tolerance: 1e-5) == nil)
  }

  /// What one picture of a batch holds must not show in another's result.
  @Test func aBatchIsItsItems() {
    let c = Case(batch: 2, queries: 70, keys: 9, heads: 2, width: 5)
    let q = Tensor.noise([2, 70, 10], seed: 1, scale: 0.5, offset: 0.5)
    let k = Tensor.noise([2, 9, 10], seed: 2, scale: 0.5, offset: 0.5)
    let kv = Tensor.noise([2, 9, 20], seed: 3)
    func item(_ x: Tensor, _ index: Int) -> Tensor {
      let count = x.count / 2
      return Tensor(
        Shape([1] + x.shape.dropFirst()), Array(x.elements[index * count..<(index + 1) * count]))
    }
    let pass = pass()
    let linear = pass.linearAttention(q, k, kv: kv, heads: c.heads, layer: "")
    let softmax = pass.softmaxAttention(q, kv: kv, heads: c.heads, layer: "")
    for index in 0..<2 {
      let one = pass.linearAttention(
        item(q, index), item(k, index), kv: item(kv, index), heads: 2, layer: "")
      #expect(one.bits == item(linear, index).bits)
      let other = pass.softmaxAttention(item(q, index), kv: item(kv, index), heads: 2, layer: "")
      #expect(other.bits == item(softmax, index).bits)
    }
  }

  @Test func focusReadsTheFirstChannelsAndAddsThePosition() {
    let wide = Tensor.noise([2, 130, 9], seed: 1)
    let position = Tensor.noise([130, 4], seed: 2)
    let map = FocusMap(scale: .noise([4], seed: 3, offset: 0.8), power: 3)
    let scale = map.inverseScale
    for position in [nil, position] {
      let y = pass().focus(
        wide, position: position, map, layer: "focus")
      let x = wide.elements
      var wanted: [Double] = []
      for token in 0..<260 {
        let u = (0..<4).map { channel -> Double in
          let added = position?.elements[token % 130 * 4 + channel] ?? 0
          return Double((max(x[token * 9 + channel] + added, 0) + 1e-6) * scale.elements[channel])
        }
        let cubes = u.map { $0 * $0 * $0 }
        let norm = u.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let cubeNorm = cubes.reduce(0) { $0 + $1 * $1 }.squareRoot()
        wanted += cubes.map { $0 * norm / cubeNorm }
      }
      #expect(y.mismatch(wanted, [2, 130, 4]) == nil)
    }
  }

  /// The scale of the focusing map goes through a softplus, of which the kernel wants the inverse.
  @Test func theScaleIsInverted() {
    let map = FocusMap(scale: Tensor([1, 1, 4], [0, 1, -3, 25]), power: 3)
    let wanted = [0.0, 1, -3, 25].map { 1 / log(1 + exp($0)) }
    #expect(map.inverseScale.mismatch(wanted, [4]) == nil)
  }

  /// Values of another width than keys, any normaliser, and the state itself, by their definitions.
  @Test(arguments: [
    LinearAttentionNormaliser.none, .meanKey(epsilon: 0.25), .clampedMeanKey(least: 0.75),
  ])
  func statesMayBeRectangular(normaliser: LinearAttentionNormaliser) {
    let (batch, queries, keys, heads, f, d) = (2, 37, 530, 3, 7, 4)
    let q = Tensor.noise([batch, queries, heads * f], seed: 1, scale: 0.5, offset: 0.5)
    let k = Tensor.noise([batch, keys, heads * f], seed: 2, scale: 0.5, offset: 0.5)
    let v = Tensor.noise([batch, keys, 2 + heads * d], seed: 3)
    let pass = pass()
    let state = pass.linearAttentionState(
      k, v, channels: 2..<2 + heads * d, heads: heads, layer: "state")
    let y = pass.linearAttention(q, state, normaliser: normaliser, layer: "apply")
    let (qs, ks, vs) = (q.elements, k.elements, v.elements)
    var (products, means, wanted): ([Double], [Double], [Double]) = ([], [], [])
    for b in 0..<batch {
      for h in 0..<heads {
        for i in 0..<f {
          let column = (0..<keys).map { Double(ks[(b * keys + $0) * heads * f + h * f + i]) }
          means.append(column.reduce(0, +) / Double(keys))
          for j in 0..<d {
            products.append(
              (0..<keys).reduce(0) {
                $0 + column[$1] * Double(vs[(b * keys + $1) * v.shape[2] + 2 + h * d + j])
              } / Double(keys))
          }
        }
      }
    }
    for b in 0..<batch {
      for n in 0..<queries {
        for h in 0..<heads {
          let query = (0..<f).map { Double(qs[(b * queries + n) * heads * f + h * f + $0]) }
          let first = (b * heads + h) * f
          let dot = (0..<f).reduce(0) { $0 + query[$1] * means[first + $1] }
          let divisor: Double =
            switch normaliser {
            case .none: 1
            case .meanKey(let epsilon): dot + Double(epsilon)
            case .clampedMeanKey(let least): max(dot, Double(least))
            }
          for j in 0..<d {
            wanted.append(
              (0..<f).reduce(0) { $0 + query[$1] * products[(first + $1) * d + j] } / divisor)
          }
        }
      }
    }
    #expect(state.products.mismatch(products, [batch, heads, f, d], tolerance: 4e-6) == nil)
    #expect(state.meanKey.mismatch(means, [batch, heads, f], tolerance: 4e-6) == nil)
    #expect(y.mismatch(wanted, [batch, queries, heads * d], tolerance: 4e-6) == nil)
  }

  /// For inference two sweeps, else step by step, with grids of many and few rows, wide and narrow, and
  /// more keys than a piece: the same bits. Below the least number of tokens both are steps.
  @Test(arguments: [(66, 33, 36, 2), (7, 300, 20, 1), (200, 90, 16, 1), (1, 2100, 48, 3)])
  func theFusedOperatorIsItsSteps(size: (Int, Int, Int, Int)) {
    let (height, width, channels, heads) = size
    let tokens = height * width
    #expect(tokens >= ForwardPass.fewestFused)
    let q = Tensor.noise([2, tokens, channels], seed: 1)
    let kv = Tensor.noise([2, tokens, 2 * channels], seed: 2)
    let position = Tensor.noise([tokens, channels], seed: 3)
    let weights = FocusedAttentionWeights(
      focus: FocusMap(scale: .noise([channels], seed: 4, offset: 2), power: 3),
      depthwise: DepthwiseWeight(
        .noise([channels, 1, 5, 5], seed: 5), bias: .noise([channels], seed: 6)),
      depthwiseLayer: "attn.dwc", heads: heads)
    var names: [Purpose: [String]] = [:]
    func run(_ purpose: Purpose) -> Tensor {
      let pass = pass(purpose)
      pass.observer = {
        if case .operation(let record, _) = $0 { names[purpose, default: []].append(record.name) }
      }
      return pass.focusedLinearAttention(
        q, kv: kv, position: position, weights, grid: (height, width), layer: "attn"
      ) {
        AttentionRecord(
          layer: "attn", .linear, queries: $0, keys: $1, heads: heads,
          layout: WindowLayout(wholeOf: height, width))
      }
    }
    let (whole, parts) = (run(.inference), run(.inspection))
    #expect(names[.inference] == ["attn"])
    #expect(
      names[.inspection] == [
        "attn.focus_q", "attn.focus_k", "attn.state", "attn.attention", "attn.dwc",
      ])
    #expect(whole.bits == parts.bits)
  }
}
