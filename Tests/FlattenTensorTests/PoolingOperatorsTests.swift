import FlattenTensor
import TestSupport
import Testing

@Suite struct PoolingOperatorsTests {
  @Test(arguments: [(1, 1, 1), (7, 7, 7), (5, 9, 7), (1, 3, 7), (20, 13, 7), (6, 4, 2), (8, 5, 1)])
  func adaptiveAverageAgrees(size: (Int, Int, Int)) {
    let (height, width, cells) = size
    let map = Tensor.noise([2, height, width, 3], seed: 1)
    let x = Naive.Array4(map)
    // Cell i covers floor(i n / s) up to ceil((i + 1) n / s).
    func range(_ cell: Int, _ extent: Int) -> Range<Int> {
      let low = Double(cell * extent) / Double(cells)
      let high = Double((cell + 1) * extent) / Double(cells)
      return Int(low.rounded(.down))..<Int(high.rounded(.up))
    }
    let wanted = Naive.map([2, cells, cells, 3]) { b, row, column, c in
      let rows = range(row, height)
      let columns = range(column, width)
      let sum = rows.reduce(0.0) { total, y in columns.reduce(total) { $0 + x[b, y, $1, c] } }
      return sum / Double(rows.count * columns.count)
    }
    let y = pass().adaptiveAveragePool(map, size: cells, layer: "pool")
    #expect(y.mismatch(wanted, [2, cells, cells, 3]) == nil)
  }

  @Test(arguments: [
    ConvolutionGeometry(kernel: 3, stride: 2, padding: 1),
    ConvolutionGeometry(kernel: 2, stride: 2),
    ConvolutionGeometry(kernel: 1, stride: 2),
    ConvolutionGeometry(kernel: 3, padding: 2, dilation: 2),
  ])
  func maximumAgrees(geometry: ConvolutionGeometry) {
    let map = Tensor.noise([2, 7, 10, 3], seed: 1, offset: -2)  // negative: padding must not win
    let x = Naive.Array4(map)
    let shape: Shape = [2, geometry.outputSize(7), geometry.outputSize(10), 3]
    let wanted = Naive.map(shape) { b, row, column, c in
      var largest = -Double.infinity
      for i in 0..<geometry.kernel {
        for j in 0..<geometry.kernel {
          let y = row * geometry.stride - geometry.padding + i * geometry.dilation
          let z = column * geometry.stride - geometry.padding + j * geometry.dilation
          if (0..<7).contains(y), (0..<10).contains(z) { largest = max(largest, x[b, y, z, c]) }
        }
      }
      return largest
    }
    #expect(
      pass().maxPool(map, geometry, layer: "pool").mismatch(wanted, shape, tolerance: 0) == nil)
  }

  /// A NaN anywhere in the window is the window's result, as in PyTorch.
  @Test func maximumKeepsNaNVisible() {
    for position in 0..<9 {
      var elements = Noise.floats(9, seed: 1)
      elements[position] = .nan
      let y = pass().maxPool(
        Tensor([1, 3, 3, 1], elements), ConvolutionGeometry(kernel: 3), layer: "pool")
      #expect(y.elements.count == 1 && y.elements[0].isNaN, "NaN at \(position) is lost")
    }
  }

  @Test(arguments: Activation.allCases) func meansOfActivatedChannelsAgree(activation: Activation) {
    let x = Tensor.noise([2, 777, 19], seed: 1, scale: 3, offset: 1)
    var wanted = [Double](repeating: 0, count: 2 * 7)
    for (index, value) in x.elements.enumerated() where (5..<12).contains(index % 19) {
      wanted[index / 19 / 777 * 7 + index % 19 - 5] +=
        Naive.activated(Double(value), activation) / 777
    }
    let y = pass().meanOverTokens(x, channels: 5..<12, activation: activation, layer: "mean")
    #expect(y.mismatch(wanted, [2, 7]) == nil)
  }

  @Test(arguments: [1, 3, 64, 65, 300, 2000]) func meanOverTokensAgrees(tokens: Int) {
    let x = Tensor.noise([2, tokens, 19], seed: 1, offset: 1)
    var wanted: [Double] = []
    for b in 0..<2 {
      for c in 0..<19 {
        wanted.append(
          (0..<tokens).reduce(0.0) { $0 + Double(x.elements[(b * tokens + $1) * 19 + c]) }
            / Double(tokens))
      }
    }
    #expect(pass().meanOverTokens(x, layer: "mean").mismatch(wanted, [2, 19]) == nil)
  }
}
