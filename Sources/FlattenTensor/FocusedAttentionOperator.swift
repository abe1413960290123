import FlattenKernels

/// The focusing map's parameters.
public struct FocusMap: Sendable {
  /// `[C]`, what the clamped numbers are multiplied by.
  public let inverseScale: Tensor
  /// The paper's p.
  public let power: Int

  /// Makes the parameters; `power` is at least 1.
  public init(inverseScale: Tensor, power: Int) {
    self.inverseScale = inverseScale
    self.power = power
  }
}

/// A depthwise convolution's parameters.
package struct DepthwiseWeight: Sendable {
  /// `[kernel * kernel, C]`.
  package let weight: Tensor
  /// `[C]`.
  package let bias: Tensor?
  package let kernel: Int

  package init(weight: Tensor, bias: Tensor?, kernel: Int) {
    self.weight = weight
    self.bias = bias
    self.kernel = kernel
  }
}

/// Focused linear attention in two sweeps that write nothing but their results.
extension ForwardPass {
  /// `focus`, `linearAttention` and `depthwiseConvolution` as one, where keys and queries share a grid:
  /// the same bits, without the maps between them.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`, not yet focused.
  ///   - kv: `[B, N, 2C]`, keys first, not yet focused.
  ///   - position: `[N, C]`, added to the keys.
  ///   - grid: rows and columns of the N tokens.
  /// - Returns: `[B, N, C]`.
  package func focusedLinearAttention(
    _ q: Tensor, kv: Tensor, position: Tensor, focus: FocusMap, depthwise: DepthwiseWeight,
    heads: Int, grid: (height: Int, width: Int), layer: String
  ) -> Tensor {
    let (batch, tokens, channels) = q.tokenShape(layer)
    let width = channels / heads
    precondition(
      kv.shape == [batch, tokens, 2 * channels] && position.shape == [tokens, channels]
        && grid.height * grid.width == tokens && width * heads == channels,
      "\(layer): q \(q.shape), kv \(kv.shape), position \(position.shape), grid \(grid)")
    let kernels = kernels
    let power = Int32(focus.power)
    let window = depthwise.kernel * depthwise.kernel
    let macs = batch * tokens * channels * (2 * width + window)
    let reading = 2 * q.count + kv.count + position.count
    return output(q.shape, .linearAttention, layer: layer, macs: macs, reading: reading) { y in
      let state = LinearAttentionState(batch: batch, heads: heads, width: width)
      withScratch(state.count) { states in
        makeStates(state, kv: kv, into: states, keyScratch: true) { item, keys, scratch in
          let row = item * tokens + keys.lowerBound
          kernels.focus(
            kv.pointer + row * 2 * channels, 2 * channels,
            position.pointer + keys.lowerBound * channels, scratch, keys.count, channels,
            focus.inverseScale.pointer, power)
          return UnsafePointer(scratch)
        }
        let rows = max(1, Self.cachedQueries / grid.width)
        let blocks = (grid.height + rows - 1) / rows
        threads.run(batch * blocks) { [self] task in
          let (item, first) = (task / blocks, task % blocks * rows)
          let count = min(rows, grid.height - first) * grid.width
          let offset = (item * tokens + first * grid.width) * channels
          withScratch(count * channels) { focused in
            kernels.focus(
              q.pointer + offset, channels, nil, focused, count, channels,
              focus.inverseScale.pointer, power)
            for head in 0..<heads {
              apply(
                state, states, item: item, head: head, to: focused + head * width, rows: count,
                into: y + offset + head * width)
            }
          }
          let values = kv.pointer + item * tokens * 2 * channels + channels
          for row in first..<min(first + rows, grid.height) {
            let out = y + (item * tokens + row * grid.width) * channels
            kernels.depthwise_row(
              values, 2 * channels, grid.height, grid.width, channels, row,
              Int32(depthwise.kernel), depthwise.weight.pointer, depthwise.bias?.pointer, FK_NONE,
              UnsafePointer(out), out)
          }
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
  public func linearAttention(
    _ q: Tensor, _ k: Tensor, kv: Tensor, heads: Int, layer: String
  ) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer)
    let keys = k.shape[1]
    let width = channels / heads
    precondition(
      k.shape == [batch, keys, channels] && kv.shape == [batch, keys, 2 * channels]
        && width * heads == channels,
      "\(layer): q \(q.shape), k \(k.shape), kv \(kv.shape), \(heads) heads")
    let macs = batch * heads * width * width * (keys + queries)
    let reading = q.count + 2 * k.count
    return output(q.shape, .linearAttention, layer: layer, macs: macs, reading: reading) { y in
      let state = LinearAttentionState(batch: batch, heads: heads, width: width)
      withScratch(state.count) { states in
        makeStates(state, kv: kv, into: states, keyScratch: false) { item, range, _ in
          k.pointer + (item * keys + range.lowerBound) * channels
        }
        let block = 256 / Engine.rows * Engine.rows
        let blocks = (queries + block - 1) / block
        threads.run(batch * blocks * heads) { [self] task in
          let (item, head) = (task / (blocks * heads), task % heads)
          let first = task / heads % blocks * block
          let offset = (item * queries + first) * channels + head * width
          apply(
            state, states, item: item, head: head, to: q.pointer + offset,
            rows: min(block, queries - first), into: y + offset)
        }
      }
    }
  }

  /// Queries of one head times its state, divided by their products with the mean key.
  private func apply(
    _ state: LinearAttentionState, _ states: UnsafePointer<Float>, item: Int, head: Int,
    to q: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let (channels, width) = (state.channels, state.width)
    Engine.multiply(
      q, rowStride: channels, depthStride: 1, rows: rows, depth: width,
      packed: states + state.offset(item, head), columns: 0..<width, of: width, into: y,
      stride: channels)
    kernels.divide_by_dot(
      y, channels, q, channels, states + state.meanOffset(item, head), rows, width, 1e-6)
  }

  /// `k^T v / n` of every head, packed as the right side of a product, and the mean of k.
  ///
  /// Keys are divided into a number of pieces that depends on nothing but their count; each piece's sums
  /// are stored, then added in order. So the bits do not depend on the threads.
  ///
  /// - Parameters:
  ///   - keyScratch: whether `key` wants memory for the keys it gives.
  ///   - key: the address of an item's keys in a range, `[range.count, C]`; it may lie in the memory that
  ///     is the last argument.
  private func makeStates(
    _ state: LinearAttentionState, kv: Tensor, into states: UnsafeMutablePointer<Float>,
    keyScratch: Bool,
    key: (Int, Range<Int>, UnsafeMutablePointer<Float>) -> UnsafePointer<Float>
  ) {
    let (batch, keys) = (kv.shape[0], kv.shape[1])
    let (channels, heads, width) = (state.channels, state.heads, state.width)
    let cached = Self.cachedKeys
    let piece = max(cached, ((keys + Self.pieces - 1) / Self.pieces).rounded(up: cached))
    let pieces = (keys + piece - 1) / piece
    let square = width * width
    let partialCount = heads * square + channels
    let packedCount = Engine.packedCount(depth: min(cached, keys), columns: width)
    let keyCount = keyScratch ? min(cached, keys) * channels : 0
    withScratch(batch * pieces * partialCount) { partials in
      threads.run(batch * pieces) { [self] task in
        let (item, first) = (task / pieces, task % pieces * piece)
        let partial = partials + task * partialCount
        partial.update(repeating: 0, count: partialCount)
        withScratch(keyCount + packedCount + max(square, channels)) { memory in
          let values = memory + keyCount
          let part = values + packedCount
          for start in stride(from: first, to: min(first + piece, keys), by: cached) {
            let range = start..<min(start + cached, first + piece, keys)
            let key = key(item, range, memory)
            let value = kv.pointer + ((item * keys + start) * 2 + 1) * channels
            for head in 0..<heads {
              Engine.pack(
                value + head * width, depthStride: 2 * channels, columnStride: 1,
                depth: range.count, columns: width, into: values)
              Engine.multiply(
                key + head * width, rowStride: 1, depthStride: channels, rows: width,
                depth: range.count, packed: values, columns: 0..<width, of: width, into: part,
                stride: width)
              kernels.add_scaled(partial + head * square, part, 1, square)
            }
            kernels.column_sums(key, channels, range.count, channels, part)
            kernels.add_scaled(partial + heads * square, part, 1, channels)
          }
        }
      }
      let scale = 1 / Float(keys)
      threads.run(batch * heads) { [self] task in
        let (item, head) = (task / heads, task % heads)
        withScratch(square) { sum in
          let mean = states + state.meanOffset(item, head)
          sum.update(repeating: 0, count: square)
          mean.update(repeating: 0, count: width)
          for index in 0..<pieces {
            let partial = partials + (item * pieces + index) * partialCount
            kernels.add_scaled(sum, partial + head * square, scale, square)
            kernels.add_scaled(mean, partial + heads * square + head * width, scale, width)
          }
          Engine.pack(
            sum, depthStride: width, columnStride: 1, depth: width, columns: width,
            into: states + state.offset(item, head))
        }
      }
    }
  }

  /// Keys whose products are summed on their own, while they are cached.
  private static let cachedKeys = 256
  /// Pieces of the keys at most: what is stored of each must stay small.
  private static let pieces = 64
  /// Queries that one task of the second sweep takes, in whole rows of the grid.
  private static let cachedQueries = 256
}

/// Where the states of all items and heads lie in one piece of memory.
private struct LinearAttentionState {
  let batch: Int
  let heads: Int
  let width: Int

  var channels: Int { heads * width }
  private var packedCount: Int { Engine.packedCount(depth: width, columns: width) }

  /// Floats of all states and means.
  var count: Int { batch * heads * (packedCount + width) }

  func offset(_ item: Int, _ head: Int) -> Int { (item * heads + head) * packedCount }

  func meanOffset(_ item: Int, _ head: Int) -> Int {
    batch * heads * packedCount + (item * heads + head) * width
  }
}
