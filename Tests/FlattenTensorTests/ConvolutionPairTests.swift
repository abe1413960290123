import FlattenTensor
import TestSupport
import Testing

/// Two convolutions as one, against the definition of both in double precision.
@Suite(
  .enabled(
    if: PackedConvolutionPair.saves(inputs: 32, middle: 32, outputs: 32),
    "OpenBLAS multiplies: pairs are not joined"))
struct ConvolutionPairTests {
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

    func packed(_ precision: Precision = .float32) -> PackedConvolutionPair {
      PackedConvolutionPair(
        first: (first, firstBias), second: (second, scale, secondBias), .plain(precision))
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
      let y = pass().convolutionPair(x, pair.packed(), activation: activation, layer: "pair")
      let wanted = pair.wanted(x, activation)
      #expect(y.mismatch(wanted, shape.replacingLast(with: 35), tolerance: 1e-5) == nil)
    }
  }

  @Test(arguments: shapes) func bfloat16IsClose(shape: Shape) {
    let x = Tensor.noise(shape, seed: 9)
    let pair = Pair(shape[3], 32, 35, hasBias: true, hasScale: true)
    let y = pass().convolutionPair(x, pair.packed(.bfloat16), activation: .none, layer: "pair")
    // The transforms enlarge what is lost in rounding, 0.4 % of each number. Where a map is nothing but
    // border, most of the one window is taken away again, and what it lost stays.
    let tolerance = min(shape[1], shape[2]) < 4 ? 0.2 : 0.05
    #expect(
      y.mismatch(pair.wanted(x, .none), shape.replacingLast(with: 35), tolerance: tolerance) == nil
    )
  }

  @Test(arguments: [Precision.float32, .bfloat16])
  func theBitsDoNotDependOnTheThreads(precision: Precision) {
    let x = Tensor.noise([2, 37, 70, 32], seed: 9)
    let pair = Pair(32, 40, 64, hasBias: true, hasScale: true).packed(precision)
    let results = [1, 2, 3, 8].map { threads in
      ForwardPass(threads: ThreadPool(threads: threads))
        .convolutionPair(x, pair, activation: .relu, layer: "pair").elements
    }
    #expect(results.dropFirst().allSatisfy { $0 == results[0] })
  }

  /// Weights prepared by several threads, in pools, are the same.
  @Test func preparationDoesNotDependOnTheThreads() {
    let x = Tensor.noise([1, 9, 9, 32], seed: 9)
    let pair = Pair(32, 40, 64, hasBias: true, hasScale: true)
    let packed = PackedConvolutionPair(
      first: (pair.first, pair.firstBias), second: (pair.second, pair.scale, pair.secondBias),
      Packing(threads: ThreadPool(threads: 3), .float32))
    let (a, b) = (
      pass().convolutionPair(x, packed, activation: .none, layer: "pair").elements,
      pass().convolutionPair(x, pair.packed(), activation: .none, layer: "pair").elements
    )
    #expect(a == b)
  }

  /// A pixel that is no number spoils the 5x5 pixels around it and nothing else, whatever the border.
  @Test(arguments: [(0, 0), (1, 9), (4, 4)]) func aNaNStaysInItsTiles(at place: (Int, Int)) {
    var values = Tensor.noise([1, 12, 16, 32], seed: 9).elements
    values[(place.0 * 16 + place.1) * 32 + 5] = .nan
    let pair = Pair(32, 32, 32, hasBias: true, hasScale: true)
    let y = pass().convolutionPair(
      Tensor([1, 12, 16, 32], values), pair.packed(), activation: .relu, layer: "pair")
    for row in 0..<12 {
      for column in 0..<16 {
        let isNaN = y.elements[(row * 16 + column) * 32].isNaN
        let isNear = abs(row - place.0) <= 2 && abs(column - place.1) <= 2
        // Tiles of 4x4 share their patch's fate.
        let isTouched = abs(row - place.0) <= 5 && abs(column - place.1) <= 5
        #expect(isNear ? isNaN : isTouched || !isNaN)
      }
    }
  }

  @Test func savesWhatItSays() {
    #expect(PackedConvolutionPair.saves(inputs: 256, middle: 256, outputs: 128))
    #expect(!PackedConvolutionPair.saves(inputs: 256, middle: 32, outputs: 256))
    #expect(!PackedConvolutionPair.saves(inputs: 256, middle: 256, outputs: 16))
  }
}
