import FlattenKernels
import Foundation
import Testing

/// Depthwise convolution and bilinear rows: kernels that look at neighbouring pixels.
@Suite struct KernelWindowTests {
  struct Map: Sendable, CustomTestStringConvertible {
    let kernel: Int
    let height: Int
    let width: Int
    let channels: Int
    /// Channels that lie between one pixel's and the next's.
    var gap = 0
    var stride = 1

    var rows: Int { (height + stride - 1) / stride }
    var columns: Int { (width + stride - 1) / stride }

    var testDescription: String {
      "\(kernel) x \(kernel) on \(height) x \(width), \(channels) channels, gap \(gap), stride \(stride)"
    }
  }

  static let maps: [Map] =
    [1, 3, 5, 7].flatMap { kernel in
      [(1, 1), (1, 7), (7, 1), (2, 3), (5, 4)].flatMap { height, width in
        [
          Map(kernel: kernel, height: height, width: width, channels: 5),
          Map(kernel: kernel, height: height, width: width, channels: 19, gap: 4),
        ]
      }
    }
    + Extents.columns.map { Map(kernel: 3, height: 3, width: 4, channels: $0, gap: $0 % 3) }
    + [2, 3].flatMap { stride in
      [1, 3, 5].flatMap { kernel in
        [(1, 1), (1, 7), (8, 1), (6, 13), (5, 20)].map { height, width in
          Map(kernel: kernel, height: height, width: width, channels: 19, gap: 3, stride: stride)
        }
      }
    }
    + [16, 32, 40].flatMap { channels in
      (1...3).map { Map(kernel: 3, height: 7, width: 23, channels: channels, stride: $0) }
    }

  private func run(
    _ table: fk_table, _ map: Map, _ x: Rows, _ weight: Rows, _ bias: Rows?,
    _ activation: fk_activation, _ residual: Rows?
  ) -> Rows {
    let out = Rows.output(map.rows, map.columns * map.channels)
    for row in 0..<map.rows {
      table.depthwise_row(
        x.pointer, x.stride, map.height, map.width, map.channels, row, Int32(map.kernel),
        Int32(map.stride), weight.pointer, bias?.pointer, activation,
        residual.map { UnsafePointer($0.pointer + row * $0.stride) }, out.pointer + row * out.stride
      )
    }
    return out
  }

  @Test(arguments: KernelSet.all, maps) func depthwiseAgrees(set: KernelSet, map: Map) {
    let area = map.kernel * map.kernel
    let x = Rows(
      map.height * map.width, map.channels, stride: map.channels + map.gap, seed: 1, scale: 2)
    let weight = Rows(area, map.channels, seed: 2)
    let bias = Rows(1, map.channels, seed: 3)
    let residual = Rows(map.rows, map.columns * map.channels, seed: 4)
    let sums = Rows(map.rows, map.columns * map.channels) { row, position in
      let (column, channel) = (position / map.channels, position % map.channels)
      var sum = 0.0
      for i in 0..<map.kernel {
        for j in 0..<map.kernel {
          let y = row * map.stride + i - map.kernel / 2
          let z = column * map.stride + j - map.kernel / 2
          guard (0..<map.height).contains(y), (0..<map.width).contains(z) else { continue }
          sum +=
            Double(x[y * map.width + z, channel]) * Double(weight[i * map.kernel + j, channel])
        }
      }
      return Float(sum)
    }
    for activation in fk_activation.all {
      for (hasBias, hasResidual) in KernelEpilogueTests.combinations {
        let got = run(
          set.table, map, x, weight, hasBias ? bias : nil, activation, hasResidual ? residual : nil)
        let wanted = Rows(map.rows, map.columns * map.channels) { row, position in
          let s = Double(sums[row, position] + (hasBias ? bias[0, position % map.channels] : 0))
          return Float(activation.defined(s) + (hasResidual ? Double(residual[row, position]) : 0))
        }
        #expect(got.mismatch(wanted, within: ulp * Float(8 + 2 * area)) == nil)
      }
    }
    #expect(x.isIntact && weight.isIntact && bias.isIntact && residual.isIntact)
  }

  /// A pixel that is no number spoils the window around it and nothing else.
  @Test(arguments: KernelSet.all) func depthwiseKeepsNaNVisibleAndInPlace(set: KernelSet) {
    let map = Map(kernel: 3, height: 5, width: 6, channels: 18)
    let x = Rows(30, 18, seed: 1)
    x[2 * 6 + 3, 17] = .nan
    let weight = Rows(9, 18, seed: 2)
    for activation in fk_activation.all {
      let out = run(set.table, map, x, weight, nil, activation, nil)
      for row in 0..<5 {
        for column in 0..<6 {
          for channel in 0..<18 {
            let isNear = abs(row - 2) <= 1 && abs(column - 3) <= 1 && channel == 17
            #expect(out[row, column * 18 + channel].isNaN == isNear)
          }
        }
      }
    }
  }

