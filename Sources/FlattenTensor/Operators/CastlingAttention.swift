import FlattenKernels

extension ForwardPass {
  /// The middle of Castling-ViT's linear-angular attention: rows `y + v / 2`, brought to length 1 a head.
  ///
  /// - Parameters:
  ///   - y: `[B, N, C]`, the linear part.
  ///   - v: `[B, N, stride]`.
  ///   - channels: those of v that are the values, C of them.
  package func halfValuesAdded(
    _ y: Tensor, _ v: Tensor, channels taken: Range<Int>, heads: Int,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = y.tokenShape(layer())
    let stride = v.tokenShape(layer()).channels
    let width = channels / heads
    precondition(
      v.shape[0] == batch && v.shape[1] == tokens && taken.count == channels
        && taken.upperBound <= stride && width * heads == channels,
      "\(layer()): y \(y.shape), v \(v.shape), channels \(taken), \(heads) heads")
    return output(y.shape, .elementwise, layer: layer(), reading: 2 * y.count) { out in
      chunks(batch * tokens, of: 64) { [kernels] rows in
        let first = out + rows.lowerBound * channels
        for row in rows {
          kernels.mix_rows(
            y.pointer + row * channels, v.pointer + row * stride + taken.lowerBound, 1, 0.5,
            channels, out + row * channels)
        }
        for head in 0..<heads {
          kernels.unit_rows(
            first + head * width, channels, first + head * width, channels, rows.count, width, 1, 0)
        }
      }
    }
  }
}
