import FlattenRegions

/// Filters for resizing pictures. Each equals a library that models were trained with: to the bit, but for
/// ``bicubic``.
public enum Resampling: Sendable, CaseIterable {
  /// OpenCV's `INTER_LINEAR`: two pixels a side, also when shrinking; half-pixel centres.
  case bilinear
  /// OpenCV's `INTER_CUBIC`: four pixels a side (a = -0.75), also when shrinking; half-pixel centres. Within one
  /// level: OpenCV itself has several ways to round it.
  case bicubic
  /// OpenCV's `INTER_NEAREST`.
  case nearest
  /// Pillow's `BILINEAR`: a triangle, widened by the scale when shrinking (antialiasing).
  case antialiasedBilinear
  /// Pillow's `BICUBIC` (a = -0.5), widened by the scale when shrinking (antialiasing).
  case antialiasedBicubic
}

extension Raster where Sample == UInt8 {
  /// This picture at another size.
  ///
  /// - Precondition: both sides are at least 1.
  package func resized(width: Int, height: Int, by method: Resampling) -> Raster {
    precondition(width > 0 && height > 0, "a picture of \(width)x\(height) pixels")
    return switch method {
    case .bilinear: resizedLikeOpenCV(width: width, height: height)
    case .bicubic: resizedByCubicConvolution(width: width, height: height)
    case .nearest: resizedToNearest(width: width, height: height)
    case .antialiasedBilinear: resizedLikePillow(width: width, height: height, by: .triangle)
    case .antialiasedBicubic: resizedLikePillow(width: width, height: height, by: .cubic)
    }
  }
}

extension Raster {
  /// This raster at another size, by nearest neighbour: OpenCV's `INTER_NEAREST`.
  ///
  /// - Precondition: both sides are at least 1.
  package func resizedToNearest(width: Int, height: Int) -> Raster {
    precondition(width > 0 && height > 0, "a picture of \(width)x\(height) pixels")
    // Upstream: OpenCV divides twice, in double precision; a single division rounds differently.
    func table(_ from: Int, _ to: Int) -> [Int] {
      let scale = 1 / (Double(to) / Double(from))
      return (0..<to).map { min(Int((Double($0) * scale).rounded(.down)), from - 1) }
    }
    let columns = table(self.width, width)
    let rows = table(self.height, height)
    let stride = self.width
    return columns.withUnsafeBufferPointer { columns in
      rows.withUnsafeBufferPointer { rows in
        gathered(width: width, height: height) { x, y in rows[y] * stride + columns[x] }
      }
    }
  }
}

extension Image {
  /// The picture at another size.
  ///
  /// - Precondition: both sides are at least 1.
  public func resized(width: Int, height: Int, by method: Resampling) -> Image {
    Image(raster.resized(width: width, height: height, by: method))
  }
}

extension LabelMap {
  /// The map at another size; ids are copied, never mixed (OpenCV's `INTER_NEAREST`).
  ///
  /// - Precondition: all sides, old and new, are at least 1.
  public func resized(width: Int, height: Int) -> LabelMap {
    LabelMap(raster.resizedToNearest(width: width, height: height))
  }
}
