/// Pillow's 8-bit resampling: a filter widened by the shrinking, weights in fixed point, one axis after
/// the other, rounded to 8 bits in between.
extension Raster where Sample == UInt8 {
  /// A filter: its half width, and its value at a distance from the centre.
  struct Filter: Sendable {
    let support: Double
    let value: @Sendable (Double) -> Double

    static let triangle = Filter(support: 1) { max(0, 1 - abs($0)) }

    /// Keys' cubic with a = -0.5.
    static let cubic = Filter(support: 2) { distance in
      let a = -0.5
      let x = abs(distance)
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }

  func resizedLikePillow(width: Int, height: Int, by filter: Filter) -> Raster {
    // Upstream: Pillow 13 makes the height first where that takes off more than twice as many pixels as
    // the width loses. The rounding in between lets the order be seen, by up to some 30 levels.
    let lost = self.height - height
    if lost > 0, lost > 2 * (self.width - width) {
      return withHeight(height, filter).withWidth(width, filter)
    }
    return withWidth(width, filter).withHeight(height, filter)
  }

  // Upstream: a side that keeps its length is not filtered at all.
  private func withWidth(_ new: Int, _ filter: Filter) -> Raster {
    new == width ? self : filteredAlongRows(FilterAxis(from: width, to: new, filter))
  }

  private func withHeight(_ new: Int, _ filter: Filter) -> Raster {
    new == height ? self : filteredAlongColumns(FilterAxis(from: height, to: new, filter))
  }

  private func filteredAlongRows(_ axis: FilterAxis) -> Raster {
    let newWidth = axis.starts.count
    let channels = channels
    let result = [UInt8](unsafeUninitializedCapacity: newWidth * height * channels) {
      out, written in
      axis.withTables { starts, counts, weights in
        samples.withUnsafeBufferPointer { source in
          var next = 0
          for y in 0..<height {
            for x in 0..<newWidth {
              let start = (y * width + starts[x]) * channels
              for channel in 0..<channels {
                var sum = FilterAxis.half
                for k in 0..<counts[x] {
                  sum &+=
                    Int32(source[start + k * channels + channel])
                    &* weights[x * axis.width + k]
                }
                out.initializeElement(at: next, to: FilterAxis.rounded(sum))
                next += 1
              }
            }
          }
          written = next
        }
      }
    }
    return Raster(width: newWidth, height: height, channels: channels, samples: result)
  }

  private func filteredAlongColumns(_ axis: FilterAxis) -> Raster {
    let newHeight = axis.starts.count
    let row = width * channels
    var sums = [Int32](repeating: 0, count: row)
    let result = [UInt8](unsafeUninitializedCapacity: newHeight * row) { out, written in
      axis.withTables { starts, counts, weights in
        samples.withUnsafeBufferPointer { source in
          sums.withUnsafeMutableBufferPointer { sums in
            for y in 0..<newHeight {
              sums.update(repeating: FilterAxis.half)
              for k in 0..<counts[y] {
                let weight = weights[y * axis.width + k]
                let start = (starts[y] + k) * row
                for i in 0..<row { sums[i] &+= Int32(source[start + i]) &* weight }
              }
              for i in 0..<row {
                out.initializeElement(at: y * row + i, to: FilterAxis.rounded(sums[i]))
              }
            }
          }
        }
      }
      written = newHeight * row
    }
    return Raster(width: width, height: newHeight, channels: channels, samples: result)
  }
}

/// For each output along an axis: its first input, the number of inputs, and their weights, whose
/// sum is about 2^22.
private struct FilterAxis {
  /// Bits below the point: 32, less 8 for the samples, less 2 for sign and overshoot.
  static let fractionBits: Int32 = 22
  static let half: Int32 = 1 << (fractionBits - 1)

  static func rounded(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> fractionBits) }

  /// Most weights of an output.
  let width: Int
  private(set) var starts: [Int] = []
  private(set) var counts: [Int] = []
  private(set) var weights: [Int32]

  init(from: Int, to: Int, _ filter: Raster<UInt8>.Filter) {
    let scale = Double(from) / Double(to)
    let stretch = max(scale, 1)
    let support = filter.support * stretch
    width = Int(support.rounded(.up)) * 2 + 1
    weights = [Int32](repeating: 0, count: width * to)
    for output in 0..<to {
      let centre = (Double(output) + 0.5) * scale
      let start = max(Int(centre - support + 0.5), 0)
      let end = min(Int(centre + support + 0.5), from)
      // Upstream: the value is taken at the reciprocal's product, not at a quotient.
      let shrink = 1 / stretch
      let values = (start..<max(start, end)).map { input in
        filter.value((Double(input) - centre + 0.5) * shrink)
      }
      let total = values.reduce(0, +)
      for (k, value) in values.enumerated() {
        let exact = (total == 0 ? value : value / total) * Double(1 << Self.fractionBits)
        weights[output * width + k] = Int32(exact < 0 ? exact - 0.5 : exact + 0.5)
      }
      starts.append(start)
      counts.append(values.count)
    }
  }

  func withTables(
    _ body: (
      _ starts: UnsafeBufferPointer<Int>, _ counts: UnsafeBufferPointer<Int>,
      _ weights: UnsafeBufferPointer<Int32>
    ) -> Void
  ) {
    starts.withUnsafeBufferPointer { starts in
      counts.withUnsafeBufferPointer { counts in
        weights.withUnsafeBufferPointer { weights in body(starts, counts, weights) }
      }
    }
  }
}
