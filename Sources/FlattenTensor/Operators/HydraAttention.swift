// Hydra attention (Bolya et al., arXiv 2209.07484): as many heads as channels, so that the state of linear attention
// is a vector.
//
//     y_i = u(q_i) * sum_t u(k_t) * v_t      u(x) = x / (|x| + epsilon), over all channels
//
// A sum over the tokens, not a mean: results grow with the picture.

import FlattenKernels

extension ForwardPass {
  /// Hydra attention: `[B, N, C]`.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - kv: `[B, n, 2C]`, keys first.
  package func hydraAttention(
    _ q: Tensor, kv: Tensor, epsilon: Float, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer())
    let keys = kv.shape[1]
    precondition(
      kv.shape == Shape(batch, keys, 2 * channels), "\(layer()): q \(q.shape), kv \(kv.shape)")
    let pieces = KeyPieces(keys)
    return output(
      q.shape, .linearAttention, layer: layer(), macs: batch * (queries + keys) * channels,
      reading: q.count + kv.count
    ) { y in
      withScratch(batch * (pieces.count + 1) * channels) { [self] sums in
        let all = sums + batch * pieces.count * channels
        threads.run(batch * pieces.count) { [self] task in
          let (item, piece) = (task / pieces.count, task % pieces.count)
          let sum = sums + task * channels
          sum.update(repeating: 0, count: channels)
          for range in pieces.ranges(piece) {
            withScratch((range.count + 1) * channels) { [kernels] rows in
              let part = rows + range.count * channels
              let first = kv.pointer + (item * keys + range.lowerBound) * 2 * channels
              kernels.unit_rows(
                first, 2 * channels, rows, channels, range.count, channels, 1, epsilon)
              kernels.multiply_rows(
                rows, channels, first + channels, 2 * channels, range.count, channels)
              kernels.column_sums(rows, channels, range.count, channels, part)
              kernels.add_scaled(sum, part, 1, channels)
            }
          }
        }
        for item in 0..<batch {
          let total = all + item * channels
          total.update(repeating: 0, count: channels)
          for piece in 0..<pieces.count {
            kernels.add_scaled(
              total, sums + (item * pieces.count + piece) * channels, 1, channels)
          }
          chunks(queries, of: 128) { [kernels] rows in
            let first = (item * queries + rows.lowerBound) * channels
            kernels.unit_rows(
              q.pointer + first, channels, y + first, channels, rows.count, channels, 1, epsilon)
            kernels.multiply_rows(y + first, channels, total, 0, rows.count, channels)
          }
        }
      }
    }
  }
}
