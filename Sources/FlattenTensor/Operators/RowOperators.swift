import FlattenKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Operators on each row of the last axis.
extension ForwardPass {
  /// Layer normalisation over the last axis.
  ///
  /// - Parameters:
  ///   - x: `[..., C]`.
  ///   - gamma: `[C]`.
  ///   - beta: `[C]`.
  public func layerNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, layer: @autoclosure () -> String
  ) -> Tensor {
    let channels = gamma.count
    precondition(x.shape.last == channels, "\(layer()): x is \(x.shape), gamma \(gamma.shape)")
    let kernels = kernels
    return output(x.shape, .layerNorm, layer: layer(), reading: x.count) { y in
      chunks(x.count / channels, of: 128) { rows in
        let offset = rows.lowerBound * channels
        kernels.layer_norm(
          x.pointer + offset, y + offset, rows.count, channels, gamma.pointer, beta.pointer, epsilon
        )
      }
    }
  }

  /// A function of every element.
  public func activate(
    _ x: Tensor, _ activation: Activation, layer: @autoclosure () -> String
  ) -> Tensor {
    features(x, .activation(activation), layer: layer())
  }

  /// `x * y`, element by element; y has x's shape or is one row `[..., C]` of each item.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`.
  ///   - y: `[B, N, stride]` or `[B, 1, stride]`.
  ///   - channels: those of y that are taken, C of them; `nil` takes all.
  public func multiply(
    _ x: Tensor, _ y: Tensor, channels: Range<Int>? = nil, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, width) = x.tokenShape(layer())
    let other = y.tokenShape(layer())
    let taken = channels ?? 0..<other.channels
    precondition(
      other.batch == batch && (other.tokens == tokens || other.tokens == 1)
        && taken.count == width && taken.lowerBound >= 0 && taken.upperBound <= other.channels,
      "\(layer()): \(x.shape) and channels \(taken) of \(y.shape) do not multiply")
    let step = other.tokens == 1 ? 0 : other.channels
    let reading = x.count + batch * other.tokens * width
    return output(x.shape, .elementwise, layer: layer(), reading: reading) { out in
      let kernels = kernels
      for item in 0..<batch {
        chunks(tokens, of: 128) { rows in
          let first = (item * tokens + rows.lowerBound) * width
          (out + first).update(from: x.pointer + first, count: rows.count * width)
          let factor = item * other.tokens * other.channels + rows.lowerBound * step
          kernels.multiply_rows(
            out + first, width, y.pointer + factor + taken.lowerBound, step, rows.count, width)
        }
      }
    }
  }

  /// `x + y`, where y has x's shape or is one item of its batch: `[B, N, C]` and `[N, C]`.
  public func add(_ x: Tensor, _ y: Tensor, layer: @autoclosure () -> String) -> Tensor {
    precondition(
      y.count > 0 && x.count % y.count == 0 && (x.shape == y.shape || x.shape.endsLike(y.shape)),
      "\(layer()): \(x.shape) and \(y.shape) do not add")
    return output(x.shape, .elementwise, layer: layer(), reading: x.count + y.count) { out in
      let kernels = kernels
      chunks(x.count / y.count * 8, of: 1) { pieces in
        let item = pieces.lowerBound / 8 * y.count
        let part = (y.count + 7) / 8
        let first = min(pieces.lowerBound % 8 * part, y.count)
        let count = min(part, y.count - first)
        let target = out + item + first
        target.update(from: x.pointer + item + first, count: count)
        kernels.add_scaled(target, y.pointer + first, 1, count)
      }
    }
  }

  /// Softmax over the last axis.
  public func softmax(_ x: Tensor, layer: @autoclosure () -> String = "") -> Tensor {
    let columns = x.shape.last ?? 1
    let kernels = kernels
    return output(x.shape, .softmaxAttention, layer: layer(), reading: x.count) { y in
      chunks(x.count / max(columns, 1), of: 256) { rows in
        let first = rows.lowerBound * columns
        (y + first).update(from: x.pointer + first, count: rows.count * columns)
        kernels.softmax(y + first, columns, rows.count, columns, 1, nil)
      }
    }
  }
}

/// The same on plain tensors, for small inputs: parameters, tests, post-processing.
extension Tensor {
  /// `log(sum(exp(x)))` subtracted from each row of the last axis.
  package func logSoftmax() -> Tensor {
    mapRows { row, out in
      let largest = row.max() ?? 0
      let sum = row.reduce(0.0) { $0 + Double(expf($1 - largest)) }
      let shift = largest + Float(log(sum))
      for index in row.indices { out[index] = row[index] - shift }
    }
  }

  /// `log(1 + exp(x))`, and x itself above 20 as PyTorch has it.
  package func softplus() -> Tensor {
    mapRows { row, out in
      for index in row.indices {
        out[index] = row[index] > 20 ? row[index] : log1pf(expf(row[index]))
      }
    }
  }

  /// The 2-norm of each row of the last axis, squares added in single precision: `[..., 1]`.
  package func rowNorms() -> Tensor {
    let columns = shape.last ?? 1
    return Tensor(shape.replacingLast(with: 1)) { out in
      for row in out.indices {
        var sum: Float = 0
        for column in 0..<columns {
          sum += pointer[row * columns + column] * pointer[row * columns + column]
        }
        out[row] = sum.squareRoot()
      }
    }
  }

  /// The first class with the largest value in each row of the last axis.
  package func argmax() -> [UInt16] {
    let columns = shape.last ?? 1
    let rows = count / max(columns, 1)
    return [UInt16](unsafeUninitializedCapacity: rows) { buffer, written in
      buffer.baseAddress.map { fk_active().pointee.argmax(pointer, rows, columns, $0) }
      written = rows
    }
  }

  /// Applies an activation to every element.
  package func activated(_ activation: Activation) -> Tensor {
    Tensor(shape) { out in
      guard let base = out.baseAddress else { return }
      base.update(from: pointer, count: count)
      fk_active().pointee.epilogue(base, count, 1, count, nil, activation.code, nil, 0)
    }
  }

  private func mapRows(
    _ body: (UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) -> Void
  ) -> Tensor {
    let columns = shape.last ?? 1
    return Tensor(shape) { out in
      for start in stride(from: 0, to: count, by: max(columns, 1)) {
        body(
          UnsafeBufferPointer(start: pointer + start, count: columns),
          UnsafeMutableBufferPointer(rebasing: out[start..<start + columns]))
      }
    }
  }
}
