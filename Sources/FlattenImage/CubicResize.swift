import FlattenTensor

extension Raster where Sample == UInt8 {
  /// Cubic convolution in single precision, rounded to nearest, ties to even: OpenCV's `INTER_CUBIC` within one
  /// level.
  func resizedByCubicConvolution(width: Int, height: Int) -> Raster {
    let (sourceRow, rowCount) = (self.width * channels, width * channels)
    var rows = ResizedRows(
      vertical: ResizeTable(from: self.height, to: height, .bicubic),
      horizontal: ResizeTable(from: self.width, to: width, .bicubic), sourceWidth: self.width,
      channels: channels, pool: nil)
    let mixed = Tensor(uninitialized: [rowCount])
    let result = [UInt8](unsafeUninitializedCapacity: rowCount * height) { out, written in
      samples.withUnsafeBufferPointer { source in
        for y in 0..<height {
          rows.write(y, into: mixed.mutablePointer) { row, memory in
            for index in 0..<sourceRow { memory[index] = Float(source[row * sourceRow + index]) }
            return UnsafePointer(memory)
          }
          for index in 0..<rowCount {
            let value = mixed.pointer[index].rounded(.toNearestOrEven)
            out.initializeElement(
              at: y * rowCount + index, to: UInt8(min(max(value, 0), 255)))
          }
        }
      }
      written = rowCount * height
    }
    return Raster(width: width, height: height, channels: channels, samples: result)
  }
}
