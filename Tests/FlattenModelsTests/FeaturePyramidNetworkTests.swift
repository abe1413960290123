import FlattenBackbones
import FlattenCheckpoint
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenModels

/// The feature pyramid against its definition in double precision: a 1x1 convolution of each level, the
/// coarser level added, its nearest neighbours taken, and a 3x3 convolution of the sum.
@Suite struct FeaturePyramidNetworkTests {
  /// Maps `[B, H, W, C]` in double precision.
  private struct Map {
    let shape: [Int]
    var values: [Double]

    init(_ shape: [Int]) {
      self.shape = shape
      values = Array(repeating: 0, count: shape.reduce(1, *))
    }

    init(_ tensor: Tensor) {
      shape = Array(tensor.shape)
      values = tensor.elements.map(Double.init)
    }

    func index(_ b: Int, _ y: Int, _ x: Int, _ c: Int) -> Int {
      ((b * shape[1] + y) * shape[2] + x) * shape[3] + c
    }

    /// A convolution of odd side that keeps the size, as PyTorch stores it.
    func convolved(_ weight: Tensor, _ bias: Tensor) -> Map {
      let (outputs, inputs, side) = (weight.shape[0], weight.shape[1], weight.shape[2])
      let (w, constants) = (weight.elements, bias.elements)
      var result = Map([shape[0], shape[1], shape[2], outputs])
      for b in 0..<shape[0] {
        for y in 0..<shape[1] {
          for x in 0..<shape[2] {
            for output in 0..<outputs {
              var sum = Double(constants[output])
              for row in 0..<side {
                for column in 0..<side {
                  let (sy, sx) = (y + row - side / 2, x + column - side / 2)
                  guard (0..<shape[1]).contains(sy), (0..<shape[2]).contains(sx) else { continue }
                  for input in 0..<inputs {
                    sum +=
                      Double(w[((output * inputs + input) * side + row) * side + column])
                      * values[index(b, sy, sx, input)]
                  }
                }
              }
              result.values[result.index(b, y, x, output)] = sum
            }
          }
        }
      }
      return result
    }

    /// PyTorch's nearest neighbour: the index times the ratio of the sizes, in single precision, rounded
    /// down.
    mutating func addNearest(of coarser: Map) {
      func source(_ index: Int, _ from: Int, _ to: Int) -> Int {
        min(Int((Float(index) * (Float(from) / Float(to))).rounded(.down)), from - 1)
      }
      for b in 0..<shape[0] {
        for y in 0..<shape[1] {
          let sy = source(y, coarser.shape[1], shape[1])
          for x in 0..<shape[2] {
            let sx = source(x, coarser.shape[2], shape[2])
            for c in 0..<shape[3] {
              values[index(b, y, x, c)] += coarser.values[coarser.index(b, sy, sx, c)]
            }
          }
        }
      }
    }
  }

  private static func infos(_ widths: [Int]) -> [FeatureInfo] {
    widths.enumerated().map { FeatureInfo(channels: $1, stride: 4 << $0) }
  }

  private func network(_ widths: [Int], channels: Int) throws
    -> (FeaturePyramidNetwork, weights: [String: Tensor])
  {
    let shapes = Dictionary(
      uniqueKeysWithValues: widths.enumerated().flatMap { level, width in
        [
          ("lateral_convs.\(level).conv.weight", [channels, width, 1, 1]),
          ("lateral_convs.\(level).conv.bias", [channels]),
          ("fpn_convs.\(level).conv.weight", [channels, channels, 3, 3]),
          ("fpn_convs.\(level).conv.bias", [channels]),
        ]
      })
    let source = FormulaParameters(shapes.map { ($0.key, $0.value, true) })
    let tree = ParameterTree(source: source)
    let network = try FeaturePyramidNetwork(
      from: Self.infos(widths), channels: channels, tree: tree.root)
    try tree.finish(ignoring: [])
    let reading = ParameterTree(source: source)
    let weights = try shapes.reduce(into: [String: Tensor]()) {
      $0[$1.key] = try reading.root.tensor($1.key, $1.value)
    }
    return (network, weights)
  }

  private func maps(_ widths: [Int], _ grids: [(Int, Int)], batch: Int) -> [Tensor] {
    zip(widths, grids).enumerated().map { level, map in
      let (width, grid) = map
      let shape: Shape = [batch, grid.0, grid.1, width]
      let count = shape.reduce(1, *)
      let values = FormulaParameters.mixed("map \(level)", count: count).map {
        Float($0 >> 8) * 0x1p-23 - 1
      }
      return Tensor(shape, values)
    }
  }

  /// Grids that are half of the finer one, rounded up or down, that are not, and that are one pixel.
  static let grids: [[(Int, Int)]] = [
    [(12, 16), (6, 8), (3, 4), (2, 2)], [(19, 34), (10, 17), (5, 9), (3, 5)],
    [(18, 33), (9, 16), (4, 8), (2, 4)], [(7, 5), (5, 2), (3, 2), (1, 1)],
    [(1, 9), (1, 5), (1, 3), (1, 2)], [(1, 1), (1, 1), (1, 1), (1, 1)],
    // As many cells as the finer one, or more.
    [(5, 6), (5, 6), (7, 11), (2, 3)],
  ]

