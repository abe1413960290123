extension ForwardPass {
  /// An operator of your own: each row of the last axis becomes another row.
  ///
  ///     let squares = pass.mapRows(x, channels: 64, layer: "squares") { row, out in
  ///       for channel in row.indices { out[channel] = row[channel] * row[channel] }
  ///     }
  ///
  /// - Parameters:
  ///   - x: `[..., C]`.
  ///   - channels: width of the new rows.
  ///   - layer: what records of costs call it.
  ///   - body: writes all of a new row, whose elements are anything before; called from several threads
  ///     at once, in any order.
  /// - Returns: `[..., channels]`.
  public func mapRows(
    _ x: Tensor, channels: Int, layer: @autoclosure () -> String,
    _ body: @Sendable (_ row: Span<Float>, _ out: inout MutableSpan<Float>) -> Void
  ) -> Tensor {
    let columns = x.shape.last ?? 1
    let rows = x.count / max(columns, 1)
    let shape = x.shape.replacingLast(with: channels)
    return output(shape, .elementwise, layer: layer(), reading: x.count) { y in
      chunks(rows, of: 64) { range in
        for row in range {
          let source = UnsafeBufferPointer(start: x.pointer + row * columns, count: columns)
          let target = UnsafeMutableBufferPointer(start: y + row * channels, count: channels)
          var out = target.mutableSpan
          body(source.span, &out)
        }
      }
    }
  }
}
