import FlattenKernels

/// A depthwise convolution's weights, prepared once at load.
package struct DepthwiseWeight: Sendable {
  /// `[kernel * kernel, C]`.
  package let weight: Tensor
  /// `[C]`.
  package let bias: Tensor?
  package let kernel: Int
  /// Cells from one window to the next, in both directions.
  package let stride: Int

  /// - Parameters:
  ///   - stored: as PyTorch stores it, `[own, 1, kernel, kernel]`.
  ///   - storedBias: `[own]`.
  ///   - norm: after the bias, taken in.
  ///   - repeated: how many groups of channels, side by side, share it: C is `own * repeated`.
  ///   - stride: cells from one window to the next.
  ///   - addsInput: whether the input is added to the convolution and its norm: 1 more in the middle of each window.
  package init(
    _ stored: Tensor, bias storedBias: Tensor?, norm: BatchNormStatistics? = nil,
    repeated: Int = 1, stride: Int = 1, addsInput: Bool = false
  ) {
    let (own, kernel) = (stored.shape[0], stored.shape[2])
    precondition(
      stored.shape == Shape(own, 1, kernel, kernel) && kernel % 2 == 1,
      "a depthwise weight \(stored.shape)")
    let all = own * repeated
    let (scale, storedBias) = (norm?.scale, norm?.shift(of: storedBias) ?? storedBias)
    self.kernel = kernel
    self.stride = stride
    weight = Tensor([kernel * kernel, all]) { packed in
      for position in 0..<kernel * kernel {
        let more: Float = addsInput && position == kernel * kernel / 2 ? 1 : 0
        for channel in 0..<all {
          let own = channel % own
          packed[position * all + channel] =
            stored.pointer[own * kernel * kernel + position] * (scale?.pointer[own] ?? 1) + more
        }
      }
    }
    bias = storedBias.map { stored in
      Tensor([all]) { packed in
        for channel in 0..<all { packed[channel] = stored.pointer[channel % own] }
      }
    }
  }
}

extension ForwardPass {
  /// Depthwise convolution, zero padding of half the kernel.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`, or more channels of which C are read from `offset` on.
  ///   - residual: as many elements as the result, added after the activation.
  /// - Returns: `[B, H', W', C]`, sides divided by the stride and rounded up.
  package func depthwiseConvolution(
    _ x: Tensor, offset: Int = 0, _ weight: DepthwiseWeight, activation: Activation = .none,
    residual: Tensor? = nil, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, stride) = x.mapShape(layer())
    let (kernel, channels, step) = (weight.kernel, weight.weight.shape[1], weight.stride)
    let rows = (height + step - 1) / step
    let shape = Shape(batch, rows, (width + step - 1) / step, channels)
    precondition(
      offset + channels <= stride, "\(layer()): \(channels) channels from \(offset) of \(x.shape)")
    precondition(
      residual.map { $0.count == shape.elementCount } ?? true,
      "\(layer()): residual is \(residual?.shape ?? []), output \(shape)")
    let kernels = kernels
    let macs = shape.elementCount * kernel * kernel
    let reading = x.count / stride * channels + weight.weight.count + (residual?.count ?? 0)
    return output(shape, .depthwiseConvolution, layer: layer(), macs: macs, reading: reading) { y in
      let rowLength = shape[2] * channels
      threads.run(batch * rows) { task in
        let image = x.pointer + task / rows * height * width * stride + offset
        kernels.depthwise_row(
          image, stride, height, width, channels, task % rows, Int32(kernel), Int32(step),
          weight.weight.pointer, weight.bias?.pointer, activation.code,
          residual.map { $0.pointer + task * rowLength }, y + task * rowLength)
      }
    }
  }

  /// The same, without a bias, with weights that each picture has for itself.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`, or more channels of which C are read from `offset` on.
  ///   - taps: `[B, C * kernel * kernel]`, a channel's window after the other.
  ///   - residual: as many elements as the result.
  /// - Returns: `[B, H, W, C]`.
  package func depthwiseConvolution(
    _ x: Tensor, offset: Int, taps: Tensor, channels: Int, kernel: Int, residual: Tensor,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, stride) = x.mapShape(layer())
    let shape = Shape(batch, height, width, channels)
    let window = kernel * kernel
    precondition(
      offset + channels <= stride && taps.shape == Shape(batch, channels * window)
        && residual.count == shape.elementCount,
      "\(layer()): \(channels) channels from \(offset) of \(x.shape), taps \(taps.shape)")
    return output(
      shape, .depthwiseConvolution, layer: layer(), macs: shape.elementCount * window,
      reading: 2 * shape.elementCount + taps.count
    ) { y in
      withScratch(taps.count) { weights in
        for item in 0..<batch {
          for channel in 0..<channels {
            for tap in 0..<window {
              weights[(item * window + tap) * channels + channel] =
                taps.pointer[(item * channels + channel) * window + tap]
            }
          }
        }
        let rowLength = width * channels
        threads.run(batch * height) { [kernels] task in
          let (item, row) = (task / height, task % height)
          kernels.depthwise_row(
            x.pointer + item * height * width * stride + offset, stride, height, width, channels,
            row, Int32(kernel), 1, weights + item * window * channels, nil, FK_NONE,
            residual.pointer + task * rowLength, y + task * rowLength)
        }
      }
    }
  }
}
