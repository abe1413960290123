import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

@Suite struct TransposedConv2DTests {
  private let weight = Tensor.noise([3, 5, 2, 2], seed: 1)
  private let bias = Tensor.noise([5], seed: 2)

  /// Each element of the input is spread over a window of the output.
  @Test func itReadsItsKeysAndDoublesTheMap() throws {
    let x = Tensor.noise([2, 4, 6, 3], seed: 3)
    let tree = Parameters.tree(("up.weight", weight), ("up.bias", bias))
    let layer = try TransposedConv2D(in: 3, out: 5, activation: .relu, from: tree.root.scope("up"))
    try tree.finish(ignoring: [])
    let (xs, ws) = (x.elements, weight.elements)
    var wanted: [Double] = []
    for row in 0..<2 * 8 {
      for column in 0..<12 {
        for output in 0..<5 {
          var sum = Double(bias.elements[output])
          for input in 0..<3 {
            let pixel = (row / 8 * 4 + row % 8 / 2) * 6 + column / 2
            let tap = ((input * 5 + output) * 2 + row % 2) * 2 + column % 2
            sum += Double(xs[pixel * 3 + input]) * Double(ws[tap])
          }
          wanted.append(max(sum, 0))
        }
      }
    }
    #expect(layer(x, pass()).mismatch(wanted, [2, 8, 12, 5]) == nil)
    #expect(layer.weight == nil && layer.bias == nil)
  }

  @Test func forTrainingItKeepsItsParameters() throws {
    let source = Parameters([(name: "weight", tensor: weight), (name: "bias", tensor: bias)])
    let tree = ParameterTree(source: source, context: .plain(.float32, purpose: .training))
    let layer = try TransposedConv2D(in: 3, out: 5, from: tree.root)
    #expect(layer.weight?.elements == weight.elements && layer.bias?.elements == bias.elements)
  }
}
