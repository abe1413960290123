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
    let scale = Tensor.noise([4], seed: 3, scale: 0.3, offset: 0.8)
    for position in [nil, position] {
      let y = pass().focus(
        wide, position: position, FocusMap(inverseScale: scale, power: 3), layer: "focus")
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

  /// One operator or its steps, with grids of many and few rows, wide and narrow, and more keys than a
  /// piece; with the linear layers around it or without.
  @Test(
    arguments: [(39, 31, 36, 2), (3, 300, 20, 1), (200, 90, 16, 1), (1, 1, 48, 3)],
    [Precision.float32, .bfloat16])
  func theWholeIsItsParts(size: (Int, Int, Int, Int), precision: Precision) {
    let (height, width, channels, heads) = size
    let tokens = height * width
    let x = Tensor.noise([2, tokens, channels], seed: 1)
    let residual = Tensor.noise([2, tokens, channels], seed: 7)
    func layer(_ outputs: Int, seed: Int) -> Projection {
      Projection(
        weight: PackedMatrix(.noise([outputs, channels], seed: seed), .plain(precision)),
        bias: .noise([outputs], seed: seed + 1))
    }
    let (query, keyValue) = (layer(channels, seed: 10), layer(2 * channels, seed: 12))
    let output = layer(channels, seed: 14)
    let parameters = FocusedAttentionParameters(
      position: .noise([tokens, channels], seed: 3),
      focus: FocusMap(inverseScale: .noise([channels], seed: 4, offset: 2), power: 3),
      depthwise: DepthwiseWeight(
        weight: .noise([25, channels], seed: 5), bias: .noise([channels], seed: 6), kernel: 5),
      heads: heads)
    let pass = pass()
    let q = pass.linear(x, query.weight, bias: query.bias, layer: "")
    let kv = pass.linear(x, keyValue.weight, bias: keyValue.bias, layer: "")
    let (focusedQ, focusedK) = (
      pass.focus(q, parameters.focus, layer: ""),
      pass.focus(kv, position: parameters.position, parameters.focus, layer: "")
    )
    let mixed = pass.linearAttention(focusedQ, focusedK, kv: kv, heads: heads, layer: "")
    let parts = pass.depthwiseConvolution(
      kv.reshaped([2, height, width, 2 * channels]), offset: channels,
      parameters.depthwise.weight, bias: parameters.depthwise.bias, kernel: 5, residual: mixed,
      layer: ""
    ).reshaped(x.shape)
    let projected = pass.linear(
      parts, output.weight, bias: output.bias, residual: residual, layer: "")

    let middle = pass.focusedLinearAttention(
      .projected(q: q, kv: kv), parameters, grid: (height, width), layer: "")
    let whole = pass.focusedLinearAttention(
      .tokens(x, query: query, keyValue: keyValue), parameters, grid: (height, width),
      output: output, residual: residual, layer: "")
    let bare = pass.focusedLinearAttention(
      .tokens(x, query: query, keyValue: keyValue), parameters, grid: (height, width),
      layer: "")
    // OpenBLAS, which multiplies without AVX2, sums in an order that depends on the number of rows.
    let isExact = String(cString: fk_isa()) != "generic"
    for (got, wanted) in [(middle, parts), (whole, projected), (bare, parts)] {
      #expect(got.mismatch(wanted.elements.map(Double.init), x.shape) == nil)
      #expect(!isExact || got.bits == wanted.bits)
    }
  }
}
