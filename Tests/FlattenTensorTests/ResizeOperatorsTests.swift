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
      let tables = (
        LinearTable(from: height, to: newHeight, alignCorners: alignCorners),
        LinearTable(from: width, to: newWidth, alignCorners: alignCorners)
      )
      for step in [1, 2] {
        var rows = ResizedRows(
          vertical: .linear(tables.0), horizontal: .linear(tables.1), sourceWidth: width,
          channels: channels,
          pool: BufferPool())
        for row in stride(from: 0, to: newHeight, by: step) {
          let got = Tensor(zeros: [newWidth, channels])
          let wanted = Tensor(zeros: [newWidth, channels])
          func source(_ index: Int) -> UnsafePointer<Float> { x.pointer + index * width * channels }
          rows.write(row, into: got.mutablePointer) { index, _ in source(index) }
          tables.1.write(
            row, of: tables.0, channels: channels, rows: source, into: wanted.mutablePointer)
          #expect(got.elements.map(\.bitPattern) == wanted.elements.map(\.bitPattern))
        }
      }
    }
  }

  /// Cubic convolution with a = -0.75, by its definition: a sum over 4x4 cells around the position.
  private static func cubic(
    _ x: Naive.Array4, _ b: Int, _ row: Int, _ column: Int, _ c: Int, height: Int, width: Int
  ) -> Double {
    func kernel(_ d: Double) -> Double {
      let (a, t) = (-0.75, abs(d))
      if t <= 1 { return (a + 2) * t * t * t - (a + 3) * t * t + 1 }
      return t < 2 ? a * (t * t * t - 5 * t * t + 8 * t - 4) : 0
    }
    let y = (Double(row) + 0.5) * Double(x.shape[1]) / Double(height) - 0.5
    let z = (Double(column) + 0.5) * Double(x.shape[2]) / Double(width) - 0.5
    var sum = 0.0
    for i in Int(y.rounded(.down)) - 1...Int(y.rounded(.down)) + 2 {
      for j in Int(z.rounded(.down)) - 1...Int(z.rounded(.down)) + 2 {
        let inside = (min(max(i, 0), x.shape[1] - 1), min(max(j, 0), x.shape[2] - 1))
        sum += kernel(y - Double(i)) * kernel(z - Double(j)) * x[b, inside.0, inside.1, c]
      }
    }
    return sum
  }

  @Test(
    arguments: [
      ([2, 3, 5, 7], 12, 20), ([1, 9, 7, 3], 50, 61), ([1, 1, 1, 2], 4, 4),
      ([1, 40, 37, 17], 19, 23),
      ([1, 2, 2, 33], 5, 3),
    ] as [(Shape, Int, Int)])
  func bicubicAgrees(shape: Shape, height: Int, width: Int) {
    let map = Tensor.noise(shape, seed: 1)
    let x = Naive.Array4(map)
    let target: Shape = [shape[0], height, width, shape[3]]
    let wanted = Naive.map(target) { Self.cubic(x, $0, $1, $2, $3, height: height, width: width) }
    let y = pass().resizeBicubic(map, height: height, width: width, layer: "up")
    #expect(y.mismatch(wanted, target, tolerance: 1e-5) == nil)
    #expect(map.resizedBicubic(height: height, width: width).bits == y.bits)
    let base = Tensor.noise(target, seed: 2)
    let sum = pass().resizeBicubic(map, height: height, width: width, addedTo: base, layer: "up")
    #expect(
      sum.mismatch(zip(wanted, base.elements).map { $0 + Double($1) }, target, tolerance: 1e-5)
        == nil)
  }

  /// Rows made one after another, some left out, have the bits of the whole.
  @Test func cubicRowsInOrderHaveTheSameBits() {
    let x = Tensor.noise([1, 6, 5, 11], seed: 1)
    let whole = pass().resizeBicubic(x, height: 37, width: 18, layer: "")
    for step in [1, 2, 5, 9] {
      var rows = ResizedRows(
        vertical: ResizeTable(from: 6, to: 37, .bicubic),
        horizontal: ResizeTable(from: 5, to: 18, .bicubic), sourceWidth: 5, channels: 11, pool: nil)
      for row in stride(from: 0, to: 37, by: step) {
        let got = Tensor(zeros: [18, 11])
        rows.write(row, into: got.mutablePointer) { index, _ in x.pointer + index * 5 * 11 }
        #expect(got.elements == Array(whole.elements[row * 18 * 11..<(row + 1) * 18 * 11]))
      }
    }
  }
}
