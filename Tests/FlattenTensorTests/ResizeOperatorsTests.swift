import FlattenTensor
import TestSupport
import Testing

@Suite struct ResizeOperatorsTests {
  /// Source and target extents.
  static let sizes = [
    (1, 1, 3, 5), (1, 7, 1, 3), (4, 5, 4, 5), (5, 3, 10, 6), (7, 9, 3, 4), (3, 4, 8, 5),
    (6, 5, 1, 1), (2, 2, 13, 17), (13, 17, 7, 23),
  ]

  /// Source position of an output index, clamped, and its neighbours.
  private func position(_ index: Int, _ input: Int, _ output: Int, _ alignCorners: Bool)
    -> (low: Int, high: Int, weight: Double)
  {
    let x: Double =
      alignCorners
      ? output > 1 ? Double(index) * Double(input - 1) / Double(output - 1) : 0
      : max(0, (Double(index) + 0.5) * Double(input) / Double(output) - 0.5)
    let low = min(Int(x), input - 1)
    return (low, min(low + 1, input - 1), x - Double(low))
  }

  @Test(arguments: sizes, [true, false])
  func bilinearAgrees(size: (Int, Int, Int, Int), alignCorners: Bool) {
    let (h, w, height, width) = size
    let map = Tensor.noise([2, h, w, 19], seed: 1)
    let base = Tensor.noise([2, height, width, 19], seed: 2)
    let x = Naive.Array4(map)
    let shape = base.shape
    let wanted = Naive.map(shape) { b, row, column, c in
      let v = position(row, h, height, alignCorners)
      let u = position(column, w, width, alignCorners)
      return (1 - v.weight)
        * ((1 - u.weight) * x[b, v.low, u.low, c] + u.weight * x[b, v.low, u.high, c])
        + v.weight * ((1 - u.weight) * x[b, v.high, u.low, c] + u.weight * x[b, v.high, u.high, c])
    }
    // Positions are computed in single precision, as PyTorch does.
    let y = pass().resizeBilinear(
      map, height: height, width: width, alignCorners: alignCorners, layer: "up")
    #expect(y.mismatch(wanted, shape, tolerance: 4e-6) == nil)
    let sum = pass().addResized(base, [map, base], alignCorners: alignCorners, layer: "sum")
    let wantedSum = zip(wanted, base.elements).map { $0 + 2 * Double($1) }
    #expect(sum.mismatch(wantedSum, shape, tolerance: 4e-6) == nil)
  }

  @Test(arguments: sizes) func nearestAgrees(size: (Int, Int, Int, Int)) {
    let (h, w, height, width) = size
    let map = Tensor.noise([2, h, w, 5], seed: 1)
    let base = Tensor.noise([2, height, width, 5], seed: 2)
    let x = Naive.Array4(map)
    let wanted = Naive.map(base.shape) { b, row, column, c in
      x[b, row * h / height, column * w / width, c]
    }
    let y = pass().enlargedNearest(map, height: height, width: width)
    #expect(y.mismatch(wanted, base.shape, tolerance: 0) == nil)
    // Beside a product, whose weight copies each channel.
    let identity = Tensor([5, 5, 1, 1], (0..<25).map { $0 % 6 == 0 ? 1 : 0 })
    let sum = pass().convolution(
      base, ConvolutionWeights(identity, ConvolutionGeometry(kernel: 1)), bias: nil,
      addingNearest: map, layer: "sum")
    #expect(
      sum.mismatch(zip(wanted, base.elements).map { $0 + Double($1) }, base.shape) == nil)
  }

  @Test func theSameSizeIsTheSameMap() {
    let x = Tensor.noise([2, 4, 5, 3], seed: 1)
    for alignCorners in [true, false] {
      let y = pass().resizeBilinear(
        x, height: 4, width: 5, alignCorners: alignCorners, layer: "up")
      #expect(y.bits == x.bits && y.pointer == x.pointer)
    }
    #expect(pass().enlargedNearest(x, height: 4, width: 5).bits == x.bits)
    #expect(
      x.resizedBicubic(height: 4, width: 5).mismatch(x.elements.map(Double.init), x.shape) == nil)
  }

  @Test(arguments: [(9, 3, 7), (5, 1, 12), (1, 1, 5), (4, 3, 3), (64, 49, 300)])
  func tokensAgree(size: (Int, Int, Int)) {
    let (stride, n, tokens) = size
    let channels = stride > 2 ? 2..<(stride - 1) : 0..<1
    let x = Tensor.noise([2, n, stride], seed: 1)
    var wanted: [Double] = []
    for b in 0..<2 {
      for token in 0..<tokens {
        let p = position(token, n, tokens, false)
        for c in channels {
          wanted.append(
            (1 - p.weight) * Double(x.elements[(b * n + p.low) * stride + c])
              + p.weight * Double(x.elements[(b * n + p.high) * stride + c]))
        }
      }
    }
    let y = pass().resizeTokens(x, channels: channels, to: tokens, layer: "v")
    #expect(y.mismatch(wanted, [2, tokens, channels.count], tolerance: 1e-5) == nil)
  }

  /// Weights are never negative nor above 1, and the two neighbours exist.
  @Test(arguments: [true, false]) func tablesStayInside(alignCorners: Bool) {
    for input in [1, 2, 3, 7, 49, 64] {
      for output in [1, 2, 5, 31, 64, 1021] {
        let table = LinearTable(from: input, to: output, alignCorners: alignCorners)
        #expect(table.count == output)
        for index in 0..<output {
          #expect(table.first[index] >= 0 && Int(table.second[index]) < input)
          #expect((0...1).contains(table.firstWeight[index]))
          #expect(table.firstWeight[index] + table.secondWeight[index] == 1)
        }
      }
    }
  }

  /// Rows made one after another, some left out, have the bits of rows made by themselves.
  @Test(arguments: [(5, 7, 13, 29), (6, 4, 24, 16), (9, 8, 4, 3), (3, 5, 3, 5), (1, 1, 4, 6)])
  func rowsInOrderHaveTheSameBits(size: (Int, Int, Int, Int)) {
    let (height, width, newHeight, newWidth) = size
    for (channels, alignCorners) in [(1, false), (11, true), (16, false), (21, false)] {
      let x = Tensor.noise([height, width, channels], seed: 1)
      let vertical = LinearTable(from: height, to: newHeight, alignCorners: alignCorners)
      let horizontal = LinearTable(from: width, to: newWidth, alignCorners: alignCorners)
      for step in [1, 2] {
        var rows = BilinearRows(
          vertical: vertical, horizontal: horizontal, sourceWidth: width, channels: channels,
          pool: BufferPool())
        for row in stride(from: 0, to: newHeight, by: step) {
          let got = Tensor(zeros: [newWidth, channels])
          let wanted = Tensor(zeros: [newWidth, channels])
          func source(_ index: Int) -> UnsafePointer<Float> { x.pointer + index * width * channels }
          rows.write(row, into: got.mutablePointer) { index, _ in source(index) }
          horizontal.write(
            row, of: vertical, channels: channels, rows: source, into: wanted.mutablePointer)
          #expect(got.elements.map(\.bitPattern) == wanted.elements.map(\.bitPattern))
        }
      }
    }
  }
}
