// Focused linear attention between its projections (FLatten Transformer, arXiv 2308.00442, section 4):
//
//     map:     phi(x) = |u| u^p / |u^p|,     u = (ReLU(x) + 1e-6) / softplus(scale)
//     reduce:  S = mean of phi(k + position) v^T,     k' = mean of phi(k + position)
//     apply:   y = phi(q) S / (phi(q) . k' + 1e-6) + dwc(v)
//
// B batch, N tokens of the grid (after a class token, where there is one), n keys, C channels, h heads.
// What surprises: the norms of the map are over all C channels, before the split into heads; with fewer
// keys than tokens, v goes from n to N by linear interpolation along the flattened token list.

import FlattenKernels

/// The numbers of focused linear attention, as its kernels read them.
package struct FocusedAttentionWeights: Sendable {
  package let focus: FocusMap
  /// Of all values' channels; the d of a head are those of the others.
  package let depthwise: DepthwiseWeight
  /// The convolution's path in the checkpoint.
  package let depthwiseLayer: String
  package let heads: Int

  package init(focus: FocusMap, depthwise: DepthwiseWeight, depthwiseLayer: String, heads: Int) {
    self.focus = focus
    self.depthwise = depthwise
    self.depthwiseLayer = depthwiseLayer
    self.heads = heads
  }
}

extension ForwardPass {
  /// Focused linear attention of queries, keys and values.
  ///
  /// For inference, and where queries and keys share a large grid, map, reduce and apply are two sweeps that
  /// write nothing but their results: the same bits as step by step.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`, or `[B, 1 + N, C]` with a class token first.
  ///   - kv: `[B, n, 2C]`, keys first; with a class token if q has one.
  ///   - position: `[n, C]`, added to the keys.
  ///   - grid: rows and columns of the N tokens.
  ///   - record: for the observer, from the focused queries and keys.
  /// - Returns: as q.
  package func focusedLinearAttention(
    _ q: Tensor, kv: Tensor, position: Tensor, _ w: FocusedAttentionWeights,
    grid: (height: Int, width: Int), layer: @autoclosure () -> String,
    record: (_ q: Tensor, _ k: Tensor) -> AttentionRecord
  ) -> Tensor {
    let (_, tokens, channels) = q.tokenShape(layer())
    let keys = kv.tokenShape(layer()).tokens
    let cells = grid.height * grid.width
    if purpose == .inference && tokens == cells && keys == cells && cells >= Self.fewestFused {
      return fusedFocusedLinearAttention(
        q, kv: kv, position: position, w, grid: grid, layer: layer())
    }
    let values = channels..<2 * channels
    let phiQ = focus(q, w.focus, layer: "\(layer()).focus_q")  // [B, N, C]
    let phiK = focus(kv, position: position, w.focus, layer: "\(layer()).focus_k")  // [B, n, C]
    observe(attention: record(phiQ, phiK))
    let state = linearAttentionState(
      phiK, kv, channels: values, heads: w.heads, layer: "\(layer()).state")  // S, k'
    let y = linearAttention(  // [B, N, C]
      phiQ, state, normaliser: Self.focusedNormaliser, layer: "\(layer()).attention")
    return addDepthwise(kv, values, to: y, w, grid: grid, layer: layer())
  }

  /// Upstream adds 1e-6 to the product with the mean key before it divides.
  private static let focusedNormaliser = LinearAttentionNormaliser.meanKey(epsilon: 1e-6)

  /// `y + dwc(v)` on the grid of the queries, the rank's restoration (section 4.2).
  private func addDepthwise(
    _ kv: Tensor, _ values: Range<Int>, to y: Tensor, _ w: FocusedAttentionWeights,
    grid: (height: Int, width: Int), layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = y.tokenShape(layer())
    let cells = grid.height * grid.width
    func map(_ x: Tensor) -> Tensor {
      x.reshaped(Shape(batch, grid.height, grid.width, x.shape[2]))
    }
    if tokens > cells {
      // A class token has no neighbours.
      let leading = tokens - cells
      let first = self.tokens(y, 0..<leading, layer: "\(layer()).class")
      let rest = self.tokens(y, leading..<tokens, layer: "\(layer()).grid")
      let v = self.tokens(kv, leading..<tokens, layer: "\(layer()).grid_kv")
      let restored = depthwiseConvolution(
        map(v), offset: values.lowerBound, w.depthwise, residual: rest, layer: w.depthwiseLayer)
      return joinTokens(
        first, restored.reshaped(rest.shape), layer: "\(layer()).restored")
    }
    if kv.shape[1] == cells {
      return depthwiseConvolution(
        map(kv), offset: values.lowerBound, w.depthwise, residual: y, layer: w.depthwiseLayer
      ).reshaped(y.shape)
    }
    // Upstream: models/flatten_pvt.py:147, one-dimensional over the flattened tokens, so that rows of
    // the grid bleed into each other.
    let v = resizeTokens(kv, channels: values, to: cells, layer: "\(layer()).resize_v")
    precondition(v.shape[2] == channels)
    return depthwiseConvolution(map(v), w.depthwise, residual: y, layer: w.depthwiseLayer)
      .reshaped(y.shape)
  }

