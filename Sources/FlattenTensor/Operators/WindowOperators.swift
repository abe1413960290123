import FlattenKernels

/// Cutting maps into windows, putting them together again, and Swin's attention inside them.
extension ForwardPass {
  /// The windows of a map, as token sequences one after another.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, stride]`.
  ///   - channels: the channels to take, side by side in the result; `nil` takes all.
  /// - Returns: `[B * count, tokens, C]`; cells of the padding are zero.
  package func windows(
    _ x: Tensor, _ layout: WindowLayout, channels: [Range<Int>]? = nil,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, stride) = x.mapShape(layer())
    let taken = channels ?? [0..<stride]
    let count = taken.reduce(0) { $0 + $1.count }
    precondition(
      height == layout.height && width == layout.width
        && taken.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= stride },
      "\(layer()): channels \(taken) of \(x.shape), windows of \(layout.height)x\(layout.width)")
    let shape = Shape(batch * layout.count, layout.tokens, count)
    if channels == nil && layout.isWhole { return x.reshaped(shape) }
    let reading = batch * height * width * count
    return output(shape, .elementwise, layer: layer(), reading: reading) { y in
      // A task copies some rows of windows; each row's cells lie side by side in the result.
      chunks(batch * layout.count * layout.windowHeight, of: 16) { lines in
        for line in lines {
          let window = line / layout.windowHeight % layout.count
          let row = window / layout.columns * layout.windowHeight + line % layout.windowHeight
          let image = line / (layout.count * layout.windowHeight) * height
          let out = y + line * layout.windowWidth * count
          let sourceRow = layout.sourceRow(row)
          for cell in 0..<layout.windowWidth {
            let column = window % layout.columns * layout.windowWidth + cell
            var target = out + cell * count
            guard let sourceRow, let sourceColumn = layout.sourceColumn(column) else {
              target.update(repeating: 0, count: count)
              continue
            }
            let pixel = x.pointer + ((image + sourceRow) * width + sourceColumn) * stride
            for range in taken {
              target.update(from: pixel + range.lowerBound, count: range.count)
              target += range.count
            }
          }
        }
      }
    }
  }

  /// The map that windows were cut from; what lies in the padding is dropped.
  ///
  /// - Parameters:
  ///   - parts: windows `[B * count, tokens, C]` with their layouts of one map; their channels come to
  ///     lie side by side.
  ///   - residual: `[B, H, W, sum of C]`, added.
  /// - Returns: `[B, H, W, sum of C]`.
  package func joinWindows(
    _ parts: [(windows: Tensor, layout: WindowLayout)], residual: Tensor? = nil,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (height, width) = (parts[0].layout.height, parts[0].layout.width)
    let batch = parts[0].windows.shape[0] / parts[0].layout.count
    let channels = parts.reduce(0) { $0 + $1.windows.shape[2] }
    let shape = Shape(batch, height, width, channels)
    precondition(
      parts.allSatisfy { windows, layout in
        windows.tokenShape(layer()).batch == batch * layout.count
          && windows.shape[1] == layout.tokens && layout.height == height && layout.width == width
      } && residual.map { $0.shape == shape } ?? true,
      "\(layer()): windows \(parts.map(\.windows.shape)) of \(height)x\(width), "
        + "residual \(residual?.shape ?? [])")
    if parts.count == 1, parts[0].layout.isWhole, residual == nil {
      return parts[0].windows.reshaped(shape)
    }
    let kernels = kernels
    let reading = shape.elementCount * (residual == nil ? 1 : 2)
    return output(shape, .elementwise, layer: layer(), reading: reading) { y in
      threads.run(batch * height) { task in
        let (item, row) = (task / height, task % height)
        let line = y + task * width * channels
        var offset = 0
        for (windows, layout) in parts {
          let count = windows.shape[2]
          let rolledRow = layout.rolledRow(row)
          let first = item * layout.count + rolledRow / layout.windowHeight * layout.columns
          let inside = rolledRow % layout.windowHeight * layout.windowWidth
          for column in 0..<width {
            let rolled = layout.rolledColumn(column)
            let window = first + rolled / layout.windowWidth
            let token = inside + rolled % layout.windowWidth
            (line + column * channels + offset).update(
              from: windows.pointer + (window * layout.tokens + token) * count, count: count)
          }
          offset += count
        }
        if let residual {
          kernels.add_scaled(
            line, residual.pointer + task * width * channels, 1, width * channels)
        }
      }
    }
  }

  /// What a token loses of its score with a token of another part of the map. Upstream: Swin subtracts
  /// 100 and not infinity, so such tokens keep a trace of weight.
  private static let partPenalty: Float = 100

  /// Swin's attention inside windows, per head: `softmax(q k^T / sqrt d + bias) v`.
  ///
  /// Tokens that rolling has brought together without being neighbours hardly see each other. Only the
  /// scores of one window and head exist at a time on a thread.
  ///
  /// - Parameters:
  ///   - q: `[B * count, tokens, C]`.
  ///   - kv: `[B * count, tokens, 2C]`, keys first.
  ///   - bias: `[heads, tokens, tokens]`, of each query (rows) for each key.
  /// - Returns: `[B * count, tokens, C]`.
  package func windowAttention(
    _ q: Tensor, kv: Tensor, bias: Tensor, _ layout: WindowLayout, layer: @autoclosure () -> String
  ) -> Tensor {
    let (windows, tokens, channels) = q.tokenShape(layer())
    let heads = bias.shape[0]
    let width = channels / heads
    precondition(
      tokens == layout.tokens && windows % layout.count == 0
        && kv.shape == Shape(windows, tokens, 2 * channels)
        && bias.shape == Shape(heads, tokens, tokens)
        && width * heads == channels,
      "\(layer()): q \(q.shape), kv \(kv.shape), bias \(bias.shape), \(layout.count) windows")
    let macs = 2 * windows * tokens * tokens * channels
    let reading = q.count + kv.count + bias.count
    return output(q.shape, .softmaxAttention, layer: layer(), macs: macs, reading: reading) { y in
      // Rows of scores are as long as whole panels; what no key stands for gets no weight.
      let stride = tokens.rounded(up: Products.panel)
      withScratch(heads * tokens * stride) { fullBias in
        for row in 0..<heads * tokens {
          let target = fullBias + row * stride
          // Scores are scaled after the bias is added, so it is divided first.
          for key in 0..<tokens {
            target[key] = bias.pointer[row * tokens + key] * Float(width).squareRoot()
          }
          (target + tokens).update(repeating: -.infinity, count: stride - tokens)
        }
        chunks(windows * heads, of: 4) { [self] tasks in
          for task in tasks {
            attend(
              q, kv, window: task / heads, head: task % heads, heads: heads,
              bias: fullBias + task % heads * tokens * stride, stride: stride,
              layout, into: y)
          }
        }
      }
    }
  }

  /// One window and head of ``windowAttention(_:kv:bias:_:layer:)``.
  ///
  /// - Parameters:
  ///   - bias: the head's, divided by the scale of the scores, rows `stride` apart.
  private func attend(
    _ q: Tensor, _ kv: Tensor, window: Int, head: Int, heads: Int, bias: UnsafePointer<Float>,
    stride: Int, _ layout: WindowLayout, into y: UnsafeMutablePointer<Float>
  ) {
    let (tokens, channels) = (q.shape[1], q.shape[2])
    let width = channels / heads
    let root = Float(width).squareRoot()
    let offset = window * tokens * channels + head * width
    let source = kv.pointer + window * tokens * 2 * channels + head * width
    let keyCount = Products.packedCount(depth: width, columns: tokens)
    let valueCount = Products.packedCount(depth: tokens, columns: width)
    withScratch(keyCount + valueCount + tokens * stride + tokens) { keys in
      let values = keys + keyCount
      let scores = values + valueCount
      Products.pack(
        source, depthStride: 1, columnStride: 2 * channels, depth: width, columns: tokens,
        into: keys)
      Products.pack(
        source + channels, depthStride: 2 * channels, columnStride: 1, depth: tokens,
        columns: width, into: values)
      Products.multiply(
        q.pointer + offset, rowStride: channels, depthStride: 1, rows: tokens, depth: width,
        packed: keys, columns: 0..<stride, of: stride,
        epilogue: fk_epilogue(bias: nil, activation: FK_NONE, residual: bias, ldr: stride),
        into: scores, stride: stride)
      if layout.holdsParts(window: window % layout.count) {
        let parts = scores + tokens * stride
        for token in 0..<tokens {
          parts[token] = Float(layout.part(window: window % layout.count, token: token))
        }
        for query in 0..<tokens {
          for key in 0..<tokens where parts[query] != parts[key] {
            scores[query * stride + key] -= Self.partPenalty * root
          }
        }
      }
      kernels.softmax(scores, stride, tokens, stride, 1 / root, nil)
      Products.multiply(
        scores, rowStride: stride, depthStride: 1, rows: tokens, depth: tokens, packed: values,
        columns: 0..<width, of: width, into: y + offset, stride: channels)
    }
  }

  /// Each 2x2 cells of a map as one, channels side by side in the order (0, 0), (1, 0), (0, 1), (1, 1)
  /// of (row, column). An odd side is first padded with zeros at its end.
  ///
  /// - Parameter x: `[B, H, W, C]`.
  /// - Returns: `[B, ceil(H / 2), ceil(W / 2), 4C]`.
  package func mergePatches(_ x: Tensor, layer: @autoclosure () -> String) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    let (outHeight, outWidth) = ((height + 1) / 2, (width + 1) / 2)
    let shape = Shape(batch, outHeight, outWidth, 4 * channels)
    return output(shape, .elementwise, layer: layer(), reading: x.count) { y in
      threads.run(batch * outHeight) { task in
        let image = x.pointer + task / outHeight * height * width * channels
        var out = y + task * outWidth * 4 * channels
        for cell in 0..<outWidth {
          for part in 0..<4 {
            let row = task % outHeight * 2 + part % 2
            let column = cell * 2 + part / 2
            if row < height && column < width {
              out.update(from: image + (row * width + column) * channels, count: channels)
            } else {
              out.update(repeating: 0, count: channels)
            }
            out += channels
          }
        }
      }
    }
  }

  /// A map with zeros at the bottom and the right, so that both sides are multiples of `step`.
  ///
  /// - Parameter x: `[B, H, W, C]`.
  package func padded(
    _ x: Tensor, toMultipleOf step: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    let shape = Shape(batch, height.rounded(up: step), width.rounded(up: step), channels)
    if shape == x.shape { return x }
    return output(shape, .elementwise, layer: layer(), reading: x.count) { y in
      threads.run(batch * shape[1]) { task in
        let line = y + task * shape[2] * channels
        let row = task % shape[1]
        let count = row < height ? width * channels : 0
        if row < height {
          line.update(
            from: x.pointer + (task / shape[1] * height + row) * width * channels, count: count)
        }
        (line + count).update(repeating: 0, count: shape[2] * channels - count)
      }
    }
  }
}
