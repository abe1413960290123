import FlattenTensor
import TestSupport
import Testing

/// Two convolutions as one, against the definition of both in double precision.
@Suite struct ConvolutionPairTests {
  struct Pair {
    let first: Tensor
    let firstBias: Tensor?
    let second: Tensor
    let scale: Tensor?
    let secondBias: Tensor?

    init(_ inputs: Int, _ middle: Int, _ outputs: Int, hasBias: Bool, hasScale: Bool) {
      first = .noise([middle, inputs, 3, 3], seed: 1)
      second = .noise([outputs, middle, 3, 3], seed: 2)
      firstBias = hasBias ? .noise([middle], seed: 3) : nil
      secondBias = hasBias ? .noise([outputs], seed: 4) : nil
      scale = hasScale ? .noise([outputs], seed: 5) : nil
    }

    func packed(
      _ activation: Activation = .none, _ context: LoadingContext = .plain
    ) -> PackedConvolutionPair {
      let window = ConvolutionGeometry(kernel: 3, padding: 1)
      // A norm whose scale and shift are the given numbers.
      let norm = scale.map { scale in
        BatchNormStatistics(
          gamma: scale, beta: secondBias ?? Tensor(zeros: scale.shape),
          mean: Tensor(zeros: scale.shape), variance: Tensor(zeros: scale.shape), epsilon: 1)
      }
      return PackedConvolutionPair(
        StoredConvolution(window, weight: first, bias: firstBias, norm: nil, activation: .none),
        StoredConvolution(
          window, weight: second, bias: norm == nil ? secondBias : nil, norm: norm,
          activation: activation),
        context)
    }

    /// The definition: the first's map ends where the input's does, and the second reads zeros beyond.
    func wanted(_ x: Tensor, _ activation: Activation) -> [Double] {
      let between = convolved(Naive.Array4(x), first, nil, firstBias)
      return convolved(between, second, scale, secondBias).values.map {
        Naive.activated($0, activation)
      }
    }

    private func convolved(
      _ x: Naive.Array4, _ weight: Tensor, _ scale: Tensor?, _ bias: Tensor?
    ) -> Naive.Array4 {
      let (outputs, inputs) = (weight.shape[0], weight.shape[1])
      let w = weight.elements.map(Double.init)
      let factors = scale?.elements ?? [Float](repeating: 1, count: outputs)
      let constants = bias?.elements ?? [Float](repeating: 0, count: outputs)
      let shape: Shape = [x.shape[0], x.shape[1], x.shape[2], outputs]
      let values = Naive.map(shape) { b, row, column, output in
        var sum = 0.0
        for tap in 0..<9 {
          for input in 0..<inputs {
            sum +=
              w[(output * inputs + input) * 9 + tap]
              * x.padded(b, row + tap / 3 - 1, column + tap % 3 - 1, input)
          }
        }
        return sum * Double(factors[output]) + Double(constants[output])
      }
      return Naive.Array4(shape: shape, values: values)
    }
  }

  /// Sides that are and are not multiples of a tile, and maps that are nothing but border.
  static let shapes: [Shape] = [
    [1, 8, 12, 32], [2, 7, 13, 34], [1, 1, 1, 32], [1, 1, 6, 32], [2, 5, 1, 32], [1, 2, 2, 32],
    [1, 2, 9, 32], [1, 4, 4, 32], [1, 67, 3, 32],
  ]

  @Test(arguments: shapes, [Activation.none, .relu])
  func agreesWithTheDefinition(shape: Shape, activation: Activation) {
    let x = Tensor.noise(shape, seed: 9)
    for (hasBias, hasScale) in [(false, false), (true, true)] {
      let pair = Pair(shape[3], 33, 35, hasBias: hasBias, hasScale: hasScale)
      let y = pass().joined(x, pair.packed(activation))
      let wanted = pair.wanted(x, activation)
      #expect(y.mismatch(wanted, shape.replacingLast(with: 35), tolerance: 1e-5) == nil)
    }
  }

