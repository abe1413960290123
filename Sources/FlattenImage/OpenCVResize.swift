/// OpenCV's 8-bit `INTER_LINEAR`, in its integer arithmetic.
///
/// An axis of `n` pixels is resized to `m` at scale `n / m`: output `d` lies at
/// `(d + 0.5) * scale - 0.5`, between two inputs whose weights are multiples of 1/2048. Columns are
/// mixed first, kept with 7 bits below the point, then rows.
extension Raster where Sample == UInt8 {
  func resizedLikeOpenCV(width: Int, height: Int) -> Raster {
    if self.width == 2 * width && self.height == 2 * height {
      // Upstream: exact halving of both sides goes through the area resizer.
      return halved()
    }
    let columns = LinearAxis(from: self.width, to: width, stride: channels, cutsWeights: true)
    let rows = LinearAxis(from: self.height, to: height, stride: 1, cutsWeights: false)
    let rowCount = width * channels
    let sourceRow = self.width * channels
    var mixed = [Int32](repeating: 0, count: 2 * rowCount)
    let result = [UInt8](unsafeUninitializedCapacity: rowCount * height) { out, written in
      samples.withUnsafeBufferPointer { source in
        mixed.withUnsafeMutableBufferPointer { mixed in
          // The rows mixed last, one in each half; an upscaled picture uses them many times.
          var held = (even: -1, odd: -1)
          func mixedRow(_ y: Int) -> UnsafeMutableBufferPointer<Int32> {
            let half = y & 1
            let row = UnsafeMutableBufferPointer(
              rebasing: mixed[half * rowCount..<(half + 1) * rowCount])
            if (half == 0 ? held.even : held.odd) != y {
              let pixels = UnsafeBufferPointer(
                rebasing: source[y * sourceRow..<(y + 1) * sourceRow])
              columns.mix(pixels, channels: channels, into: row)
              if half == 0 { held.even = y } else { held.odd = y }
            }
            return row
          }
          for y in 0..<height {
            let top = mixedRow(rows.first[y])
            let bottom = mixedRow(rows.second[y])
            let row = UnsafeMutableBufferPointer(
              rebasing: out[y * rowCount..<(y + 1) * rowCount])
            mixRows(
              top, bottom, weights: (rows.firstWeight[y], rows.secondWeight[y]), into: row)
          }
        }
      }
      written = rowCount * height
    }
    return Raster(width: width, height: height, channels: channels, samples: result)
  }

  /// The rounded mean of each 2x2 pixels.
  private func halved() -> Raster {
    let newWidth = width / 2
    let newHeight = height / 2
    let row = width * channels
    let result = [UInt8](unsafeUninitializedCapacity: newWidth * newHeight * channels) {
      out, written in
      samples.withUnsafeBufferPointer { source in
        var next = 0
        for y in 0..<newHeight {
          for x in 0..<newWidth {
            for channel in 0..<channels {
              let at = 2 * y * row + 2 * x * channels + channel
              let sum =
                UInt16(source[at]) + UInt16(source[at + channels]) + UInt16(source[at + row])
                + UInt16(source[at + row + channels])
              out.initializeElement(at: next, to: UInt8(truncatingIfNeeded: (sum + 2) >> 2))
              next += 1
            }
          }
        }
        written = next
      }
    }
    return Raster(width: newWidth, height: newHeight, channels: channels, samples: result)
  }
}

/// For each output along an axis: its two inputs and their weights, in 1/2048.
private struct LinearAxis {
  var first: [Int] = []
  var second: [Int] = []
  var firstWeight: [Int32] = []
  var secondWeight: [Int32] = []

  /// - Parameters:
  ///   - stride: elements from one input to the next; the offsets are multiples of it.
  ///   - cutsWeights: beyond the border the nearest input has all the weight (columns); otherwise
  ///     both inputs are the border and the weights stay (rows). The roundings differ.
  init(from: Int, to: Int, stride: Int, cutsWeights: Bool) {
    let scale = 1 / (Double(to) / Double(from))
    for output in 0..<to {
      var position = Float((Double(output) + 0.5) * scale - 0.5)
      var index = Int(position.rounded(.down))
      position -= Float(index)
      if cutsWeights, index < 0 || index >= from - 1 {
        position = 0
        index = min(max(index, 0), from - 1)
      }
      first.append(min(max(index, 0), from - 1) * stride)
      second.append(min(max(index + 1, 0), from - 1) * stride)
      firstWeight.append(Int32(((1 - position) * 2048).rounded(.toNearestOrEven)))
      secondWeight.append(Int32((position * 2048).rounded(.toNearestOrEven)))
    }
  }

  /// Mixes the columns of one row; a result is 128 times a sample at most.
  func mix(
    _ source: UnsafeBufferPointer<UInt8>, channels: Int,
    into out: UnsafeMutableBufferPointer<Int32>
  ) {
    first.withUnsafeBufferPointer { first in
      second.withUnsafeBufferPointer { second in
        firstWeight.withUnsafeBufferPointer { firstWeight in
          secondWeight.withUnsafeBufferPointer { secondWeight in
            func sample(_ x: Int, _ channel: Int) -> Int32 {
              (Int32(source[first[x] + channel]) &* firstWeight[x]
                &+ Int32(source[second[x] + channel]) &* secondWeight[x]) >> 4
            }
            if channels == 3 {
              for x in first.indices {
                out[3 * x] = sample(x, 0)
                out[3 * x + 1] = sample(x, 1)
                out[3 * x + 2] = sample(x, 2)
              }
            } else {
              for x in first.indices {
                for channel in 0..<channels { out[x * channels + channel] = sample(x, channel) }
              }
            }
          }
        }
      }
    }
  }
}

private func mixRows(
  _ top: UnsafeMutableBufferPointer<Int32>, _ bottom: UnsafeMutableBufferPointer<Int32>,
  weights: (Int32, Int32), into out: UnsafeMutableBufferPointer<UInt8>
) {
  for i in 0..<out.count {
    let sum = ((top[i] &* weights.0) >> 16) &+ ((bottom[i] &* weights.1) >> 16)
    out.initializeElement(at: i, to: UInt8(truncatingIfNeeded: min((sum &+ 2) >> 2, 255)))
  }
}
