import FlattenTensor

/// Normalisation of a picture's bytes to a network's input, per channel: `(byte - mean) / std`.
public struct Normalisation: Sendable, Equatable {
  /// The mean of each channel, R, G, B, in units of bytes.
  public var mean: [Float]
  /// The standard deviation of each channel, R, G, B, in units of bytes.
  public var std: [Float]

  /// ImageNet's: mean 123.675, 116.28, 103.53; std 58.395, 57.12, 57.375.
  public static let imageNet = Normalisation(
    mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375])

  /// Makes a rule.
  ///
  /// - Precondition: three numbers each, none of `std` 0.
  public init(mean: [Float], std: [Float]) {
    precondition(
      mean.count == 3 && std.count == 3 && !std.contains(0), "mean \(mean), std \(std) for RGB")
    self.mean = mean
    self.std = std
  }

  /// A picture as a network's input `[1, H, W, 3]`, with zeros at the right and the bottom.
  ///
  /// - Parameters:
  ///   - pixels: `height * width * 3` samples, R, G, B, row by row.
  ///   - padded: height and width of the input, not smaller than the picture's.
  package func input(
    _ pixels: Span<UInt8>, height: Int, width: Int, padded: (height: Int, width: Int),
    pool: BufferPool
  ) -> Tensor {
    precondition(
      padded.height >= height && padded.width >= width,
      "\(width)x\(height) pixels in \(padded.width)x\(padded.height)")
    return input(
      pixels, height: height, width: width, top: 0, left: 0, size: padded, pool: pool)
  }

  /// A window of a picture as a network's input; zeros where it lies beyond the picture.
  ///
  /// - Parameters:
  ///   - pixels: `height * width * 3` samples, R, G, B, row by row.
  ///   - top: the window's first row.
  ///   - left: its first column.
  ///   - size: its height and width.
  package func input(
    _ pixels: Span<UInt8>, height: Int, width: Int, top: Int, left: Int,
    size: (height: Int, width: Int), pool: BufferPool
  ) -> Tensor {
    precondition(
      pixels.count == height * width * 3 && top >= 0 && left >= 0,
      "\(pixels.count) samples for \(width)x\(height) pixels, a window at \(top), \(left)")
    let columns = max(0, min(size.width, width - left))
    // One division per byte value instead of one per pixel; the same bits.
    let table = (0..<3).map { channel in
      (0..<256).map { (Float($0) - mean[channel]) / std[channel] }
    }
    return Tensor([1, size.height, size.width, 3], pool: pool) { out in
      for row in 0..<size.height {
        var target = row * size.width * 3
        if top + row < height {
          var source = ((top + row) * width + left) * 3
          for _ in 0..<columns {
            out[target] = table[0][Int(pixels[source])]
            out[target + 1] = table[1][Int(pixels[source + 1])]
            out[target + 2] = table[2][Int(pixels[source + 2])]
            source += 3
            target += 3
          }
        }
        while target < (row + 1) * size.width * 3 {
          out[target] = 0
          target += 1
        }
      }
    }
  }
}