  /// Widths for plain convolutions, and such as Winograd's take.
  @Test(arguments: grids, [([6, 10, 4, 7], 9), ([16, 5, 24, 8], 34)])
  func agreesWithTheDefinition(grids: [(Int, Int)], widths: (inputs: [Int], channels: Int)) throws {
    let (network, weights) = try network(widths.inputs, channels: widths.channels)
    let inputs = maps(widths.inputs, grids, batch: 2)
    let levels = network(
      [inputs[0], inputs[1], inputs[2], inputs[3]], ForwardPass(threads: ThreadPool(threads: 2)))

    var sums: [Map] = []  // coarsest first
    for level in inputs.indices.reversed() {
      let name = "lateral_convs.\(level).conv"
      var sum = try Map(inputs[level]).convolved(
        #require(weights["\(name).weight"]), #require(weights["\(name).bias"]))
      if let coarser = sums.last { sum.addNearest(of: coarser) }
      sums.append(sum)
    }
    #expect(levels.count == 4)
    for (level, sum) in sums.reversed().enumerated() {
      let name = "fpn_convs.\(level).conv"
      let wanted = try sum.convolved(
        #require(weights["\(name).weight"]), #require(weights["\(name).bias"]))
      let largest = wanted.values.map(abs).max() ?? 0
      #expect(
        Comparison.mismatch(
          levels[level].elements, shape: levels[level].shape, expected: wanted.values,
          expectedShape: Shape(wanted.shape), atol: 1e-5 * largest) == nil, "level \(level)")
    }
  }

  /// Two levels of one channel, all by hand: what is added to a 3x5 map of a 2x3 one, and the zeros
  /// beyond the border.
  @Test func twoSmallLevels() throws {
    let source = HandMade([
      "lateral_convs.0.conv.weight": [2], "lateral_convs.0.conv.bias": [100],
      "lateral_convs.1.conv.weight": [1000], "lateral_convs.1.conv.bias": [0],
      // The pixel itself, and the one below it.
      "fpn_convs.0.conv.weight": [0, 0, 0, 0, 1, 0, 0, 1, 0], "fpn_convs.0.conv.bias": [0],
      "fpn_convs.1.conv.weight": [0, 0, 0, 0, 0, 1, 0, 0, 0], "fpn_convs.1.conv.bias": [0.5],
    ])
    let network = try FeaturePyramidNetwork(
      from: Self.infos([1, 1]), channels: 1, tree: ParameterTree(source: source).root)
    let fine = Tensor([1, 3, 5, 1], (0..<15).map(Float.init))
    let coarse = Tensor([1, 2, 3, 1], [1, 2, 3, 4, 5, 6])
    let levels = network([fine, coarse], ForwardPass(threads: ThreadPool(threads: 1)))
    // Rows 0, 0, 1 and columns 0, 0, 1, 1, 2 of the coarse map.
    let first: [Float] = [
      1100, 1102, 2104, 2106, 3108, 1110, 1112, 2114, 2116, 3118, 4120, 4122, 5124, 5126, 6128,
    ]
    let sums: [Float] = (0..<15).map { $0 < 10 ? first[$0] + first[$0 + 5] : first[$0] }
    #expect(levels[0].elements == sums)
    #expect(levels[0].shape == [1, 3, 5, 1] && levels[1].shape == [1, 2, 3, 1])
    #expect(levels[1].elements == [2000.5, 3000.5, 0.5, 5000.5, 6000.5, 0.5])
  }

  /// Parameters that are written out.
  private final class HandMade: ParameterSource {
    let name = "by hand"
    private let values: [String: [Float]]

    init(_ values: [String: [Float]]) { self.values = values }

    var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] {
      values.map { name, values in
        let side = values.count == 9 ? 3 : 1
        return (name, name.hasSuffix("bias") ? [1] : [1, 1, side, side], true)
      }
    }

    func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
      guard let values = values[name] else { throw Golden.Missing(description: name) }
      _ = buffer.initialize(from: values)
    }
  }

  @Test func promisesItsMaps() throws {
    let (network, _) = try network([6, 10, 4], channels: 9)
    #expect(network.featureInfo.map(\.channels) == [9, 9, 9])
    #expect(network.featureInfo.map(\.stride) == [4, 8, 16])
  }

  @Test func everyParameterIsWanted() throws {
    let shapes = ["conv.weight": [9, 6, 1, 1], "conv.bias": [9]]
    let tree = ParameterTree(
      source: FormulaParameters(shapes.map { ("lateral_convs.0.\($0.key)", $0.value, true) }))
    _ = try FeaturePyramidNetwork(from: Self.infos([6]), channels: 9, tree: tree.root)
    let error = #expect(throws: ParameterError.self) { try tree.finish(ignoring: []) }
    #expect(error?.description.contains("fpn_convs.0.conv.weight") == true)
    #expect(error?.description.contains("lateral_convs") == false)
  }
}
