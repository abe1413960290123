// Vicinity attention (Sun et al., arXiv 2206.10552): linear attention whose weights fall with the distance in rows
// and in columns.
//
//     f(t) = [t cos a, t sin a, t cos b, t sin b]   a = (pi / 2) y / H,   b = (pi / 2) x / W
//     y_i  = c(c(f(q_i) S) c(1 / (f(q_i) . s + 1e-4)))
//     S    = c(sum_t f(k_t) v_t^T)   [4 d, d] a head,     s = sum_t f(k_t)
//     c(t) = sign(t) min(max(|t|, 1e-4), 1e4),   c(0) = 0
//
// so that a weight is q.k (cos(a - a') + cos(b - b')). Queries and keys come after the ReLU.
//
// The clamps are of sums over the tokens, not of means: what they do depends on the picture's size.

import FlattenKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The range of magnitudes that Vicinity attention keeps to.
private let magnitudes: (least: Float, most: Float) = (1e-4, 1e4)

extension ForwardPass {
  /// Vicinity attention of one picture after another: `[B, N, C]`.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`, at least 0.
  ///   - k: `[B, N, C]`, at least 0.
  ///   - v: `[B, N, C]`.
  ///   - grid: rows and columns of the N tokens.
  package func vicinityAttention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, grid: (height: Int, width: Int),
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = q.tokenShape(layer())
    let width = channels / heads
    precondition(
      k.shape == q.shape && v.shape == q.shape && tokens == grid.height * grid.width
        && width * heads == channels,
      "\(layer()): q \(q.shape), k \(k.shape), v \(v.shape), \(heads) heads, \(grid)")
    let layout = StateLayout(batch: batch, heads: heads, keyWidth: 4 * width, valueWidth: width)
    return output(
      q.shape, .linearAttention, layer: layer(), macs: q.count * 8 * width, reading: 3 * q.count
    ) { y in
      withVicinityWeights(grid) { [self] weights in
        withScratch(batch * heads * layout.count) { state in
          // With few tokens heads are shared out among the threads as well, and features are made before.
          let isSmall = tokens < Self.fewestFused
          withScratch(isSmall ? 4 * q.count : 0) { [self] features in
            if isSmall {
              chunks(batch * tokens, of: 32) { [self] rows in
                for row in rows {
                  spread(
                    k.pointer + row * channels, weights, token: row % tokens, heads: heads,
                    width: width, into: features + row * 4 * channels)
                }
              }
            }
            reduce(
              layout, keys: tokens, memory: isSmall ? 0 : 256 * 4 * channels,
              headsAtOnce: isSmall ? 1 : heads, into: state
            ) { [self] item, range, memory in
              let first = item * tokens + range.lowerBound
              let values = v.pointer + first * channels
              if isSmall {
                return KeyRows(
                  keys: features + first * 4 * channels, keyStride: 4 * channels, values: values,
                  valueStride: channels)
              }
              for (index, token) in range.enumerated() {
                spread(
                  k.pointer + (first + index) * channels, weights, token: token, heads: heads,
                  width: width, into: memory + index * 4 * channels)
              }
              return KeyRows(
                keys: memory, keyStride: 4 * channels, values: values, valueStride: channels)
            }
          }
          for index in 0..<batch * heads {
            let sums = state + index * layout.count
            for element in 0..<layout.count { sums[element] *= Float(tokens) }
            kernels.clamp_magnitude(
              sums, sums, 1, layout.products, magnitudes.least, magnitudes.most, nil, nil)
          }
          withPacked(layout, state) { [self] packed in
            let block = 128 / Products.rows * Products.rows
            let blocks = (tokens + block - 1) / block
            threads.run(batch * blocks) { [self] task in
              let (item, first) = (task / blocks, task % blocks * block)
              let count = min(block, tokens - first)
              withScratch(count * 4 * channels) { [self] features in
                let row = item * tokens + first
                for index in 0..<count {
                  spread(
                    q.pointer + (row + index) * channels, weights, token: first + index,
                    heads: heads, width: width, into: features + index * 4 * channels)
                }
                let out = y + row * channels
                for head in 0..<heads {
                  apply(
                    packed, item: item, head: head,
                    to: QueryRows(queries: features, stride: 4 * channels), rows: count, .none,
                    into: out)
                  kernels.divide_by_dot_clamped(
                    out + head * width, channels, width, features + head * 4 * width, 4 * channels,
                    state + (item * heads + head) * layout.count + layout.products, 4 * width,
                    count, 1e-4, magnitudes.least, magnitudes.most)
                }
              }
            }
          }
        }
      }
    }
  }

  /// The gate that ends Vicinity attention, `c(u + u gate) + residual` with `u = c(x)`.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`.
  ///   - gate: `[B, C]`.
  ///   - residual: shape of x.
  package func vicinityGate(
    _ x: Tensor, _ gate: Tensor, residual: Tensor?, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = x.tokenShape(layer())
    precondition(
      gate.shape == Shape(batch, channels) && residual.map { $0.shape == x.shape } ?? true,
      "\(layer()): x \(x.shape), gate \(gate.shape), residual \(residual?.shape ?? [])")
    let reading = x.count + gate.count + (residual?.count ?? 0)
    return output(x.shape, .elementwise, layer: layer(), reading: reading) { y in
      for item in 0..<batch {
        chunks(tokens, of: 128) { [kernels] rows in
          let first = (item * tokens + rows.lowerBound) * channels
          kernels.clamp_magnitude(
            x.pointer + first, y + first, rows.count, channels, magnitudes.least, magnitudes.most,
            gate.pointer + item * channels, residual.map { $0.pointer + first })
        }
      }
    }
  }

  /// Hands `body` the cosines and sines of a grid.
  private func withVicinityWeights(
    _ grid: (height: Int, width: Int), _ body: (VicinityWeights) -> Void
  ) {
    withScratch(2 * (grid.height + grid.width)) { rows in
      let columns = rows + 2 * grid.height
      for (values, extent) in [(rows, grid.height), (columns, grid.width)] {
        for index in 0..<extent {
          let angle = Double.pi / 2 * Double(index) / Double(extent)
          values[2 * index] = Float(cos(angle))
          values[2 * index + 1] = Float(sin(angle))
        }
      }
      body(VicinityWeights(rows: rows, columns: columns, width: grid.width))
    }
  }

  /// Writes the features of one token, `[h, 4, d]`.
  private func spread(
    _ x: UnsafePointer<Float>, _ weights: VicinityWeights, token: Int, heads: Int, width: Int,
    into y: UnsafeMutablePointer<Float>
  ) {
    let row = weights.rows + 2 * (token / weights.width)
    let column = weights.columns + 2 * (token % weights.width)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 4) { factors in
      guard let factors = factors.baseAddress else { return }
      (factors[0], factors[1]) = (row[0], row[1])
      (factors[2], factors[3]) = (column[0], column[1])
      weightedCopies(x, factors, copies: 4, heads: heads, width: width, into: y)
    }
  }
}

/// Cosine and sine of each row's angle, and of each column's.
private struct VicinityWeights {
  let rows: UnsafePointer<Float>
  let columns: UnsafePointer<Float>
  /// Columns of the grid.
  let width: Int
}
