// Linear attention whose queries and keys are made of projections on the way: what the modules of the
// literature have in common.
//
//     features:  rows of a tensor -> map -> factors of heads -> mirror -> turned, or several weighted copies
//     reduce:    S = mean phi(k) v^T,    k' = mean psi(k)
//     apply:     y = [v' +] phi(q) S / n(psi(q) . k')
//     finish:    [+ depthwise(v)] [times a gate] [rows of one length]
//
// psi are the features before they are turned, where the normaliser takes those.

import FlattenKernels

/// Rows of queries or keys, and what becomes of them before they are multiplied.
package struct FeatureRows: Sendable {
  /// `[B, N, stride]`.
  let x: Tensor
  /// Those of x that are taken, h d of them.
  let channels: Range<Int>
  package let heads: Int
  let map: FeatureMap?
  /// `[B, N, h]`, a factor of each head.
  let factors: Tensor?
  /// `[d]`, of length 1: the normal of the plane at which heads are mirrored.
  let normal: Tensor?
  let rotation: RotationTable?
  /// `[N, M]`, weights of M copies of each head, side by side.
  let copies: Tensor?

  /// - Parameters:
  ///   - x: `[B, N, stride]`.
  ///   - channels: those that are taken; `nil` takes all.
  ///   - rotation: with the grid of the tokens; as wide as a head, or as all of them.
  package init(
    _ x: Tensor, channels: Range<Int>? = nil, heads: Int, map: FeatureMap? = nil,
    factors: Tensor? = nil, normal: Tensor? = nil, rotation: RotationTable? = nil,
    copies: Tensor? = nil
  ) {
    self.x = x
    self.channels = channels ?? 0..<x.shape[2]
    self.heads = heads
    self.map = map
    self.factors = factors
    self.normal = normal
    self.rotation = rotation
    self.copies = copies
    let (batch, tokens, width) = (x.shape[0], x.shape[1], self.channels.count)
    precondition(
      x.shape.count == 3 && self.channels.lowerBound >= 0
        && self.channels.upperBound <= x.shape[2] && width % heads == 0
        && factors.map { $0.shape == Shape(batch, tokens, heads) } ?? true
        && normal.map { $0.count * heads == width } ?? true
        && rotation.map { $0.tokens == tokens && width % $0.channels == 0 } ?? true
        && copies.map { $0.shape.count == 2 && $0.shape[0] == tokens } ?? true
        && (rotation == nil || copies == nil),
      "features of \(x.shape), channels \(self.channels), \(heads) heads")
  }

  /// Channels of a row: h d.
  var width: Int { channels.count }
  /// Channels of a row of features: h f.
  var featureWidth: Int { width * (copies?.shape[1] ?? 1) }
  /// Whether the rows are the tensor's own.
  var isPlain: Bool {
    map == nil && factors == nil && normal == nil && rotation == nil && copies == nil
  }
  /// Floats of memory for a token.
  var memory: Int { isPlain ? 0 : width + (rotation == nil && copies == nil ? 0 : featureWidth) }
}

/// Features of some tokens.
struct WrittenFeatures {
  /// Turned, or copied.
  let rows: UnsafePointer<Float>
  let stride: Int
  /// Before that; the same where they are not.
  let plain: UnsafePointer<Float>
  let plainStride: Int
}

/// What becomes of linear attention's products.
package struct AttentionFinish: Sendable {
  /// A convolution of the values that is added, and its path in the checkpoint.
  var depthwise: (weight: DepthwiseWeight, layer: String)?
  /// A factor: channels of a tensor.
  var gate: (x: Tensor, channels: Range<Int>)?
  /// Rows are brought to one length.
  var norm: (length: Float, epsilon: Float)?

  package init(
    depthwise: (weight: DepthwiseWeight, layer: String)? = nil,
    gate: (x: Tensor, channels: Range<Int>)? = nil, norm: (length: Float, epsilon: Float)? = nil
  ) {
    self.depthwise = depthwise
    self.gate = gate
    self.norm = norm
  }
}

