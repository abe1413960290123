/// Taking token sequences apart and putting them together, for models with a class token.
extension ForwardPass {
  /// Some tokens of each item.
  ///
  /// - Parameter x: `[B, N, C]`.
  /// - Returns: `[B, range.count, C]`.
  public func tokens(_ x: Tensor, _ range: Range<Int>, layer: @autoclosure () -> String) -> Tensor {
    let (batch, tokens, channels) = x.tokenShape(layer())
    precondition(
      range.lowerBound >= 0 && range.upperBound <= tokens,
      "\(layer()): tokens \(range) of \(x.shape)"
    )
    if range == 0..<tokens { return x }
    let shape = Shape(batch, range.count, channels)
    let reading = shape.elementCount
    return output(shape, .elementwise, layer: layer(), reading: reading) { y in
      chunks(batch * range.count, of: 64) { rows in
        for row in rows {
          let source = row / range.count * tokens + range.lowerBound + row % range.count
          (y + row * channels).update(from: x.pointer + source * channels, count: channels)
        }
      }
    }
  }

  /// The tokens of `first` before those of `x`, item by item.
  ///
  /// - Parameters:
  ///   - first: `[B, n, C]`, or `[1, n, C]` for all items alike.
  ///   - x: `[B, N, C]`.
  /// - Returns: `[B, n + N, C]`.
  public func joinTokens(_ first: Tensor, _ x: Tensor, layer: @autoclosure () -> String) -> Tensor {
    let (batch, tokens, channels) = x.tokenShape(layer())
    let leading = first.tokenShape(layer())
    precondition(
      leading.channels == channels && (leading.batch == batch || leading.batch == 1),
      "\(layer()): \(first.shape) and \(x.shape) do not join")
    let all = leading.tokens + tokens
    let reading = batch * all * channels
    return output(Shape(batch, all, channels), .elementwise, layer: layer(), reading: reading) {
      y in
      chunks(batch * all, of: 64) { rows in
        for row in rows {
          let (item, token) = (row / all, row % all)
          let source =
            token < leading.tokens
            ? first.pointer + (item % leading.batch * leading.tokens + token) * channels
            : x.pointer + (item * tokens + token - leading.tokens) * channels
          (y + row * channels).update(from: source, count: channels)
        }
      }
    }
  }
}
