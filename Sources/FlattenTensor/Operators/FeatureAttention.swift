// Linear attention whose queries and keys are made of projections on the way: what the modules of the
// literature have in common.
//
//     features:  rows of a tensor -> map -> factors of heads -> mirror
//                -> turned, or several weighted copies, or random features
//     reduce:    S = mean phi(k) v^T,    k' = mean psi(k)
//     apply:     y = [v' +] phi(q) S / n(psi(q) . k')
//     finish:    [+ depthwise(v)] [times a gate] [rows of one length]
//
// psi are the features before they are turned, where the normaliser takes those.

import FlattenKernels

/// Rows of queries or keys, and what becomes of them before they are multiplied.
package struct FeatureRows: Sendable {
  /// `[B, N, stride]`.
  package let x: Tensor
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
  let random: RandomFeatures?

  /// - Parameters:
  ///   - x: `[B, N, stride]`.
  ///   - channels: those that are taken; `nil` takes all.
  ///   - rotation: with the grid of the tokens; as wide as a head, or as all of them.
  package init(
    _ x: Tensor, channels: Range<Int>? = nil, heads: Int, map: FeatureMap? = nil,
    factors: Tensor? = nil, normal: Tensor? = nil, rotation: RotationTable? = nil,
    copies: Tensor? = nil, random: RandomFeatures? = nil
  ) {
    self.x = x
    self.channels = channels ?? 0..<x.shape[2]
    self.heads = heads
    self.map = map
    self.factors = factors
    self.normal = normal
    self.rotation = rotation
    self.copies = copies
    self.random = random
    let (batch, tokens, width) = (x.shape[0], x.shape[1], self.channels.count)
    precondition(
      x.shape.count == 3 && self.channels.lowerBound >= 0
        && self.channels.upperBound <= x.shape[2] && width % heads == 0
        && factors.map { $0.shape == Shape(batch, tokens, heads) } ?? true
        && normal.map { $0.count * heads == width } ?? true
        && rotation.map { $0.tokens == tokens && width % $0.channels == 0 } ?? true
        && copies.map { $0.shape.count == 2 && $0.shape[0] == tokens } ?? true
        && random.map {
          $0.directions.inputs * heads == width
            && $0.tops.map { $0.shape == Shape(batch, heads) } ?? true
        } ?? true && [rotation != nil, copies != nil, random != nil].count(where: { $0 }) <= 1,
      "features of \(x.shape), channels \(self.channels), \(heads) heads")
  }

  /// Channels of a row: h d.
  var width: Int { channels.count }
  /// Channels of a row of features: h f.
  var featureWidth: Int {
    if let random { return heads * random.directions.outputs }
    return width * (copies?.shape[1] ?? 1)
  }
  private var isMapped: Bool { map != nil || factors != nil || normal != nil }
  private var isExpanded: Bool { rotation != nil || copies != nil || random != nil }
  /// Whether the rows are the tensor's own.
  var isPlain: Bool { !isMapped && !isExpanded }
  /// Floats of memory for a token.
  var memory: Int { (isMapped ? width : 0) + (isExpanded ? featureWidth : 0) }
  /// Where the expanded rows of some tokens begin in that memory.
  func expanded(_ count: Int) -> Int { isMapped ? count * width : 0 }
}

