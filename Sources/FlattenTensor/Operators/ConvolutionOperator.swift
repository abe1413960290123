import FlattenKernels

/// How a convolution's window moves; the same in both directions.
public struct ConvolutionGeometry: Sendable, Equatable {
  /// Side of the window, in cells.
  public let kernel: Int
  /// Cells from one window to the next.
  public let stride: Int
  /// Zeros around the map, in cells.
  public let padding: Int
  /// Cells from one element of the window to the next.
  public let dilation: Int

  /// Makes a geometry.
  ///
  /// - Precondition: no number is negative, and only `padding` may be 0.
  public init(kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) {
    precondition(
      kernel >= 1 && stride >= 1 && padding >= 0 && dilation >= 1,
      "kernel \(kernel), stride \(stride), padding \(padding), dilation \(dilation)")
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
  }

  /// Output extent of an input extent; what does not fill a window at the end is dropped,
  /// and 0 where none fits.
  public func outputSize(_ size: Int) -> Int {
    let room = size + 2 * padding - dilation * (kernel - 1) - 1
    return room < 0 ? 0 : room / stride + 1
  }
}

extension ForwardPass {
  /// 2-D convolution of a feature map with a dense kernel, its bias or batch norm, and its activation.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`.
  ///   - coarse: a map `[B, h, w, outputs]` that is resized by nearest neighbour and added; for 1x1
  ///     windows.
  ///   - residual: shape of the result, added after the activation.
  /// - Returns: `[B, H', W', outputs]`.
  package func convolution(
    _ x: Tensor, _ weight: PackedConvolution, addingNearest coarse: Tensor? = nil,
    residual: Tensor? = nil, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    let (geometry, bias, activation) = (weight.geometry, weight.bias, weight.activation)
    precondition(
      weight.inputs == channels, "\(layer()): x is \(x.shape), the weight takes \(weight.inputs)")
    let shape = Shape(
      batch, geometry.outputSize(height), geometry.outputSize(width), weight.outputs)
    let macs = shape.elementCount * geometry.kernel * geometry.kernel * channels
    if case .winograd = weight.method, let residual {
      let y = convolution(x, weight, layer: layer())
      return add(y, residual, layer: "\(layer()).sum")
    }
    precondition(
      residual.map { $0.shape == shape && coarse == nil } ?? true,
      "\(layer()): residual is \(residual?.shape ?? []), output \(shape)")
    let reading = x.count + weight.count + (coarse?.count ?? 0) + (residual?.count ?? 0)
    precondition(
      coarse.map { $0.shape.first == batch && $0.shape.last == weight.outputs } ?? true,
      "\(layer()): \(coarse?.shape ?? []) does not add to \(shape)")
    return output(shape, .convolution, layer: layer(), macs: macs, reading: reading) { y in
      switch weight.method {
      case .winograd(let weight):
        precondition(coarse == nil, "\(layer()): only 1x1 windows add a coarser map")
        winograd(x, weight, bias: bias, activation: activation, into: y)
      case .gathered(let weight) where geometry == ConvolutionGeometry(kernel: 1):
        if let coarse {
          lateral(x, weight, bias: bias, activation: activation, addingNearest: coarse, into: y)
          return
        }
        let pixels = batch * height * width
        multiply(
          RowBlock(x.pointer, rows: pixels, columns: channels), weight, bias: bias,
          activation: activation, residual: residual,
          into: RowBlock(y, rows: pixels, columns: weight.outputs))
      case .gathered(let weight):
        precondition(coarse == nil, "\(layer()): only 1x1 windows add a coarser map")
        gathered(
          x, weight, bias: bias, geometry, activation: activation, residual: residual,
          outHeight: shape[1], outWidth: shape[2], into: y)
      }
    }
  }

