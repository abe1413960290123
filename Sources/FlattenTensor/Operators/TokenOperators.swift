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

  /// One part of every head, where the channels of each head's parts lie side by side: `q k v, q k v, ...`; of several
  /// token lists, whose heads then stand behind each other.
  ///
  /// - Parameters:
  ///   - lists: `[B, N, heads * parts * width]` each.
  ///   - part: its number.
  ///   - parts: of each head.
  ///   - width: channels of a part.
  ///   - activation: applied to the result.
  /// - Returns: `[B, N, lists * heads * width]`.
  package func headParts(
    _ lists: [Tensor], part: Int, of parts: Int, width: Int, activation: Activation = .none,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = lists[0].tokenShape(layer())
    precondition(
      lists.allSatisfy { $0.shape == lists[0].shape } && channels % (parts * width) == 0
        && (0..<parts).contains(part),
      "\(layer()): part \(part) of \(parts) x \(width) of \(lists.map(\.shape))")
    let heads = channels / (parts * width)
    let shape = Shape(batch, tokens, lists.count * heads * width)
    return output(shape, .elementwise, layer: layer(), reading: shape.elementCount) { y in
      let row = shape[2]
      chunks(batch * tokens, of: 64) { [kernels] rows in
        var out = y + rows.lowerBound * row
        for token in rows {
          for list in lists {
            var source = list.pointer + token * channels + part * width
            for _ in 0..<heads {
              out.update(from: source, count: width)
              out += width
              source += parts * width
            }
          }
        }
        if activation != .none {
          let first = y + rows.lowerBound * row
          kernels.epilogue(
            first, row, rows.count, row, nil, activation.code, nil, 0)
        }
      }
    }
  }
}