/// Random features of an exponential kernel: `exp(w x - half |x|^2 - top) + epsilon`, per head.
package struct RandomFeatures: Sendable {
  /// w, `[m, d]`, in float32.
  let directions: PackedMatrix
  let half: Float
  let epsilon: Float
  /// `[B, h]`, tops of the heads; `nil` takes the largest product of each token and head.
  let tops: Tensor?

  package init(_ directions: PackedMatrix, half: Float, epsilon: Float, tops: Tensor? = nil) {
    precondition(directions.precision == .float32)
    self.directions = directions
    self.half = half
    self.epsilon = epsilon
    self.tops = tops
  }

  /// The same with tops.
  package func with(tops: Tensor) -> RandomFeatures {
    RandomFeatures(directions, half: half, epsilon: epsilon, tops: tops)
  }
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
      Shape(batch, tokens, width), .elementwise, layer: layer(), macs: plain ? 0 : randomMacs(f),
      reading: batch * tokens * f.width
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

  private func randomMacs(_ f: FeatureRows) -> Int {
    f.random.map { f.x.shape[0] * f.x.shape[1] * f.width * $0.directions.outputs } ?? 0
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
    let out = memory + f.expanded(count)
    if let random = f.random {
      let (own, number) = (width / f.heads, random.directions.outputs)
      for head in 0..<f.heads {
        multiply(
          random, rows + head * own, stride: step, rows: count, into: out + head * number,
          stride: f.heads * number)
        kernels.exp_features(
          out + head * number, f.heads * number, count, number, rows + head * own, step, own,
          random.half, random.tops.map { $0.pointer + item * f.heads + head }, random.epsilon)
      }
      return WrittenFeatures(
        rows: out, stride: f.heads * number, plain: rows, plainStride: step)
    }
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

  private func multiply(
    _ random: RandomFeatures, _ x: UnsafePointer<Float>, stride: Int, rows: Int,
    into y: UnsafeMutablePointer<Float>, stride yStride: Int
  ) {
    let (inputs, outputs) = (random.directions.inputs, random.directions.outputs)
    random.directions.multiply(
      RowBlock(x, rows: rows, columns: inputs, stride: stride), columns: 0..<outputs,
      epilogue: fk_epilogue(), into: y, stride: yStride)
  }

  /// The largest product of each head's rows, over all tokens, with the directions of random features.
  ///
  /// - Parameters:
  ///   - x: `[B, N, stride]`.
  ///   - channels: those of x that are taken, h d of them.
  /// - Returns: `[B, h]`.
  package func largestProducts(
    _ x: Tensor, channels: Range<Int>, heads: Int, _ random: RandomFeatures,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer())
    let (width, number) = (channels.count / heads, random.directions.outputs)
    precondition(
      channels.lowerBound >= 0 && channels.upperBound <= stride
        && width == random.directions.inputs && tokens > 0,
      "\(layer()): channels \(channels) of \(x.shape), \(heads) heads")
    return output(
      Shape(batch, heads), .linearAttention, layer: layer(),
      macs: batch * tokens * channels.count * number, reading: batch * tokens * channels.count
    ) { y in
      let pieces = KeyPieces(tokens)
      withScratch(batch * pieces.count * heads * number) { maxima in
        maxima.update(repeating: -.infinity, count: batch * pieces.count * heads * number)
        threads.run(batch * pieces.count * heads) { [self] task in
          let (item, piece) = (task / heads / pieces.count, task / heads % pieces.count)
          withScratch(256 * number) { products in
            for range in pieces.ranges(piece) {
              multiply(
                random,
                x.pointer + (item * tokens + range.lowerBound) * stride + channels.lowerBound
                  + task % heads * width, stride: stride, rows: range.count, into: products,
                stride: number)
              kernels.column_maxima(
                products, number, range.count, number, maxima + task * number)
            }
          }
        }
        for item in 0..<batch {
          for head in 0..<heads {
            var top = -Float.infinity
            for piece in 0..<pieces.count {
              let row = maxima + ((item * pieces.count + piece) * heads + head) * number
              for index in 0..<number { top = max(top, row[index]) }
            }
            y[item * heads + head] = top
          }
        }
      }
    }
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
    if tokens < Self.fewestFused && !keys.isPlain {
      // Too few pieces for all threads: heads are shared out, and features made once for all of them.
      return linearAttentionState(
        features(keys, layer: "\(layer()).phi_k"), v, channels: channels, heads: keys.heads,
        normaliserKeys: plain ? features(keys, plain: true, layer: "\(layer()).psi_k") : nil,
        layer: layer())
    }
    let sums = output(
      Shape(batch, keys.heads, state.count), .linearAttention, layer: layer(),
      macs: batch * tokens * keys.heads * state.products + randomMacs(keys),
      reading: batch * tokens * (keys.width + channels.count)
    ) { sums in
      reduce(
        state, keys: tokens, memory: 256 * keys.memory,
        headsAtOnce: keys.isPlain ? 1 : keys.heads, into: sums
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
      macs: batch * tokens * width * (state.keyWidth + window) + randomMacs(queries),
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

  /// Features with gates, `sigma(W [q, k, v] + b)` times q and likewise k, per head.
  ///
  /// - Parameters:
  ///   - q: `[B, N, stride]` and the first of its channels that are taken, h d of them.
  ///   - k: the same.
  ///   - v: the same; only the gates see it.
  ///   - map: of q and k, before all.
  ///   - queryGate: `[d, 3d]` with its bias.
  ///   - keyGate: the same; `nil` where both gates are one.
  /// - Returns: `[B, N, 2 h d]`, queries first.
  package func gatedFeatures(
    _ q: (x: Tensor, offset: Int), _ k: (x: Tensor, offset: Int), _ v: (x: Tensor, offset: Int),
    heads: Int, map: FeatureMap, queryGate: (weight: PackedMatrix, bias: Tensor?),
    keyGate: (weight: PackedMatrix, bias: Tensor?)?, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, _) = q.x.tokenShape(layer())
    let width = queryGate.weight.outputs
    let channels = heads * width
    func fits(_ part: (x: Tensor, offset: Int)) -> Bool {
      part.x.shape.count == 3 && part.x.shape[0] == batch && part.x.shape[1] == tokens
        && part.offset >= 0 && part.offset + channels <= part.x.shape[2]
    }
    precondition(
      queryGate.weight.inputs == 3 * width && fits(q) && fits(k) && fits(v),
      "\(layer()): q \(q.x.shape), k \(k.x.shape), v \(v.x.shape), \(heads) heads of \(width)")
    return output(
      Shape(batch, tokens, 2 * channels), .linear, layer: layer(),
      macs: batch * tokens * channels * 3 * width * (keyGate == nil ? 1 : 2),
      reading: 3 * batch * tokens * channels
    ) { y in
      chunks(batch * tokens, of: 64) { [self] range in
        let rows = range.count * heads
        withScratch(rows * 4 * width) { joined in
          let gate = joined + rows * 3 * width
          let out = y + range.lowerBound * 2 * channels
          for (index, part) in [q, k].enumerated() {
            let stride = part.x.shape[2]
            features(
              part.x.pointer + range.lowerBound * stride + part.offset, stride: stride, map,
              heads: heads, width: width, rows: range.count, into: out + index * channels,
              stride: 2 * channels)
          }
          for row in 0..<range.count {
            let value = v.x.pointer + (range.lowerBound + row) * v.x.shape[2] + v.offset
            for head in 0..<heads {
              let target = joined + (row * heads + head) * 3 * width
              let own = out + row * 2 * channels + head * width
              target.update(from: own, count: width)
              (target + width).update(from: own + channels, count: width)
              (target + 2 * width).update(from: value + head * width, count: width)
            }
          }
          for index in 0..<2 {
            let layer = index == 0 ? queryGate : keyGate
            if let layer {
              withRows(
                RowBlock(joined, rows: rows, columns: 3 * width), of: layer.weight
              ) { block in
                layer.weight.multiply(
                  block, columns: 0..<width,
                  epilogue: fk_epilogue(
                    bias: layer.bias?.pointer, activation: FK_SIGMOID, residual: nil, ldr: 0),
                  into: gate, stride: width)
              }
            }
            kernels.multiply_rows(
              out + index * channels, 2 * channels, gate, channels, range.count, channels)
          }
        }
      }
    }
  }
}
