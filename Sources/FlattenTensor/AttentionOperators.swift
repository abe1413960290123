import FlattenKernels

/// The two attentions, over queries, keys and values whose channels are the heads side by side.
extension ForwardPass {
  /// The focusing map `f_p` of focused linear attention (arXiv 2308.00442, equations 4 and 5).
  ///
  /// The norms are over all channels, before the split into heads.
  ///
  /// - Parameters:
  ///   - x: `[B, N, stride]`, of which the first C channels are read.
  ///   - position: `[N, C]`, added to x first.
  /// - Returns: `[B, N, C]`.
  public func focus(
    _ x: Tensor, position: Tensor? = nil, _ map: FocusMap, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer())
    let channels = map.inverseScale.count
    precondition(
      position.map { $0.shape == Shape(tokens, channels) } ?? true,
      "\(layer()): position is \(position?.shape ?? []), keys [\(tokens), \(channels)]")
    let kernels = kernels
    let reading = batch * tokens * channels + (position?.count ?? 0)
    return output(Shape(batch, tokens, channels), .focus, layer: layer(), reading: reading) { y in
      for item in 0..<batch {
        chunks(tokens, of: 128) { rows in
          let row = item * tokens + rows.lowerBound
          kernels.focus(
            x.pointer + row * stride, stride,
            position.map { $0.pointer + rows.lowerBound * channels }, y + row * channels,
            rows.count, channels, map.inverseScale.pointer, Int32(map.power))
        }
      }
    }
  }

  /// Softmax attention per head: `softmax(q k^T / sqrt d) v`; scores are made for a block of queries
  /// at a time, never for all.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - kv: `[B, n, 2C]`, keys first.
  /// - Returns: `[B, N, C]`.
  public func softmaxAttention(
    _ q: Tensor, kv: Tensor, heads: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer())
    let keys = kv.shape[1]
    let width = channels / heads
    precondition(
      kv.shape == Shape(batch, keys, 2 * channels) && width * heads == channels,
      "\(layer()): q \(q.shape), kv \(kv.shape), \(heads) heads")
    let kernels = kernels
    let scale = 1 / Float(width).squareRoot()
    let macs = 2 * batch * queries * keys * channels
    let reading = q.count + kv.count
    return output(q.shape, .softmaxAttention, layer: layer(), macs: macs, reading: reading) { y in
      let keyCount = Engine.packedCount(depth: width, columns: keys)
      let valueCount = Engine.packedCount(depth: keys, columns: width)
      let packedCount = keyCount + valueCount
      withScratch(batch * heads * packedCount) { packed in
        threads.run(batch * heads) { task in
          let source = kv.pointer + task / heads * keys * 2 * channels + task % heads * width
          let target = packed + task * packedCount
          Engine.pack(
            source, depthStride: 1, columnStride: 2 * channels, depth: width, columns: keys,
            into: target)
          Engine.pack(
            source + channels, depthStride: 2 * channels, columnStride: 1, depth: keys,
            columns: width, into: target + keyCount)
        }
        let block = (64 / Engine.rows + 1) * Engine.rows
        let blocks = (queries + block - 1) / block
        threads.run(batch * blocks * heads) { [self] task in
          let item = task / (blocks * heads)
          let head = task % heads
          let first = task / heads % blocks * block
          let count = min(block, queries - first)
          let offset = (item * queries + first) * channels + head * width
          let source = packed + (item * heads + head) * packedCount
          withScratch(count * keys) { scores in
            Engine.multiply(
              q.pointer + offset, rowStride: channels, depthStride: 1, rows: count, depth: width,
              packed: source, columns: 0..<keys, of: keys, into: scores, stride: keys)
            kernels.softmax(scores, keys, count, keys, scale)
            Engine.multiply(
              scores, rowStride: keys, depthStride: 1, rows: count, depth: keys,
              packed: source + keyCount, columns: 0..<width, of: width, into: y + offset,
              stride: channels)
          }
        }
      }
    }
  }
}

extension Tensor {
  /// The extents of a token sequence `[B, N, C]`.
  func tokenShape(_ layer: @autoclosure () -> String) -> (batch: Int, tokens: Int, channels: Int) {
    precondition(shape.count == 3, "\(layer()): tokens [B, N, C] are wanted, not \(shape)")
    return (shape[0], shape[1], shape[2])
  }
}
