extension ForwardPass {
  /// Adaptive average pooling of a map to `size` x `size` cells, which overlap where the extent is no
  /// multiple.
  ///
  /// - Parameter x: `[B, H, W, C]`.
  public func adaptiveAveragePool(
    _ x: Tensor, size: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    adaptiveAveragePool(x, rows: size, columns: size, layer: layer())
  }

  /// The same to `rows` x `columns` cells.
  public func adaptiveAveragePool(
    _ x: Tensor, rows cellRows: Int, columns cellColumns: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    func cell(_ index: Int, of count: Int, _ extent: Int) -> Range<Int> {
      index * extent / count..<((index + 1) * extent + count - 1) / count
    }
    let shape = Shape(batch, cellRows, cellColumns, channels)
    let cells = cellRows * cellColumns
    return output(shape, .pooling, layer: layer(), reading: x.count) { y in
      threads.run(batch * cells) { task in
        let image = x.pointer + task / cells * height * width * channels
        let rows = cell(task / cellColumns % cellRows, of: cellRows, height)
        let columns = cell(task % cellColumns, of: cellColumns, width)
        let out = y + task * channels
        out.update(repeating: 0, count: channels)
        for row in rows {
          for column in columns {
            let pixel = image + (row * width + column) * channels
            for channel in 0..<channels { out[channel] += pixel[channel] }
          }
        }
        let area = Float(rows.count * columns.count)
        for channel in 0..<channels { out[channel] /= area }
      }
    }
  }

  /// Maximum over each window; the padding never wins.
  package func maxPool(
    _ x: Tensor, _ geometry: ConvolutionGeometry, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    let (outHeight, outWidth) = (geometry.outputSize(height), geometry.outputSize(width))
    return output(
      Shape(batch, outHeight, outWidth, channels), .pooling, layer: layer(), reading: x.count
    ) { y in
      threads.run(batch * outHeight) { task in
        let image = x.pointer + task / outHeight * height * width * channels
        for column in 0..<outWidth {
          let out = y + (task * outWidth + column) * channels
          out.update(repeating: -.infinity, count: channels)
          for i in 0..<geometry.kernel {
            let row = task % outHeight * geometry.stride - geometry.padding + i * geometry.dilation
            if row < 0 || row >= height { continue }
            for j in 0..<geometry.kernel {
              let source = column * geometry.stride - geometry.padding + j * geometry.dilation
              if source < 0 || source >= width { continue }
              let pixel = image + (row * width + source) * channels
              // A NaN takes the place and, as nothing is larger, keeps it.
              for channel in 0..<channels
              where pixel[channel] > out[channel] || pixel[channel].isNaN {
                out[channel] = pixel[channel]
              }
            }
          }
        }
      }
    }
  }

  /// The mean over all tokens: `[B, N, stride]` to `[B, C]`.
  ///
  /// - Parameters:
  ///   - x: at least one token.
  ///   - channels: those that are taken, C of them; `nil` takes all.
  ///   - activation: applied to each element first.
  public func meanOverTokens(
    _ x: Tensor, channels: Range<Int>? = nil, activation: Activation = .none,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer())
    let taken = channels ?? 0..<stride
    let width = taken.count
    precondition(
      taken.lowerBound >= 0 && taken.upperBound <= stride && tokens > 0,
      "\(layer()): channels \(taken) of \(x.shape)")
    let pieces = KeyPieces(tokens)
    let reading = batch * tokens * width
    return output(Shape(batch, width), .pooling, layer: layer(), reading: reading) { y in
      withScratch(batch * pieces.count * width) { sums in
        threads.run(batch * pieces.count) { [self] task in
          let (item, piece) = (task / pieces.count, task % pieces.count)
          let sum = sums + task * width
          sum.update(repeating: 0, count: width)
          withScratch(width * (activation == .none ? 1 : 257)) { part in
            for range in pieces.ranges(piece) {
              var rows = x.pointer + (item * tokens + range.lowerBound) * stride + taken.lowerBound
              var step = stride
              if activation != .none {
                kernels.activate_rows(
                  rows, stride, part + width, width, range.count, width, activation.code, 0)
                (rows, step) = (UnsafePointer(part + width), width)
              }
              kernels.column_sums(rows, step, range.count, width, part)
              kernels.add_scaled(sum, part, 1, width)
            }
          }
        }
        for item in 0..<batch {
          let out = y + item * width
          out.update(repeating: 0, count: width)
          for piece in 0..<pieces.count {
            kernels.add_scaled(out, sums + (item * pieces.count + piece) * width, 1, width)
          }
          for channel in 0..<width { out[channel] /= Float(tokens) }
        }
      }
    }
  }
}
