import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import Testing

@Suite struct RelativePositionBiasTests {
  private func bias(
    _ stored: Tensor, window: Int, heads: Int
  ) throws -> RelativePositionBias {
    let tree = Parameters.tree(("relative_position_bias_table", stored))
    let bias = try RelativePositionBias(window: window, heads: heads, from: tree.root)
    try tree.finish(ignoring: [])
    return bias
  }

  /// The table's row of an offset (dy, dx), each from -2 to 2, is (dy + 2) * 5 + dx + 2.
  @Test(arguments: [Grid(3, 3), Grid(2, 3), Grid(3, 1), Grid(1, 1)])
  func everyOffsetHasItsRow(window: Grid) throws {
    let stored = Tensor.noise([25, 2], seed: 1)
    let got = try bias(stored, window: 3, heads: 2)(window, pass())
    #expect(got.shape == [2, window.count, window.count])
    let values = got.elements
    for head in 0..<2 {
      for query in 0..<window.count {
        for key in 0..<window.count {
          let dy = query / window.width - key / window.width
          let dx = query % window.width - key % window.width
          let row = (dy + 2) * 5 + dx + 2
          #expect(
            values[(head * window.count + query) * window.count + key]
              == stored.elements[row * 2 + head])
        }
      }
    }
  }

  @Test func anotherWindowsTableIsResized() throws {
    let stored = Tensor.noise([49, 3], seed: 1)
    let resized = stored.reshaped([1, 7, 7, 3]).resizedBicubic(height: 13, width: 13)
    let direct = try bias(resized.reshaped([169, 3]), window: 7, heads: 3)
    let got = try bias(stored, window: 7, heads: 3)(Grid(7, 7), pass())
    #expect(got.elements == direct(Grid(7, 7), pass()).elements)
  }

  @Test func itIsKept() throws {
    let bias = try bias(.noise([25, 2], seed: 1), window: 3, heads: 2)
    let first = bias(Grid(3, 2), pass())
    #expect(bias(Grid(3, 2), pass()).pointer == first.pointer)
    let dry = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    #expect(bias(Grid(3, 3), dry).shape == [2, 9, 9])
  }

  @Test(arguments: [[24, 2], [16, 2], [25, 3], [0, 2], [1 << 40, 0], [25], []])
  func otherTablesAreRefused(shape: [Int]) throws {
    let source = Parameters(
      [(name: "relative_position_bias_table", tensor: Tensor([0], []))], claiming: shape)
    let tree = ParameterTree(source: source)
    _ = try RelativePositionBias(window: 3, heads: 2, from: tree.root)
    #expect(throws: ParameterError.self) { try tree.finish(ignoring: []) }
  }
}