  /// The matrix G of Winograd's convolution, from its points: `G[i][e] = p_i^e / f_i`, where `f_i` is
  /// the product of `p_i - p_j` over all j but i; infinity takes the highest power alone.
  private static func winogradG(window: Int) -> [[Double]] {
    let points: [Double] = window == 3 ? [0, 1, -1, 0.5, -2] : [0, 1, -1, 2, -2, 0.5, -0.5]
    let finite = points.indices.map { i in
      let f = points.indices.filter { $0 != i }.reduce(1.0) { $0 * (points[i] - points[$1]) }
      // The sign of the first row stands in both G and B^T, or in neither.
      return (0..<window).map { pow(points[i], Double($0)) / (i == 0 ? abs(f) : f) }
    }
    return finite + [(0..<window).map { $0 == window - 1 ? 1 : 0 }]
  }

  /// Windows side by side, the last eight not full, against `G g G^T` of each window by itself.
  @Test(arguments: KernelSet.all, [3, 5])
  func winogradWeightsAgree(set: KernelSet, window: Int) {
    let (taps, positions) = (window * window, (window + 3) * (window + 3))
    let matrix = Self.winogradG(window: window)
    for (lanes, scale) in [1, 3, 8, 12, 16, 32, 33].flatMap({ lanes in
      [nil, 2.5, 0].map { (lanes, $0 as Float?) }
    }) {
      let g = Rows(taps, lanes, seed: lanes)
      let factors = Rows(1, lanes) { (scale ?? 0) * Float($1 + 1) }
      let u = Rows.output(positions, lanes, stride: lanes + 3)
      set.table.winograd_weights(
        Int32(window), g.pointer, scale == nil ? nil : factors.pointer, lanes, u.pointer, lanes + 3)
      let wanted = Rows(positions, lanes) { position, lane in
        let (row, column) = (matrix[position / (window + 3)], matrix[position % (window + 3)])
        return Float(
          (0..<taps).reduce(0.0) { sum, tap in
            let scaled = Double(g[tap, lane] * (scale == nil ? 1 : factors[0, lane]))
            return sum + row[tap / window] * scaled * column[tap % window]
          })
      }
      // At most the last bit.
      #expect(u.mismatch(wanted) { ulp * abs(wanted[$0, $1]) } == nil)
      #expect(g.isIntact && factors.isIntact)
    }
  }

  /// Along the rows first and between them then gives the bits of both at once.
  @Test(arguments: KernelSet.all) func mixedColumnsAndRowsAreTheBilinearRow(set: KernelSet) {
    for channels in Extents.columns {
      let upper = Rows(1, 6 * channels, seed: 1)
      let lower = Rows(1, 6 * channels, seed: 2)
      let first: [Int32] = [0, 0, 5, 3, 2, 1, 4]
      let second: [Int32] = [0, 1, 5, 4, 3, 2, 5]
      let weights = Rows(1, 7, seed: 3, scale: 0.5, offset: 0.5)
      let complements = Rows(1, 7) { 1 - weights[$0, $1] }
      let mixed = [upper, lower].map { row in
        let out = Rows.output(1, 7 * channels)
        set.table.mix_columns(
          row.pointer, 6, first, second, complements.pointer, weights.pointer, 7, channels,
          out.pointer)
        #expect(out.isIntact && row.isIntact)
        return out
      }
      let got = Rows.output(1, 7 * channels)
      set.table.mix_rows(mixed[0].pointer, mixed[1].pointer, 0.3, 0.7, 7 * channels, got.pointer)
      let wanted = Rows.output(1, 7 * channels)
      set.table.bilinear_row(
        upper.pointer, lower.pointer, 0.3, 0.7, first, second, complements.pointer,
        weights.pointer, 7, channels, nil, wanted.pointer)
      #expect(got.mismatch(wanted, within: 0) == nil)
    }
  }

