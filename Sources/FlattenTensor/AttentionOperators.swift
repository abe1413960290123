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
  ///   - inverseScale: `[C]`, what x is multiplied by.
  /// - Returns: `[B, N, C]`.
  package func focus(
    _ x: Tensor, position: Tensor? = nil, inverseScale: Tensor, power: Int, layer: String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer)
    let channels = inverseScale.count
    precondition(
      position.map { $0.shape == [tokens, channels] } ?? true,
      "\(layer): position is \(position?.shape ?? []), keys [\(tokens), \(channels)]")
    let kernels = kernels
    let reading = batch * tokens * channels + (position?.count ?? 0)
    return output([batch, tokens, channels], .focus, layer: layer, reading: reading) { y in
      for item in 0..<batch {
        chunks(tokens, of: 128) { rows in
          let row = item * tokens + rows.lowerBound
          kernels.focus(
            x.pointer + row * stride, stride,
            position.map { $0.pointer + rows.lowerBound * channels }, y + row * channels,
            rows.count, channels, inverseScale.pointer, Int32(power))
        }
      }
    }
  }

  /// Linear attention per head: `q (k^T v) / n`, divided by `q . mean(k) + 1e-6`.
  ///
  /// `k^T v` is formed first, so the cost grows with the number of tokens, not its square.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - k: `[B, n, C]`.
  ///   - kv: `[B, n, 2C]`, of which the last C channels are the values.
  /// - Returns: `[B, N, C]`.
  package func linearAttention(
    _ q: Tensor, _ k: Tensor, kv: Tensor, heads: Int, layer: String
  ) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer)
    let keys = k.shape[1]
    let width = channels / heads
    precondition(
      k.shape == [batch, keys, channels] && kv.shape == [batch, keys, 2 * channels]
        && width * heads == channels,
      "\(layer): q \(q.shape), k \(k.shape), kv \(kv.shape), \(heads) heads")
    let kernels = kernels
    let macs = batch * heads * width * width * (keys + queries)
    let reading = q.count + 2 * k.count
    return output(q.shape, .linearAttention, layer: layer, macs: macs, reading: reading) { y in
      let stateCount = Engine.packedCount(depth: width, columns: width)
      withScratch(batch * heads * (stateCount + width)) { states in
        let means = states + batch * heads * stateCount
        keyValueStates(k, kv: kv, heads: heads, states: states, means: means)
        let block = 256 / Engine.rows * Engine.rows
        let blocks = (queries + block - 1) / block
        threads.run(batch * blocks * heads) { task in
          let item = task / (blocks * heads)
          let head = task % heads
          let first = task / heads % blocks * block
          let count = min(block, queries - first)
          let offset = (item * queries + first) * channels + head * width
          Engine.multiply(
            q.pointer + offset, rowStride: channels, depthStride: 1, rows: count, depth: width,
            packed: states + (item * heads + head) * stateCount, columns: 0..<width, of: width,
            into: y + offset, stride: channels)
          kernels.divide_by_dot(
            y + offset, channels, q.pointer + offset, channels,
            means + (item * heads + head) * width, count, width, 1e-6)
        }
      }
    }
  }

  /// `k^T v / n` of every head, packed as the right side of a product, and the mean of k.
  ///
  /// - Parameters:
  ///   - states: one packed `[d, d]` per item and head.
  ///   - means: `[B, heads, d]`.
  private func keyValueStates(
    _ k: Tensor, kv: Tensor, heads: Int, states: UnsafeMutablePointer<Float>,
    means: UnsafeMutablePointer<Float>
  ) {
    let (batch, keys, channels) = (k.shape[0], k.shape[1], k.shape[2])
    let width = channels / heads
    let stateCount = Engine.packedCount(depth: width, columns: width)
    let kernels = kernels
    let scale = 1 / Float(keys)
    // One task makes some columns of one head's state: outputs are split, the sum is not.
    let part = min(width, Engine.usesKernels ? Engine.panel : width)
    let parts = (width + part - 1) / part
    threads.run(batch * heads * parts) { [self] task in
      let (item, head) = (task / (heads * parts), task / parts % heads)
      let first = task % parts * part
      let columns = min(part, width - first)
      let key = k.pointer + item * keys * channels + head * width
      withScratch(Engine.packedCount(depth: keys, columns: columns) + width * columns) { values in
        let state = values + Engine.packedCount(depth: keys, columns: columns)
        Engine.pack(
          kv.pointer + item * keys * 2 * channels + channels + head * width + first,
          depthStride: 2 * channels, columnStride: 1, depth: keys, columns: columns, into: values)
        Engine.multiply(
          key, rowStride: 1, depthStride: channels, rows: width, depth: keys, packed: values,
          columns: 0..<columns, of: columns, into: state, stride: columns)
        for index in 0..<width * columns { state[index] *= scale }
        Engine.pack(
          state, depthStride: columns, columnStride: 1, depth: width, columns: columns,
          into: states + (item * heads + head) * stateCount + width * first)
      }
      if first == 0 {
        let mean = means + (item * heads + head) * width
        kernels.column_sums(key, channels, keys, width, mean)
        for index in 0..<width { mean[index] *= scale }
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
  package func softmaxAttention(_ q: Tensor, kv: Tensor, heads: Int, layer: String) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer)
    let keys = kv.shape[1]
    let width = channels / heads
    precondition(
      kv.shape == [batch, keys, 2 * channels] && width * heads == channels,
      "\(layer): q \(q.shape), kv \(kv.shape), \(heads) heads")
    let kernels = kernels
    let scale = 1 / Float(width).squareRoot()
    let macs = 2 * batch * queries * keys * channels
    let reading = q.count + kv.count
    return output(q.shape, .softmaxAttention, layer: layer, macs: macs, reading: reading) { y in
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
  func tokenShape(_ layer: String) -> (batch: Int, tokens: Int, channels: Int) {
    precondition(shape.count == 3, "\(layer): tokens [B, N, C] are wanted, not \(shape)")
    return (shape[0], shape[1], shape[2])
  }
}