  /// In bfloat16 a pixel is as wrong as its roundings make it, and no more: a corner's term that were
  /// missing would show.
  ///
  /// The second maps are zero but for their corners, where what is subtracted for them is much beside
  /// the roundings.
  @Test(arguments: shapes, [false, true])
  func bfloat16IsAsCloseAsItsRoundings(shape: Shape, hasOnlyCorners: Bool) {
    let (height, width, outputs) = (shape[1], shape[2], 35)
    var x = Tensor.noise(shape, seed: 9)
    if hasOnlyCorners {
      x = Tensor(
        shape,
        x.elements.enumerated().map { index, value in
          let (row, column) = (index / shape[3] / width % height, index / shape[3] % width)
          return [0, height - 1].contains(row) && [0, width - 1].contains(column) ? value : 0
        })
    }
    let pair = Pair(shape[3], 32, outputs, hasBias: true, hasScale: true)
    let y = pass().joined(x, pair.packed(.none, .plain(.bfloat16)))
    let wanted = pair.wanted(x, .none)
    let expected = RoundingModel(pair).error(x)
    #expect(y.shape == shape.replacingLast(with: outputs))
    // What float32 adds, as above.
    let float32 = 1e-5 * (wanted.map(abs).max() ?? 0)
    for pixel in 0..<shape[0] * height * width {
      let errors = (0..<outputs).map {
        Double(y.elements[pixel * outputs + $0]) - wanted[pixel * outputs + $0]
      }
      // The mean over 35 outputs scatters by an eighth of itself; the model leaves out the roundings of
      // the border's own products, which no transform enlarges.
      let tolerance = 1.5 * expected[pixel] + float32
      #expect(rootMeanSquare(errors) <= tolerance, "pixel \(pixel)")
      let (row, column) = (pixel / width % height, pixel % width)
      if hasOnlyCorners && row == 0 && column == 0 {
        #expect(rootMeanSquare(pair.cornerTerm(x, item: pixel / width / height)) > 2 * tolerance)
      }
    }
  }

  @Test(arguments: [Precision.float32, .bfloat16])
  func theBitsDoNotDependOnTheThreads(precision: Precision) {
    let x = Tensor.noise([2, 37, 70, 32], seed: 9)
    let pair = Pair(32, 40, 64, hasBias: true, hasScale: true).packed(.relu, .plain(precision))
    let results = [1, 2, 3, 8].map { threads in
      ForwardPass(threads: ThreadPool(threads: threads))
        .joined(x, pair).elements
    }
    #expect(results.dropFirst().allSatisfy { $0 == results[0] })
  }

  /// Weights prepared by several threads, in pools, are the same.
  @Test func preparationDoesNotDependOnTheThreads() {
    let x = Tensor.noise([1, 9, 9, 32], seed: 9)
    let pair = Pair(32, 40, 64, hasBias: true, hasScale: true)
    let packed = pair.packed(.none, LoadingContext(threads: ThreadPool(threads: 3), .float32))
    let (a, b) = (
      pass().joined(x, packed).elements,
      pass().joined(x, pair.packed()).elements
    )
    #expect(a == b)
  }