  /// A 1x1 convolution with the enlarged pixels of a coarser map as its residual, a block of pixels at
  /// a time.
  private func lateral(
    _ x: Tensor, _ weight: PackedMatrix, bias: Tensor?, activation: Activation,
    addingNearest coarse: Tensor, into y: UnsafeMutablePointer<Float>
  ) {
    let (height, width, outputs) = (x.shape[1], x.shape[2], weight.outputs)
    let rows = NearestPositions(from: coarse.shape[1], to: height)
    let columns = NearestPositions(from: coarse.shape[2], to: width)
    chunks(x.shape[0] * height * width, of: 8 * Products.rows) { [self] range in
      withScratch(range.count * outputs) { residual in
        for (index, pixel) in range.enumerated() {
          let row = pixel / (width * height) * coarse.shape[1] + rows[pixel / width % height]
          (residual + index * outputs).update(
            from: coarse.pointer + (row * coarse.shape[2] + columns[pixel % width]) * outputs,
            count: outputs)
        }
        let pixels = RowBlock(
          x.pointer + range.lowerBound * weight.inputs, rows: range.count, columns: weight.inputs)
        withRows(pixels, of: weight) { rows in
          weight.multiply(
            rows, columns: 0..<outputs,
            epilogue: fk_epilogue(
              bias: bias?.pointer, activation: activation.code, residual: UnsafePointer(residual),
              ldr: outputs),
            into: y + range.lowerBound * outputs, stride: outputs)
        }
      }
    }
  }

  /// A block of output pixels at a time is gathered into rows and multiplied while it is cached.
  private func gathered(
    _ x: Tensor, _ weight: PackedMatrix, bias: Tensor?, _ geometry: ConvolutionGeometry,
    activation: Activation, residual: Tensor?, outHeight: Int, outWidth: Int,
    into y: UnsafeMutablePointer<Float>
  ) {
    let pixels = x.shape[0] * outHeight * outWidth
    let block = max(32, min(256, pixels / 8)).rounded(up: Products.rows)
    chunks(pixels, of: block) { [self] range in
      let epilogue = fk_epilogue(
        bias: bias?.pointer, activation: activation.code,
        residual: residual.map { $0.pointer + range.lowerBound * weight.outputs },
        ldr: weight.outputs)
      withScratch(range.count * weight.inputs) { windows in
        gather(x, geometry, pixels: range, outHeight: outHeight, outWidth: outWidth, into: windows)
        withRows(
          RowBlock(windows, rows: range.count, columns: weight.inputs), of: weight
        ) { rows in
          weight.multiply(
            rows, columns: 0..<weight.outputs, epilogue: epilogue,
            into: y + range.lowerBound * weight.outputs, stride: weight.outputs)
        }
      }
    }
  }

  /// Writes the window of each output pixel as a row: kernel rows, kernel columns, channels.
  private func gather(
    _ x: Tensor, _ geometry: ConvolutionGeometry, pixels: Range<Int>, outHeight: Int, outWidth: Int,
    into rows: UnsafeMutablePointer<Float>
  ) {
    let (height, width, channels) = (x.shape[1], x.shape[2], x.shape[3])
    let kernel = geometry.kernel
    var target = rows
    for pixel in pixels {
      let column = pixel % outWidth
      let row = pixel / outWidth % outHeight
      let image = x.pointer + pixel / (outWidth * outHeight) * height * width * channels
      let left = column * geometry.stride - geometry.padding
      for i in 0..<kernel {
        let y = row * geometry.stride - geometry.padding + i * geometry.dilation
        let isInside = left >= 0 && left + kernel <= width && geometry.dilation == 1
        if y < 0 || y >= height {
          target.update(repeating: 0, count: kernel * channels)
          target += kernel * channels
        } else if isInside {
          target.update(from: image + (y * width + left) * channels, count: kernel * channels)
          target += kernel * channels
        } else {
          for j in 0..<kernel {
            let column = left + j * geometry.dilation
            if column < 0 || column >= width {
              target.update(repeating: 0, count: channels)
            } else {
              target.update(from: image + (y * width + column) * channels, count: channels)
            }
            target += channels
          }
        }
      }
    }
  }
}

extension Tensor {
  /// The extents of a feature map `[B, H, W, C]`.
  func mapShape(_ layer: @autoclosure () -> String) -> (
    batch: Int, height: Int, width: Int, channels: Int
  ) {
    precondition(shape.count == 4, "\(layer()): a map [B, H, W, C] is wanted, not \(shape)")
    return (shape[0], shape[1], shape[2], shape[3])
  }
}
