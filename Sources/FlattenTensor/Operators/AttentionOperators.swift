import FlattenKernels

/// The focusing map's numbers.
public struct FocusMap: Sendable {
  /// `[C]`, `1 / softplus(scale)`: what the clamped numbers are multiplied by.
  package let inverseScale: Tensor
  /// The paper's p.
  public let power: Int

  /// - Parameters:
  ///   - scale: C numbers, as the checkpoint has them.
  ///   - power: the paper's p, at least 1.
  public init(scale: Tensor, power: Int) {
    let softplus = scale.softplus().elements
    inverseScale = Tensor([softplus.count], softplus.map { 1 / $0 })
    self.power = power
  }
}

/// The focusing map and softmax attention, over queries, keys and values whose channels are the heads side by
/// side.
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
    let reading = batch * tokens * channels + (position?.count ?? 0)
    return output(Shape(batch, tokens, channels), .focus, layer: layer(), reading: reading) { y in
      for item in 0..<batch {
        chunks(tokens, of: 128) { [self] rows in
          let row = item * tokens + rows.lowerBound
          focus(
            x.pointer + row * stride, stride: stride,
            plus: position.map { $0.pointer + rows.lowerBound * channels }, map, rows: rows.count,
            into: y + row * channels)
        }
      }
    }
  }

  /// The same for some rows, on this thread.
  func focus(
    _ x: UnsafePointer<Float>, stride: Int, plus position: UnsafePointer<Float>?, _ map: FocusMap,
    rows: Int, into y: UnsafeMutablePointer<Float>
  ) {
    kernels.focus(
      x, stride, position, y, rows, map.inverseScale.count, map.inverseScale.pointer,
      Int32(map.power))
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
    let channels = q.tokenShape(layer()).channels
    precondition(
      kv.tokenShape(layer()).channels == 2 * channels,
      "\(layer()): q \(q.shape), kv \(kv.shape)")
    return softmaxAttention(
      q, kv, values: kv, channels: channels..<2 * channels, heads: heads, layer: layer())
  }

  /// The same of keys and values that lie apart.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - k: `[B, n, C or more]`, of which the first C channels are read.
  ///   - v: `[B, n, stride]`.
  ///   - taken: the channels of v that are the values, C of them.
  /// - Returns: `[B, N, C]`.
  public func softmaxAttention(
    _ q: Tensor, _ k: Tensor, values v: Tensor, channels taken: Range<Int>, heads: Int,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer())
    let (_, keys, keyStride) = k.tokenShape(layer())
    let stride = v.tokenShape(layer()).channels
    let width = channels / heads
    precondition(
      k.shape[0] == batch && keyStride >= channels && v.shape[0] == batch && v.shape[1] == keys
        && taken.count == channels && taken.lowerBound >= 0 && taken.upperBound <= stride
        && width * heads == channels,
      "\(layer()): q \(q.shape), k \(k.shape), channels \(taken) of v \(v.shape), \(heads) heads")
    let kernels = kernels
    let scale = 1 / Float(width).squareRoot()
    let macs = 2 * batch * queries * keys * channels
    let reading = q.count + 2 * batch * keys * channels
    let keyCount = Products.packedCount(depth: width, columns: keys)
    let valueCount = Products.packedCount(depth: keys, columns: width)
    let packedCount = keyCount + valueCount
    let workspace = workspace(batch * heads * packedCount)
    return output(q.shape, .softmaxAttention, layer: layer(), macs: macs, reading: reading) { y in
      let packed = workspace.mutablePointer
      threads.run(batch * heads) { task in
        let (first, head) = (task / heads * keys, task % heads * width)
        let target = packed + task * packedCount
        Products.pack(
          k.pointer + first * keyStride + head, depthStride: 1, columnStride: keyStride,
          depth: width, columns: keys, into: target)
        Products.pack(
          v.pointer + first * stride + taken.lowerBound + head, depthStride: stride,
          columnStride: 1, depth: keys, columns: width, into: target + keyCount)
      }
      let block = (64 / Products.rows + 1) * Products.rows
      let blocks = (queries + block - 1) / block
      threads.run(batch * blocks * heads) { [self] task in
        let item = task / (blocks * heads)
        let head = task % heads
        let first = task / heads % blocks * block
        let count = min(block, queries - first)
        let offset = (item * queries + first) * channels + head * width
        let source = packed + (item * heads + head) * packedCount
        withScratch(count * keys + count) { scores in
          let factors = scores + count * keys
          Products.multiply(
            q.pointer + offset, rowStride: channels, depthStride: 1, rows: count, depth: width,
            packed: source, columns: 0..<keys, of: keys, into: scores, stride: keys)
          kernels.softmax(scores, keys, count, keys, scale, factors)
          Products.multiply(
            scores, rowStride: keys, depthStride: 1, rows: count, depth: keys,
            packed: source + keyCount, columns: 0..<width, of: width, into: y + offset,
            stride: channels)
          // A row of the result is shorter than its weights: the sums divide here.
          for row in 0..<count {
            let line = y + offset + row * channels
            kernels.mix_rows(line, line, factors[row], 0, width, line)
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