  /// A pixel that is no number spoils all channels of the 5x5 pixels around it. Beyond, it spoils at most
  /// the tiles of 4x4 pixels whose patch of 8x8 it is in; all other pixels have the bits that they have
  /// without it. On the border, in a corner, and inside.
  @Test(arguments: [(0, 0), (1, 9), (4, 4), (11, 15), (0, 7), (6, 15)])
  func aNaNStaysInItsTiles(at place: (Int, Int)) {
    let x = Tensor.noise([1, 12, 16, 32], seed: 9)
    var values = x.elements
    values[(place.0 * 16 + place.1) * 32 + 5] = .nan
    let pair = Pair(32, 32, 33, hasBias: true, hasScale: true).packed(.relu)
    func result(_ x: Tensor) -> [Float] {
      pass().joined(x, pair).elements
    }
    let (clean, spoilt) = (result(x), result(Tensor([1, 12, 16, 32], values)))
    var near = 0
    for row in 0..<12 {
      for column in 0..<16 {
        let channels = (row * 16 + column) * 33..<(row * 16 + column + 1) * 33
        let isNear = abs(row - place.0) <= 2 && abs(column - place.1) <= 2
        // Rows 4 t - 2 to 4 t + 5 are the patch of rows 4 t to 4 t + 3.
        let isInPatch =
          (row / 4 * 4 - 2...row / 4 * 4 + 5).contains(place.0)
          && (column / 4 * 4 - 2...column / 4 * 4 + 5).contains(place.1)
        if isNear {
          near += 1
          #expect(spoilt[channels].allSatisfy { $0.isNaN }, "row \(row), column \(column)")
        } else if !isInPatch {
          #expect(spoilt[channels] == clean[channels], "row \(row), column \(column)")
        }
      }
    }
    #expect(near >= 9 && clean.allSatisfy { $0.isFinite })
  }

  @Test func savesWhatItSays() {
    #expect(PackedConvolutionPair.saves(inputs: 256, middle: 256, outputs: 128))
    #expect(!PackedConvolutionPair.saves(inputs: 256, middle: 32, outputs: 256))
    #expect(!PackedConvolutionPair.saves(inputs: 256, middle: 256, outputs: 16))
  }
}

extension ForwardPass {
  fileprivate func joined(_ x: Tensor, _ pair: PackedConvolutionPair) -> Tensor {
    convolutionPair(x, pair, layer: "first", and: "second")
  }
}

