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
  ///   - scale: `[C]`, what x is divided by.
  /// - Returns: `[B, N, C]`.
  package func focus(
    _ x: Tensor, position: Tensor? = nil, scale: Tensor, power: Int, layer: String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer)
    let channels = scale.count
    precondition(
      position.map { $0.shape == [tokens, channels] } ?? true,
      "\(layer): position is \(position?.shape ?? []), keys [\(tokens), \(channels)]")
    let kernels = kernels
    return output([batch, tokens, channels], .focus, layer: layer) { y in
      for item in 0..<batch {
        chunks(tokens, of: 128) { rows in
          let row = item * tokens + rows.lowerBound
          kernels.focus(
            x.pointer + row * stride, stride,
            position.map { $0.pointer + rows.lowerBound * channels }, y + row * channels,
            rows.count, channels, scale.pointer, Int32(power))
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
    return output(q.shape, .linearAttention, layer: layer, macs: macs) { y in
      let states = scratch(batch * channels * width)  // [B, heads, d, d]
      let means = scratch(batch * channels)
      // One task makes some columns of one head's k^T v: outputs are split, the sum is not.
      let part = width % 32 == 0 ? 32 : width
      let parts = width / part
      threads.run(batch * heads * parts) { task in
        let item = task / (heads * parts)
        let head = task / parts % heads
        let column = task % parts * part
        BLAS.multiply(
          rows: width, columns: part, depth: keys,
          BLAS.Operand(
            k.pointer + item * keys * channels + head * width, stride: channels, transposed: true),
          BLAS.Operand(
            kv.pointer + item * keys * 2 * channels + channels + head * width + column,
            stride: 2 * channels),
          scale: 1 / Float(keys),
          into: states.mutablePointer + (item * heads + head) * width * width + column,
          stride: width)
      }
      threads.run(batch * heads) { task in
        let mean = means.mutablePointer + task * width
        let item = task / heads
        kernels.column_sums(
          k.pointer + item * keys * channels + task % heads * width, channels, keys, width, mean)
        for index in 0..<width { mean[index] /= Float(keys) }
      }
      let block = 256
      let blocks = (queries + block - 1) / block
      threads.run(batch * blocks * heads) { task in
        let item = task / (blocks * heads)
        let head = task % heads
        let first = task / heads % blocks * block
        let count = min(block, queries - first)
        let offset = (item * queries + first) * channels + head * width
        BLAS.multiply(
          rows: count, columns: width, depth: width,
          BLAS.Operand(q.pointer + offset, stride: channels),
          BLAS.Operand(states.pointer + (item * heads + head) * width * width, stride: width),
          into: y + offset, stride: channels)
        kernels.divide_by_dot(
          y + offset, channels, q.pointer + offset, channels,
          means.pointer + (item * heads + head) * width, count, width, 1e-6)
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
    return output(q.shape, .softmaxAttention, layer: layer, macs: macs) { y in
      let block = 64
      let blocks = (queries + block - 1) / block
      threads.run(batch * blocks * heads) { [self] task in
        let item = task / (blocks * heads)
        let head = task % heads
        let first = task / heads % blocks * block
        let count = min(block, queries - first)
        let offset = (item * queries + first) * channels + head * width
        let source = kv.pointer + item * keys * 2 * channels + head * width
        let scores = scratch(count * keys)
        BLAS.multiply(
          rows: count, columns: keys, depth: width,
          BLAS.Operand(q.pointer + offset, stride: channels),
          BLAS.Operand(source, stride: 2 * channels, transposed: true),
          into: scores.mutablePointer, stride: keys)
        kernels.softmax(scores.mutablePointer, keys, count, keys, scale)
        BLAS.multiply(
          rows: count, columns: width, depth: keys,
          BLAS.Operand(scores.pointer, stride: keys),
          BLAS.Operand(source + channels, stride: 2 * channels),
          into: y + offset, stride: channels)
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