  @Test(arguments: KernelSet.all) func bilinearRowsAgree(set: KernelSet) {
    for channels in Extents.columns {
      let upper = Rows(6, channels, seed: 1)
      let lower = Rows(6, channels, seed: 2)
      let first: [Int32] = [0, 0, 5, 3, 2, 1, 4]
      let second: [Int32] = [0, 1, 5, 4, 3, 2, 5]
      let weights = Rows(1, 7, seed: 3, scale: 0.5, offset: 0.5)
      let complements = Rows(1, 7) { 1 - weights[$0, $1] }
      for (above, below): (Float, Float) in [(1, 0), (0.25, 0.75), (0.3, 0.7)] {
        let out = Rows.output(7, channels)
        set.table.bilinear_row(
          upper.pointer, lower.pointer, above, below, first, second, complements.pointer,
          weights.pointer, 7, channels, nil, out.pointer)
        let wanted = Rows(7, channels) { pixel, channel in
          func along(_ row: Rows) -> Double {
            Double(complements[0, pixel]) * Double(row[Int(first[pixel]), channel])
              + Double(weights[0, pixel]) * Double(row[Int(second[pixel]), channel])
          }
          return Float(Double(above) * along(upper) + Double(below) * along(lower))
        }
        #expect(out.mismatch(wanted, within: 3 * ulp) == nil)
        let base = Rows(7, channels, seed: 4)
        let sum = Rows(7, channels) { base[$0, $1] }
        for target in [Rows.output(7, channels), sum] {
          set.table.bilinear_row(
            upper.pointer, lower.pointer, above, below, first, second, complements.pointer,
            weights.pointer, 7, channels, target === sum ? sum.pointer : base.pointer,
            target.pointer)
          let wantedSum = Rows(7, channels) { base[$0, $1] + wanted[$0, $1] }
          #expect(target.mismatch(wantedSum, within: 4 * ulp) == nil)
        }
        #expect(
          base.isIntact && upper.isIntact && lower.isIntact && weights.isIntact
            && complements.isIntact)
      }
    }
  }

  @Test(arguments: KernelSet.all) func cubicColumnsAndRowsAgree(set: KernelSet) {
    for channels in Extents.columns {
      let row = Rows(1, 6 * channels, seed: 1)
      let index: [Int32] = [0, 0, 1, 2, 1, 2, 3, 4, 4, 5, 5, 5]
      let weights = Rows(1, 12, seed: 2)
      let mixed = Rows.output(1, 3 * channels)
      set.table.cubic_columns(row.pointer, index, weights.pointer, 3, channels, mixed.pointer)
      let wanted = Rows(1, 3 * channels) { _, position in
        let (pixel, channel) = (position / channels, position % channels)
        return Float(
          (4 * pixel..<4 * pixel + 4).reduce(0.0) {
            $0 + Double(weights[0, $1]) * Double(row[0, Int(index[$1]) * channels + channel])
          })
      }
      #expect(mixed.mismatch(wanted, within: 16 * ulp) == nil)

      let sources = (0..<3).map { Rows(1, channels, seed: 10 + $0) }
      let taps = [sources[0], sources[1], sources[2], sources[2]]
      let pointers = taps.map { Optional(UnsafePointer($0.pointer)) }
      let base = Rows(1, channels, seed: 4)
      let sum = base.copy()
      for (target, start) in [
        (Rows.output(1, channels), nil), (Rows.output(1, channels), base), (sum, sum),
      ] {
        let before = start?.copy()
        set.table.cubic_rows(
          pointers, weights.pointer, start?.pointer, channels, target.pointer)
        let wanted = Rows(1, channels) { _, channel in
          Float(
            (0..<4).reduce(before.map { Double($0[0, channel]) } ?? 0) {
              $0 + Double(weights[0, $1]) * Double(taps[$1][0, channel])
            })
        }
        #expect(target.mismatch(wanted, within: 16 * ulp) == nil)
      }
      #expect(row.isIntact && weights.isIntact && base.isIntact)
      #expect(sources.allSatisfy { $0.isIntact })
    }
  }

  @Test(arguments: KernelSet.all) func nothingIsDoneToNothing(set: KernelSet) {
    let x = Rows(2, 3, seed: 1)
    let before = x.values
    let p = x.pointer
    set.table.depthwise_row(p, 3, 1, 0, 3, 0, 3, 1, p, nil, FK_NONE, nil, p)
    set.table.depthwise_row(p, 3, 1, 2, 0, 0, 3, 1, p, nil, FK_NONE, nil, p)
    set.table.bilinear_row(p, p, 1, 0, [0], [0], p, p, 0, 3, nil, p)
    set.table.bilinear_row(p, p, 1, 0, [0], [0], p, p, 1, 0, p, p)
    set.table.cubic_columns(p, [0, 0, 0, 0], p, 0, 3, p)
    set.table.cubic_columns(p, [0, 0, 0, 0], p, 1, 0, p)
    let same = [UnsafePointer<Float>?](repeating: UnsafePointer(p), count: 4)
    set.table.cubic_rows(same, p, nil, 0, p)
    #expect(x.values == before)
    #expect(x.isIntact)
  }
}
