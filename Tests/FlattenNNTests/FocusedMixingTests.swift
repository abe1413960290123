import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import Foundation
import TestSupport
import Testing

/// Focused linear attention between its projections against its equation in double precision.
@Suite struct FocusedMixingTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let grid: Grid
    let heads: Int
    let channels: Int
    let factor: Int
    let kernel: Int
    var hasClassToken = false

    var leading: Int { hasClassToken ? 1 : 0 }
    var tokens: Int { leading + grid.count }
    var testDescription: String {
      "\(grid.height)x\(grid.width), \(heads) heads of \(channels), p \(factor), class \(leading)"
    }

    func parameters() -> FormulaParameters {
      let width = channels / heads
      let shapes: [(String, [Int])] = [
        ("positional_encoding", [1, tokens, channels]), ("scale", [1, 1, channels]),
        ("dwc.weight", [width, 1, kernel, kernel]), ("dwc.bias", [width]),
      ]
      return FormulaParameters(shapes.map { ($0.0, $0.1, true) })
    }
  }

  static let cases = [
    Case(grid: Grid(5, 7), heads: 2, channels: 8, factor: 3, kernel: 5),
    Case(grid: Grid(1, 3), heads: 1, channels: 4, factor: 4, kernel: 3),
    Case(grid: Grid(4, 6), heads: 3, channels: 12, factor: 3, kernel: 5, hasClassToken: true),
    // Large enough for the two sweeps.
    Case(grid: Grid(48, 44), heads: 2, channels: 16, factor: 3, kernel: 5),
  ]

  /// The equation, for one item.
  private struct Definition {
    let c: Case
    let scale: [Double]
    let position: [Double]
    let weight: [Double]
    let bias: [Double]

    init(_ c: Case) throws {
      self.c = c
      let source = c.parameters()
      func values(_ name: String) throws -> [Double] {
        let shape = try #require(source.parameterShapes.first { $0.name == name }).shape
        let tree = ParameterTree(source: source)
        return try tree.root.tensor(name, shape).elements.map(Double.init)
      }
      scale = try values("scale")
      position = try values("positional_encoding")
      weight = try values("dwc.weight")
      bias = try values("dwc.bias")
    }

    /// phi of one token.
    func focused(_ x: [Double]) -> [Double] {
      let u = zip(x, scale).map { (max($0, 0) + 1e-6) / log1p(exp($1)) }
      let powers = u.map { pow($0, Double(c.factor)) }
      func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
      let factor = norm(u) / norm(powers)
      return powers.map { $0 * factor }
    }

    func result(_ q: [Double], _ k: [Double], _ v: [Double]) -> [Double] {
      let (channels, width) = (c.channels, c.channels / c.heads)
      func row(_ x: [Double], _ token: Int) -> ArraySlice<Double> {
        x[token * channels..<(token + 1) * channels]
      }
      let keys = (0..<c.tokens).map { token in
        focused(zip(row(k, token), row(position, token)).map(+))
      }
      return (0..<c.tokens).flatMap { token in
        let query = focused(Array(row(q, token)))
        return (0..<c.heads).flatMap { head in
          let own = head * width..<(head + 1) * width
          let weights = keys.map { key in
            own.reduce(0) { $0 + query[$1] * key[$1] } / Double(c.tokens)
          }
          let sum = weights.reduce(0, +) + 1e-6
          return own.map { channel in
            let mixed = weights.indices.reduce(0) { $0 + weights[$1] * v[$1 * channels + channel] }
            return mixed / sum + restored(v, token, channel)
          }
        }
      }
    }

    /// dwc(v): nothing for the class token, and nothing of it.
    func restored(_ v: [Double], _ token: Int, _ channel: Int) -> Double {
      guard token >= c.leading else { return 0 }
      let own = channel % (c.channels / c.heads)
      let (row, column) = (token - c.leading).quotientAndRemainder(dividingBy: c.grid.width)
      var sum = bias[own]
      for (y, x) in (0..<c.kernel * c.kernel).map({ ($0 / c.kernel, $0 % c.kernel) }) {
        let (r, s) = (row + y - c.kernel / 2, column + x - c.kernel / 2)
        guard (0..<c.grid.height).contains(r), (0..<c.grid.width).contains(s) else { continue }
        let value = v[(c.leading + r * c.grid.width + s) * c.channels + channel]
        sum += weight[(own * c.kernel + y) * c.kernel + x] * value
      }
      return sum
    }
  }

  private func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
    try ParameterTree(source: FormulaParameters([(name, shape, true)])).root.tensor(name, shape)
  }

  @Test(arguments: cases) func isItsEquation(_ c: Case) throws {
    let q = try tensor("token.q", [1, c.tokens, c.channels])
    let kv = try tensor("token.kv", [1, c.tokens, 2 * c.channels])
    let pairs = kv.elements.map(Double.init)
    func half(_ start: Int) -> [Double] {
      (0..<c.tokens).flatMap { token in
        let first = (token * 2 + start) * c.channels
        return pairs[first..<first + c.channels]
      }
    }
    let wanted = try Definition(c).result(q.elements.map(Double.init), half(0), half(1))
    for purpose in [Purpose.inference, .inspection, .training] {
      let tree = ParameterTree(
        source: c.parameters(), context: .plain(.float32, purpose: purpose))
      let mixing = try FocusedMixing(
        FocusedMixing.Configuration(
          channels: c.channels, heads: c.heads, nativeGrid: c.grid, focusingFactor: c.factor,
          kernel: c.kernel, hasClassToken: c.hasClassToken),
        from: tree.root)
      try tree.finish(ignoring: [])
      let y = mixing(
        q, kv: kv, WindowLayout(wholeOf: c.grid.height, c.grid.width),
        ForwardPass(threads: ThreadPool(threads: 2), purpose: purpose))
      #expect(
        Comparison.mismatch(
          y.elements, shape: y.shape, expected: wanted, expectedShape: q.shape, atol: 2e-5) == nil,
        "\(purpose)")
    }
  }
}