  /// With fewer tokens there are too few blocks for all threads, and maps stay in the caches anyway.
  package static let fewestFused = 2048

  /// The same in two sweeps: over pieces of the keys, then over blocks of rows of the grid.
  private func fusedFocusedLinearAttention(
    _ q: Tensor, kv: Tensor, position: Tensor, _ w: FocusedAttentionWeights,
    grid: (height: Int, width: Int), layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = q.tokenShape(layer())
    precondition(
      kv.shape == Shape(batch, tokens, 2 * channels) && position.shape == Shape(tokens, channels)
        && channels % w.heads == 0,
      "\(layer()): q \(q.shape), kv \(kv.shape), position \(position.shape), \(w.heads) heads")
    let width = channels / w.heads
    let layout = StateLayout(batch: batch, heads: w.heads, keyWidth: width, valueWidth: width)
    let window = w.depthwise.kernel * w.depthwise.kernel
    return output(
      q.shape, .linearAttention, layer: layer(), macs: q.count * (2 * width + window),
      reading: q.count + kv.count + position.count
    ) { y in
      withScratch(batch * w.heads * layout.count) { state in
        reduce(
          layout, keys: tokens, memory: 256 * channels, headsAtOnce: w.heads, into: state
        ) { [self] item, range, memory in
          let rows = kv.pointer + (item * tokens + range.lowerBound) * 2 * channels
          focus(
            rows, stride: 2 * channels, plus: position.pointer + range.lowerBound * channels,
            w.focus, rows: range.count, into: memory)
          return KeyRows(
            keys: memory, keyStride: channels, values: rows + channels, valueStride: 2 * channels)
        }
        withPacked(layout, state) { packed in
          applyFocused(q, kv, w, packed, grid: grid, into: y)
        }
      }
    }
  }

  /// The second sweep: for some rows of the grid the map, the product with the state and the
  /// depthwise convolution.
  private func applyFocused(
    _ q: Tensor, _ kv: Tensor, _ w: FocusedAttentionWeights, _ state: PackedState,
    grid: (height: Int, width: Int), into y: UnsafeMutablePointer<Float>
  ) {
    let (tokens, channels) = (q.shape[1], q.shape[2])
    // A block of queries, in whole rows of the grid, stays in a second-level cache.
    let rows = max(1, max(64, min(256, (1 << 16) / channels)) / grid.width)
    let blocks = (grid.height + rows - 1) / rows
    threads.run(q.shape[0] * blocks) { [self] task in
      let (item, first) = (task / blocks, task % blocks * rows)
      let last = min(first + rows, grid.height)
      let (token, count) = (item * tokens + first * grid.width, (last - first) * grid.width)
      withScratch(count * channels) { phiQ in
        focus(
          q.pointer + token * channels, stride: channels, plus: nil, w.focus, rows: count,
          into: phiQ)
        for head in 0..<w.heads {
          apply(
            state, item: item, head: head, to: QueryRows(queries: phiQ, stride: channels),
            rows: count,
            Self.focusedNormaliser, into: y + token * channels)
        }
      }
      for row in first..<last {
        let out = y + (item * tokens + row * grid.width) * channels
        kernels.depthwise_row(
          kv.pointer + (item * tokens * 2 + 1) * channels, 2 * channels, grid.height, grid.width,
          channels, row, Int32(w.depthwise.kernel), 1,
          w.depthwise.weight.pointer, w.depthwise.bias?.pointer, FK_NONE, UnsafePointer(out), out)
      }
    }
  }
}