private func rootMeanSquare(_ values: [Double]) -> Double {
  (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
}

extension ConvolutionPairTests.Pair {
  /// What is added to the first pixel for its corner, where the map ends in both directions: the second's
  /// upper left tap does not see what the first makes there, beyond the map, of this pixel and its bias.
  fileprivate func cornerTerm(_ x: Tensor, item: Int) -> [Double] {
    let (inputs, middle) = (first.shape[1], first.shape[0])
    let start = item * x.shape[1] * x.shape[2] * inputs
    let pixel = x.elements[start..<start + inputs].map(Double.init)
    let beyond = (0..<middle).map { channel in
      (0..<inputs).reduce(Double(firstBias?.elements[channel] ?? 0)) {
        // The lower right tap.
        $0 + Double(first.elements[(channel * inputs + $1) * 9 + 8]) * pixel[$1]
      }
    }
    return (0..<second.shape[0]).map { output in
      let sum = (0..<middle).reduce(0.0) {
        $0 + Double(second.elements[(output * middle + $1) * 9]) * beyond[$1]
      }
      return sum * Double(scale?.elements[output] ?? 1)
    }
  }
}

/// How wrong a pair is in bfloat16 when its transformed patches and weights, and nothing else, are rounded.
///
/// A rounding is at most 2^-8 of a number, evenly spread: its root mean square is 2^-8 / sqrt(3). Each
/// product of Winograd's method has two, and a pixel is a sum of products with the factors of A. So the
/// square of its error is that of a rounding, times two, times the sum of the squares of what is added.
private struct RoundingModel {
  /// F(4x4, 5x5) with the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
  private static let points: [Double] = [0, 1, -1, 2, -2, 0.5, -0.5]

  /// The square of A^T, `[4][8]`: powers of the points; the point at infinity makes the last row only.
  private static let output: [[Double]] = (0..<4).map { row in
    points.map { point in (0..<row).reduce(1) { power, _ in power * point * point } }
      + [row == 3 ? 1 : 0]
  }

  /// B^T, `[8][8]`: the coefficients of the product of all (x - point) but one's own, and of all for
  /// infinity.
  private static let input: [[Double]] = (0..<8).map { index in
    var polynomial: [Double] = [1]
    for (other, point) in points.enumerated() where other != index {
      polynomial = zip([0] + polynomial, polynomial + [0]).map { $0 - point * $1 }
    }
    return polynomial + Array(repeating: 0, count: 8 - polynomial.count)
  }

  /// G, `[8][5]`: powers of the points over the product of their distances from all others.
  private static let weight: [[Double]] =
    points.enumerated().map { index, point in
      let distance = points.enumerated().reduce(1.0) {
        $1.offset == index ? $0 : $0 * (point - $1.element)
      }
      return (0..<5).map { power in (0..<power).reduce(1 / distance) { value, _ in value * point } }
    } + [[0, 0, 0, 0, 1]]

  private let inputs: Int
  private let outputs: Int
  /// The mean over the outputs of the transformed weights' squares, `[64][inputs]`.
  private let weights: [[Double]]

  init(_ pair: ConvolutionPairTests.Pair) {
    let (inputs, middle, outputs) = (
      pair.first.shape[1], pair.first.shape[0], pair.second.shape[0]
    )
    (self.inputs, self.outputs) = (inputs, outputs)
    let (first, second) = (
      pair.first.elements.map(Double.init), pair.second.elements.map(Double.init)
    )
    var weights = Array(repeating: Array(repeating: 0.0, count: inputs), count: 64)
    for output in 0..<outputs {
      let scale = Double(pair.scale?.elements[output] ?? 1)
      for input in 0..<inputs {
        // The window of both.
        var window = Array(repeating: Array(repeating: 0.0, count: 5), count: 5)
        for channel in 0..<middle {
          let (one, two) = ((channel * inputs + input) * 9, (output * middle + channel) * 9)
          for tap in 0..<9 {
            for other in 0..<9 {
              window[tap / 3 + other / 3][tap % 3 + other % 3] +=
                first[one + tap] * second[two + other] * scale
            }
          }
        }
        for (position, value) in Self.transformed(window, by: Self.weight).enumerated() {
          weights[position][input] += value * value / Double(outputs)
        }
      }
    }
    self.weights = weights
  }

  /// `m w m^T`, row by row.
  private static func transformed(_ w: [[Double]], by m: [[Double]]) -> [Double] {
    let rows = m.map { factors in
      w[0].indices.map { column in
        zip(factors, w).reduce(0) { $0 + $1.0 * $1.1[column] }
      }
    }
    return rows.flatMap { row in
      m.map { factors in zip(factors, row).reduce(0) { $0 + $1.0 * $1.1 } }
    }
  }

  /// The root mean square over the outputs of each pixel's expected error.
  func error(_ x: Tensor) -> [Double] {
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    let map = Naive.Array4(x)
    let rounding = 2 * 0x1p-16 / 3
    var result = Array(repeating: 0.0, count: batch * height * width)
    for item in 0..<batch {
      for top in stride(from: 0, to: height, by: 4) {
        for left in stride(from: 0, to: width, by: 4) {
          var squares = Array(repeating: 0.0, count: 64)
          for input in 0..<inputs {
            let patch = (0..<8).map { row in
              (0..<8).map { map.padded(item, top - 2 + row, left - 2 + $0, input) }
            }
            for (position, value) in Self.transformed(patch, by: Self.input).enumerated() {
              squares[position] += value * value * weights[position][input]
            }
          }
          for row in top..<min(top + 4, height) {
            for column in left..<min(left + 4, width) {
              var sum = 0.0
              for position in 0..<64 {
                sum +=
                  Self.output[row - top][position / 8] * Self.output[column - left][position % 8]
                  * squares[position]
              }
              result[(item * height + row) * width + column] = (rounding * sum).squareRoot()
            }
          }
        }
      }
    }
    return result
  }
}