extension ForwardPass {
  /// Features as a tensor, `[B, N, h f]`; the features before they are turned, `[B, N, h d]`, with
  /// `plain`.
  package func features(
    _ f: FeatureRows, plain: Bool = false, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens) = (f.x.shape[0], f.x.shape[1])
    let width = plain ? f.width : f.featureWidth
    return output(
      Shape(batch, tokens, width), .elementwise, layer: layer(), reading: batch * tokens * f.width
    ) { y in
      for item in 0..<batch {
        chunks(tokens, of: 64) { [self] range in
          withScratch(f.memory * range.count) { memory in
            let written = write(f, item: item, tokens: range, in: memory)
            let (rows, stride) =
              plain ? (written.plain, written.plainStride) : (written.rows, written.stride)
            for row in 0..<range.count {
              (y + (item * tokens + range.lowerBound + row) * width).update(
                from: rows + row * stride, count: width)
            }
          }
        }
      }
    }
  }

  /// Features of some tokens of an item, on this thread.
  ///
  /// - Parameter memory: room for `f.memory` floats a token.
  func write(
    _ f: FeatureRows, item: Int, tokens range: Range<Int>, in memory: UnsafeMutablePointer<Float>
  ) -> WrittenFeatures {
    let (stride, width, count) = (f.x.shape[2], f.width, range.count)
    let first = item * f.x.shape[1] + range.lowerBound
    var rows = f.x.pointer + first * stride + f.channels.lowerBound
    var step = stride
    if f.map != nil || f.factors != nil || f.normal != nil {
      features(
        rows, stride: stride, f.map ?? .activation(.none), heads: f.heads,
        width: width / f.heads, rows: count, into: memory, stride: width)
      if let factors = f.factors {
        scaledHeads(
          memory, by: factors.pointer + first * f.heads, heads: f.heads, width: width / f.heads,
          rows: count, into: memory)
      }
      if let normal = f.normal {
        kernels.reflect_rows(
          memory, width, memory, width, count, f.heads, normal.count, normal.pointer)
      }
      rows = UnsafePointer(memory)
      step = width
    }
    let out = memory + count * width
    if let rotation = f.rotation {
      rotation.rotate(
        rows, stride: step, tokens: range, heads: width / rotation.channels, into: out,
        stride: width, kernels)
      return WrittenFeatures(rows: out, stride: width, plain: rows, plainStride: step)
    }
    if let copies = f.copies {
      let number = copies.shape[1]
      for row in 0..<count {
        weightedCopies(
          rows + row * step, copies.pointer + (range.lowerBound + row) * number, copies: number,
          heads: f.heads, width: width / f.heads, into: out + row * width * number)
      }
      return WrittenFeatures(
        rows: out, stride: width * number, plain: rows, plainStride: step)
    }
    return WrittenFeatures(rows: rows, stride: step, plain: rows, plainStride: step)
  }

  /// Products of each head's features with one row of the same picture:
  /// `y[b, t, h] = scale * phi(x[b, t])[h, :] . m[b, h, :]`.
  ///
  /// - Parameters:
  ///   - f: features, h f a token.
  ///   - m: `[B, h f]`.
  ///   - scale: a factor.
  /// - Returns: `[B, N, h]`.
  package func headProducts(
    _ f: FeatureRows, _ m: Tensor, scale: Float, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens) = (f.x.shape[0], f.x.shape[1])
    let width = f.featureWidth
    precondition(
      m.shape == Shape(batch, width), "\(layer()): features of \(f.x.shape), m \(m.shape)")
    return output(
      Shape(batch, tokens, f.heads), .linearAttention, layer: layer(),
      macs: batch * tokens * width, reading: batch * tokens * f.width + m.count
    ) { y in
      for item in 0..<batch {
        chunks(tokens, of: 256) { [self] range in
          withScratch(f.memory * range.count) { memory in
            let written = write(f, item: item, tokens: range, in: memory)
            kernels.dot_heads(
              written.rows, written.stride, range.count, f.heads, width / f.heads,
              m.pointer + item * width, scale,
              y + (item * tokens + range.lowerBound) * f.heads, f.heads)
          }
        }
      }
    }
  }

  /// The state of keys that are made on the way.
  ///
  /// - Parameters:
  ///   - keys: their features.
  ///   - v: `[B, N, stride]`.
  ///   - channels: those of v that are the values.
  ///   - plain: whether the mean is that of the features before they are turned.
  package func linearAttentionState(
    _ keys: FeatureRows, _ v: Tensor, channels: Range<Int>, plain: Bool = false,
    layer: @autoclosure () -> String
  ) -> LinearAttentionState {
    let (batch, tokens) = (keys.x.shape[0], keys.x.shape[1])
    let stride = v.tokenShape(layer()).channels
    let state = StateLayout(
      batch: batch, heads: keys.heads, keyWidth: keys.featureWidth / keys.heads,
      valueWidth: channels.count / keys.heads)
    precondition(
      v.shape[0] == batch && v.shape[1] == tokens && channels.count % keys.heads == 0
        && channels.lowerBound >= 0 && channels.upperBound <= stride && tokens > 0,
      "\(layer()): keys of \(keys.x.shape), channels \(channels) of \(v.shape)")
    let sums = output(
      Shape(batch, keys.heads, state.count), .linearAttention, layer: layer(),
      macs: batch * tokens * keys.heads * state.products,
      reading: batch * tokens * (keys.width + channels.count)
    ) { sums in
      reduce(
        state, keys: tokens, memory: 256 * keys.memory, headsAtOnce: keys.heads, into: sums
      ) { [self] item, range, memory in
        let written = write(keys, item: item, tokens: range, in: memory)
        return KeyRows(
          keys: written.rows,
          normaliserKeys: plain ? written.plain : nil,
          keyStride: written.stride, normaliserStride: written.plainStride,
          values: v.pointer + (item * tokens + range.lowerBound) * stride + channels.lowerBound,
          valueStride: stride)
      }
    }
    return LinearAttentionState(
      batch: batch, heads: keys.heads, keyWidth: state.keyWidth, valueWidth: state.valueWidth,
      sums: sums)
  }

  /// Queries, made on the way, times a state, and what comes after.
  ///
  /// For inference it is one sweep; otherwise step by step: the same bits.
  ///
  /// - Parameters:
  ///   - queries: their features.
  ///   - state: of the keys and values.
  ///   - normaliser: what each product is divided by.
  ///   - plain: whether the normaliser takes the features before they are turned.
  ///   - constant: `[B, h d]`, added to each product before it is divided.
  ///   - v: the values, `[B, N, stride]`, and the channels that they are, for the convolution.
  ///   - finish: what comes after.
  ///   - grid: rows and columns of the tokens.
  /// - Returns: `[B, N, h d]`.
  package func linearAttention(
    _ queries: FeatureRows, _ state: LinearAttentionState,
    normaliser: LinearAttentionNormaliser, plain: Bool = false, adding constant: Tensor? = nil,
    values v: (x: Tensor, channels: Range<Int>), _ finish: AttentionFinish = AttentionFinish(),
    grid: (height: Int, width: Int), layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens) = (queries.x.shape[0], queries.x.shape[1])
    let (heads, width) = (state.heads, state.heads * state.valueWidth)
    precondition(
      batch == state.batch && queries.heads == heads && tokens == grid.height * grid.width
        && queries.featureWidth == heads * state.keyWidth && v.channels.count == width
        && constant.map { $0.shape == Shape(batch, width) } ?? true
        && finish.gate.map { $0.channels.count == width } ?? true,
      "\(layer()): queries of \(queries.x.shape), a state of \(heads) heads with "
        + "\(state.keyWidth) channels")
    let window = finish.depthwise.map { $0.weight.kernel * $0.weight.kernel } ?? 0
    if purpose != .inference {
      return steps(
        queries, state, normaliser, plain, constant, v, finish, grid: grid, layer: layer())
    }
    return output(
      Shape(batch, tokens, width), .linearAttention, layer: layer(),
      macs: batch * tokens * width * (state.keyWidth + window),
      reading: batch * tokens * (queries.width + width)
    ) { y in
      withPacked(StateLayout(state), state.sums.pointer) { packed in
        // A block of queries, in whole rows of the grid, stays in a second-level cache.
        let rows = max(1, max(64, min(256, (1 << 16) / max(width, 1))) / grid.width)
        let blocks = (grid.height + rows - 1) / rows
        threads.run(batch * blocks) { [self] task in
          let (item, first) = (task / blocks, task % blocks * rows)
          let last = min(first + rows, grid.height)
          let range = first * grid.width..<last * grid.width
          let out = y + (item * tokens + range.lowerBound) * width
          withScratch(queries.memory * range.count) { memory in
            let written = write(queries, item: item, tokens: range, in: memory)
            for head in 0..<heads {
              apply(
                packed, item: item, head: head,
                to: QueryRows(
                  queries: written.rows, stride: written.stride,
                  normaliserQueries: plain ? written.plain : nil,
                  normaliserStride: written.plainStride), rows: range.count, normaliser,
                adding: constant.map { $0.pointer + item * width }, into: out)
            }
          }
          if let (weight, _) = finish.depthwise {
            let stride = v.x.shape[2]
            for row in first..<last {
              let line = y + (item * tokens + row * grid.width) * width
              kernels.depthwise_row(
                v.x.pointer + item * tokens * stride + v.channels.lowerBound, stride, grid.height,
                grid.width, width, row, Int32(weight.kernel), 1, weight.weight.pointer,
                weight.bias?.pointer, FK_NONE, UnsafePointer(line), line)
            }
          }
          if let (x, channels) = finish.gate {
            let stride = x.shape[2]
            kernels.multiply_rows(
              out, width,
              x.pointer + (item * tokens + range.lowerBound) * stride + channels.lowerBound,
              stride, range.count, width)
          }
          if let (length, epsilon) = finish.norm {
            kernels.unit_rows(out, width, out, width, range.count, width, length, epsilon)
          }
        }
      }
    }
  }

  /// The same, step by step.
  private func steps(
    _ queries: FeatureRows, _ state: LinearAttentionState,
    _ normaliser: LinearAttentionNormaliser, _ plain: Bool, _ constant: Tensor?,
    _ v: (x: Tensor, channels: Range<Int>), _ finish: AttentionFinish,
    grid: (height: Int, width: Int), layer: @autoclosure () -> String
  ) -> Tensor {
    let phi = features(queries, layer: "\(layer()).phi_q")
    let psi = plain ? features(queries, plain: true, layer: "\(layer()).psi_q") : nil
    var y = linearAttention(
      phi, state, normaliser: normaliser, normaliserQueries: psi, adding: constant,
      layer: "\(layer()).attention")
    if let (weight, name) = finish.depthwise {
      let map = v.x.reshaped(Shape(v.x.shape[0], grid.height, grid.width, v.x.shape[2]))
      y = depthwiseConvolution(
        map, offset: v.channels.lowerBound, weight, residual: y, layer: name
      ).reshaped(y.shape)
    }
    if let (x, channels) = finish.gate {
      y = multiply(y, x, channels: channels, layer: "\(layer()).gate")
    }
    if let (length, epsilon) = finish.norm {
      y = features(y, .unitRows(length: length, epsilon: epsilon), layer: "\(layer()).norm")
    }
    return y
  }
}
