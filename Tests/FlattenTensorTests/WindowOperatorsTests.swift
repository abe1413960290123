import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite struct WindowOperatorsTests {
  static let layouts = [
    WindowLayout(height: 8, width: 12, windowHeight: 4, windowWidth: 4),
    WindowLayout(height: 8, width: 12, windowHeight: 4, windowWidth: 4, shift: 2),
    WindowLayout(height: 7, width: 9, windowHeight: 4, windowWidth: 4, shift: 1),
    WindowLayout(height: 3, width: 11, windowHeight: 5, windowWidth: 5, shift: 2),
    WindowLayout(height: 5, width: 7, windowHeight: 5, windowWidth: 3, padding: .bothSides),
    WindowLayout(height: 8, width: 6, windowHeight: 3, windowWidth: 6, padding: .bothSides),
    WindowLayout(height: 1, width: 1, windowHeight: 1, windowWidth: 1),
    WindowLayout(height: 2, width: 3, windowHeight: 7, windowWidth: 7, padding: .bothSides),
    WindowLayout(wholeOf: 5, 4),
  ]

  /// The padded and rolled map, made step by step.
  private func rolled(_ x: Naive.Array4, _ layout: WindowLayout) -> [[[[Double]]]] {
    let height = layout.rows * layout.windowHeight
    let width = layout.columns * layout.windowWidth
    let channels = x.shape[3]
    return (0..<x.shape[0]).map { b in
      let padded = (0..<height).map { y in
        (0..<width).map { column in
          (0..<channels).map { x.padded(b, y - layout.top, column - layout.left, $0) }
        }
      }
      return (0..<height).map { y in
        (0..<width).map { padded[(y + layout.shift) % height][($0 + layout.shift) % width] }
      }
    }
  }

  @Test(arguments: layouts) func windowsAreCut(_ layout: WindowLayout) {
    let x = Tensor.noise([2, layout.height, layout.width, 5], seed: 1)
    let map = rolled(Naive.Array4(x), layout)
    for channels in [nil, [0..<5], [1..<3], [3..<5, 0..<2]] {
      let taken = channels.map { $0.flatMap(Array.init) } ?? Array(0..<5)
      var wanted: [Double] = []
      for b in 0..<2 {
        for window in 0..<layout.count {
          for token in 0..<layout.tokens {
            let y =
              window / layout.columns * layout.windowHeight + token / layout.windowWidth
            let column =
              window % layout.columns * layout.windowWidth + token % layout.windowWidth
            wanted += taken.map { map[b][y][column][$0] }
          }
        }
      }
      let got = pass().windows(x, layout, channels: channels.map { Array($0) }, layer: "")
      #expect(got.shape == [2 * layout.count, layout.tokens, taken.count])
      #expect(got.elements.map(Double.init) == wanted)
    }
  }

  @Test(arguments: layouts) func joiningUndoesCutting(_ layout: WindowLayout) {
    let x = Tensor.noise([2, layout.height, layout.width, 5], seed: 1)
    let other = WindowLayout(wholeOf: layout.height, layout.width)
    let pass = pass()
    let first = pass.windows(x, layout, channels: [0..<2], layer: "")
    let second = pass.windows(x, other, channels: [2..<5], layer: "")
    #expect(
      pass.joinWindows([(first, layout), (second, other)], layer: "").elements == x.elements)
    let all = pass.windows(x, layout, layer: "")
    let residual = Tensor.noise(x.shape, seed: 2)
    let sum = pass.joinWindows([(all, layout)], residual: residual, layer: "")
    #expect(sum.elements == zip(x.elements, residual.elements).map { $0 + $1 })
  }

  @Test func aWholeMapIsNotCopied() {
    let x = Tensor.noise([2, 3, 4, 5], seed: 1)
    let layout = WindowLayout(wholeOf: 3, 4)
    let windows = pass().windows(x, layout, layer: "")
    #expect(windows.shape == [2, 12, 5] && windows.pointer == x.pointer)
    let map = pass().joinWindows([(windows, layout)], layer: "")
    #expect(map.shape == x.shape && map.pointer == x.pointer)
  }

  /// A cell's part of the map: numbered before rolling by the edges that rolling wraps around.
  @Test(arguments: layouts) func partsAreThoseThatRollingBroughtTogether(_ layout: WindowLayout) {
    let height = layout.rows * layout.windowHeight
    let width = layout.columns * layout.windowWidth
    for window in 0..<layout.count {
      let parts = (0..<layout.tokens).map { layout.part(window: window, token: $0) }
      #expect(layout.holdsParts(window: window) || Set(parts).count == 1)
      for a in 0..<layout.tokens {
        for b in 0..<layout.tokens {
          // Neighbours before rolling: no wrap between them in either direction.
          func wraps(_ token: Int) -> (Bool, Bool) {
            let y = window / layout.columns * layout.windowHeight + token / layout.windowWidth
            let x = window % layout.columns * layout.windowWidth + token % layout.windowWidth
            return (y + layout.shift >= height, x + layout.shift >= width)
          }
          #expect((parts[a] == parts[b]) == (wraps(a) == wraps(b)))
        }
      }
    }
  }

  @Test(arguments: layouts, [1, 3]) func windowAttentionAgrees(_ layout: WindowLayout, heads: Int) {
    let (tokens, width) = (layout.tokens, 4)
    let channels = heads * width
    let windows = 2 * layout.count
    let q = Tensor.noise([windows, tokens, channels], seed: 1, scale: 2)
    let kv = Tensor.noise([windows, tokens, 2 * channels], seed: 2)
    let bias = Tensor.noise([heads, tokens, tokens], seed: 3)
    let (qs, kvs) = (q.elements.map(Double.init), kv.elements.map(Double.init))
    let biases = bias.elements.map(Double.init)
    var wanted = [Double](repeating: 0, count: q.count)
    for window in 0..<windows {
      let parts = (0..<tokens).map { layout.part(window: window % layout.count, token: $0) }
      for head in 0..<heads {
        for query in 0..<tokens {
          let scores = (0..<tokens).map { key -> Double in
            let dot = (0..<width).reduce(0.0) {
              $0 + qs[(window * tokens + query) * channels + head * width + $1]
                * kvs[(window * tokens + key) * 2 * channels + head * width + $1]
            }
            let isOther = parts[query] != parts[key]
            return dot / 2 + biases[(head * tokens + query) * tokens + key] - (isOther ? 100 : 0)
          }
          let largest = scores.max() ?? 0
          let weights = scores.map { exp($0 - largest) }
          let sum = weights.reduce(0, +)
          for d in 0..<width {
            let channel = head * width + d
            wanted[(window * tokens + query) * channels + channel] =
              (0..<tokens).reduce(0) {
                $0 + weights[$1] / sum
                  * kvs[(window * tokens + $1) * 2 * channels + channels + channel]
              }
          }
        }
      }
    }
    let y = pass().windowAttention(q, kv: kv, bias: bias, layout, layer: "")
    #expect(y.mismatch(wanted, q.shape, tolerance: 4e-6) == nil)
  }

  @Test(arguments: [(6, 8), (5, 8), (6, 7), (5, 7), (1, 1)]) func patchesMerge(
    height: Int, width: Int
  ) {
    let x = Tensor.noise([2, height, width, 3], seed: 1)
    let map = Naive.Array4(x)
    let shape: Shape = [2, (height + 1) / 2, (width + 1) / 2, 12]
    let wanted = Naive.map(shape) { b, y, x, c in
      // (0, 0), (1, 0), (0, 1), (1, 1): rows first.
      map.padded(b, 2 * y + c / 3 % 2, 2 * x + c / 6, c % 3)
    }
    let got = pass().mergePatches(x, layer: "")
    #expect(got.shape == shape && got.elements.map(Double.init) == wanted)
  }

  @Test(arguments: [(8, 8, 4), (5, 7, 4), (5, 8, 4), (4, 7, 4), (1, 1, 16)]) func mapsArePadded(
    height: Int, width: Int, step: Int
  ) {
    let x = Tensor.noise([2, height, width, 3], seed: 1)
    let map = Naive.Array4(x)
    let shape: Shape = [2, height.rounded(up: step), width.rounded(up: step), 3]
    let wanted = Naive.map(shape) { map.padded($0, $1, $2, $3) }
    let got = pass().padded(x, toMultipleOf: step, layer: "")
    #expect(got.shape == shape && got.elements.map(Double.init) == wanted)
    #expect((got.pointer == x.pointer) == (shape == x.shape))
  }

  @Test func tokensAreTakenAndJoined() {
    let x = Tensor.noise([2, 7, 3], seed: 1)
    let pass = pass()
    let values = x.elements
    let some = pass.tokens(x, 2..<5, layer: "")
    #expect(some.shape == [2, 3, 3])
    #expect(some.elements == Array(values[6..<15]) + Array(values[27..<36]))
    #expect(pass.tokens(x, 0..<7, layer: "").pointer == x.pointer)

    let first = pass.tokens(x, 0..<2, layer: "")
    let rest = pass.tokens(x, 2..<7, layer: "")
    #expect(pass.joinTokens(first, rest, layer: "").elements == values)
    let shared = Tensor.noise([1, 1, 3], seed: 2)
    let joined = pass.joinTokens(shared, x, layer: "")
    #expect(joined.shape == [2, 8, 3])
    #expect(
      joined.elements == shared.elements + Array(values[..<21]) + shared.elements
        + Array(values[21...]))
  }
}
