import FlattenRegions
import FlattenTensor
import Foundation
import TestSupport
import Testing

/// The bits of a result depend on its inputs alone: not on the number of threads, nor on the run, nor
/// on who else computes.
@Suite struct DeterminismTests {
  struct Operator: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let run: @Sendable (ForwardPass) -> Tensor
  }

  static let operators: [Operator] = [
    Operator(testDescription: "linear, many rows") { pass in
      pass.linear(
        .noise([1031, 37], seed: 1), PackedMatrix(.noise([75, 37], seed: 2)),
        bias: .noise([75], seed: 3), activation: .gelu, residual: .noise([1031, 75], seed: 4),
        layer: "")
    },
    Operator(testDescription: "linear, few rows") { pass in
      pass.linear(
        .noise([49, 64], seed: 1), PackedMatrix(.noise([515, 64], seed: 2)), bias: nil, layer: "")
    },
    Operator(testDescription: "mlp") { pass in
      pass.mlp(
        .noise([1500, 20], seed: 1),
        expand: (PackedMatrix(.noise([75, 20], seed: 2)), .noise([75], seed: 3)),
        contract: (PackedMatrix(.noise([20, 75], seed: 4)), nil),
        residual: .noise([1500, 20], seed: 5), layer: "")
    },
    Operator(testDescription: "convolution") { pass in
      pass.convolution(
        .noise([2, 19, 23, 3], seed: 1),
        ConvolutionWeights(
          .noise([17, 3, 3, 3], seed: 2), ConvolutionGeometry(kernel: 3, padding: 1)),
        bias: .noise([17], seed: 3), activation: .relu, layer: "")
    },
    Operator(testDescription: "convolution of many channels") { pass in
      pass.convolution(
        .noise([2, 33, 41, 35], seed: 1),
        ConvolutionWeights(
          .noise([47, 35, 3, 3], seed: 2), ConvolutionGeometry(kernel: 3, padding: 1)),
        bias: .noise([47], seed: 3), activation: .relu, layer: "")
    },
    Operator(testDescription: "transposed convolution") { pass in
      pass.transposedConvolution(
        .noise([3, 9, 14, 35], seed: 1),
        PackedTransposedConvolution(
          .noise([35, 17, 2, 2], seed: 2), bias: .noise([17], seed: 3), activation: .relu),
        layer: "")
    },
    Operator(testDescription: "RoI align") { pass in
      pass.roiAlign(
        [.noise([2, 30, 40, 35], seed: 1), .noise([2, 15, 20, 35], seed: 2)],
        regions: (0..<23).map { index in
          let start = Float(index) * 3.7
          return RegionOfInterest(
            item: index % 2, level: index / 2 % 2,
            box: Box(left: start, top: 80 - start, right: start + 33, bottom: 99))
        }, scales: [0.25, 0.125], size: (7, 5), layer: "")
    },
    Operator(testDescription: "top scores") { pass in
      let found = pass.topScores(
        .noise([3, 70_001], seed: 5), elements: 100..<210_000, above: 0.6, limit: 777)
      return Tensor([2, found.count], found.map(\.score) + found.map { Float($0.index) })
    },
    Operator(testDescription: "depthwise convolution") { pass in
      pass.depthwiseConvolution(
        .noise([2, 9, 11, 35], seed: 1),
        DepthwiseWeight(taps: .noise([25, 35], seed: 2), bias: .noise([35], seed: 3)),
        activation: .gelu, layer: "")
    },
    Operator(testDescription: "strided depthwise convolution") { pass in
      pass.depthwiseConvolution(
        .noise([2, 9, 11, 35], seed: 1),
        DepthwiseWeight(.noise([35, 1, 3, 3], seed: 2), bias: nil, stride: 2),
        activation: .hardSwish, layer: "")
    },
    Operator(testDescription: "convolution in groups") { pass in
      pass.groupedConvolution(
        .noise([601, 40], seed: 1), PackedGroups(.noise([40, 8, 1, 1], seed: 2), groups: 5),
        layer: "")
    },
    Operator(testDescription: "parts of heads") { pass in
      pass.headParts(
        [.noise([2, 131, 24], seed: 1), .noise([2, 131, 24], seed: 2)], part: 1, of: 3, width: 4,
        activation: .geluTanh, layer: "")
    },
    Operator(testDescription: "bicubic resize") { pass in
      pass.resizeBicubic(
        .noise([2, 9, 11, 19], seed: 1), height: 70, width: 33,
        addedTo: .noise([2, 70, 33, 19], seed: 2), layer: "")
    },
    Operator(testDescription: "linear attention") { pass in
      pass.linearAttention(
        .noise([2, 513, 64], seed: 1, offset: 1), .noise([2, 49, 64], seed: 2, offset: 1),
        kv: .noise([2, 49, 128], seed: 3), heads: 2, layer: "")
    },
    Operator(testDescription: "focused linear attention") { pass in
      let tokens = 66 * 33
      return pass.focusedLinearAttention(
        .noise([2, tokens, 36], seed: 1), kv: .noise([2, tokens, 72], seed: 2),
        position: .noise([tokens, 36], seed: 3),
        FocusedAttentionWeights(
          focus: FocusMap(scale: .noise([36], seed: 4, offset: 2), power: 3),
          depthwise: DepthwiseWeight(
            taps: .noise([25, 36], seed: 5), bias: .noise([36], seed: 6)),
          depthwiseLayer: "", heads: 2),
        grid: (66, 33), layer: ""
      ) {
        AttentionRecord(
          layer: "", .linear, queries: $0, keys: $1, heads: 2,
          layout: WindowLayout(wholeOf: 66, 33))
      }
    },
    Operator(testDescription: "softmax attention") { pass in
      pass.softmaxAttention(
        .noise([2, 131, 24], seed: 1), kv: .noise([2, 49, 48], seed: 3), heads: 3, layer: "")
    },
    Operator(testDescription: "windows, cut and joined") { pass in
      let layout = WindowLayout(
        height: 19, width: 23, windowHeight: 7, windowWidth: 7, shift: 3)
      let x = Tensor.noise([2, 19, 23, 24], seed: 1)
      let windows = pass.windows(x, layout, layer: "")
      return pass.joinWindows([(windows, layout)], residual: x, layer: "")
    },
    Operator(testDescription: "window attention") { pass in
      pass.windowAttention(
        .noise([24, 49, 24], seed: 1), kv: .noise([24, 49, 48], seed: 2),
        bias: .noise([3, 49, 49], seed: 3),
        WindowLayout(height: 19, width: 23, windowHeight: 7, windowWidth: 7, shift: 3), layer: "")
    },
    Operator(testDescription: "merged patches") { pass in
      pass.mergePatches(.noise([2, 19, 23, 24], seed: 1), layer: "")
    },
    Operator(testDescription: "padding") { pass in
      pass.padded(.noise([2, 19, 23, 24], seed: 1), toMultipleOf: 16, layer: "")
    },
    Operator(testDescription: "tokens, taken and joined") { pass in
      let x = Tensor.noise([2, 301, 24], seed: 1)
      let some = pass.tokens(x, 7..<300, layer: "")
      return pass.joinTokens(.noise([1, 3, 24], seed: 2), some, layer: "")
    },
    Operator(testDescription: "focusing map") { pass in
      pass.focus(
        .noise([2, 301, 40], seed: 1), position: .noise([301, 35], seed: 2),
        FocusMap(scale: .noise([35], seed: 3, offset: 2), power: 3), layer: "")
    },
    Operator(testDescription: "layer norm") { pass in
      pass.layerNorm(
        .noise([517, 33], seed: 1), gamma: .noise([33], seed: 2), beta: .noise([33], seed: 3),
        epsilon: 1e-6, layer: "")
    },
    Operator(testDescription: "bilinear resize") { pass in
      pass.addResized(
        .noise([2, 28, 31, 19], seed: 2),
        [.noise([2, 7, 9, 19], seed: 1), .noise([2, 14, 16, 19], seed: 3)], alignCorners: false,
        layer: "")
    },
    Operator(testDescription: "nearest resize") { pass in
      pass.convolution(
        .noise([2, 28, 31, 13], seed: 2),
        ConvolutionWeights(.noise([19, 13, 1, 1], seed: 3), ConvolutionGeometry(kernel: 1)),
        bias: nil, addingNearest: .noise([2, 7, 9, 19], seed: 1), layer: "")
    },
    Operator(testDescription: "token resize") { pass in
      pass.resizeTokens(.noise([2, 49, 38], seed: 1), channels: 19..<38, to: 700, layer: "")
    },
    Operator(testDescription: "average pooling") { pass in
      pass.adaptiveAveragePool(.noise([2, 20, 23, 19], seed: 1), size: 7, layer: "")
    },
    Operator(testDescription: "maximum pooling") { pass in
      pass.maxPool(
        .noise([2, 20, 23, 19], seed: 1), ConvolutionGeometry(kernel: 3, stride: 2, padding: 1),
        layer: "")
    },
    Operator(testDescription: "features, rotation, products, means") { pass in
      let x = pass.features(
        .noise([2, 2051, 70], seed: 1), channels: 5..<53, .activation(.eluPlusOne), layer: "")
      let unit = pass.features(x, .unitRows(epsilon: 1e-6), heads: 3, layer: "")
      let turned = pass.rotate(
        unit, Rotation(byRow: [1, 0.1, 0.2, 0.3], byColumn: [0.5, 0.6, 0.7, 2]), grid: (7, 293),
        heads: 3, layer: "")
      let mean = pass.meanOverTokens(turned, channels: 0..<48, activation: .silu, layer: "")
      return pass.multiply(turned, mean.reshaped([2, 1, 48]), layer: "")
    },
    Operator(testDescription: "softmax over tokens") { pass in
      let x = Tensor.noise([2, 2051, 48], seed: 1)
      let scores = pass.headProducts(
        FeatureRows(x, heads: 3, map: .activation(.relu)), .noise([2, 48], seed: 2), scale: 2,
        layer: "")
      return pass.softmaxOverTokens(scores, scale: 2, summingTo: nil, layer: "")
    },
    Operator(testDescription: "weighted copies") { pass in
      pass.features(
        FeatureRows(
          .noise([2, 301, 24], seed: 1), heads: 2, map: .activation(.relu, plus: 0.5),
          factors: .noise([2, 301, 2], seed: 3), copies: .noise([301, 3], seed: 2)), layer: "")
    },
    Operator(testDescription: "GELU, addition, softmax, mean") { pass in
      let x = pass.activate(.noise([2, 301, 61], seed: 1), .gelu, layer: "")
      let y = pass.add(x, .noise([301, 61], seed: 2), layer: "")
      return pass.meanOverTokens(pass.softmax(y), layer: "")
    },
  ]

  @Test(arguments: operators) func anyNumberOfThreadsGivesTheSameBits(_ body: Operator) {
    let wanted = body.run(pass(threads: 1)).bits
    for threads in [1, 2, 3, 8] {
      let pass = pass(threads: threads)
      for _ in 0..<3 { #expect(body.run(pass).bits == wanted, "\(threads) threads") }
    }
  }

  /// Memory that was used before holds what was in it; an operator must write all of its output.
  @Test(arguments: operators) func usedMemoryDoesNotShow(_ body: Operator) {
    let wanted = body.run(pass(threads: 1)).bits
    let pass = pass(threads: 2)
    let count = wanted.count
    for factor in [1, 1, 2, 4] {
      _ = Tensor([max(count / factor, 1)], pool: pass.memory) { $0.initialize(repeating: .nan) }
    }
    #expect(body.run(pass).bits == wanted)
  }

  @Test func severalThreadsShareOnePool() {
    let threads = ThreadPool(threads: 3)
    let memory = BufferPool()
    let wanted = Self.operators.map { $0.run(pass(threads: 1)).bits }
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 6) { caller in
      let pass = ForwardPass(threads: threads, memory: memory)
      for index in Self.operators.indices {
        let turned = (index + caller) % wanted.count
        results.note(Self.operators[turned].run(pass).bits == wanted[turned])
      }
    }
    #expect(results.counts == [true: 6 * wanted.count])
  }
}

/// Counts what several threads report.
final class Results: @unchecked Sendable {
  private let lock = NSLock()
  private var noted: [Bool: Int] = [:]

  var counts: [Bool: Int] { lock.withLock { noted } }

  func note(_ result: Bool) { lock.withLock { noted[result, default: 0] += 1 } }
}
