import FlattenKernels

/// A function of rows: what queries and keys go through before linear attention multiplies them.
public enum FeatureMap: Sendable, Equatable {
  /// `activation(x) + plus`, each element by itself.
  case activation(Activation, plus: Float = 0)
  /// `x * length / (|x| + epsilon)`, each head by itself.
  case unitRows(length: Float = 1, epsilon: Float)
}

extension ForwardPass {
  /// Features of rows.
  ///
  /// - Parameters:
  ///   - x: `[..., stride]`.
  ///   - channels: those that are taken, C of them; `nil` takes all.
  ///   - map: the function.
  ///   - heads: parts of C, side by side, that are rows of their own.
  /// - Returns: `[..., C]`.
  public func features(
    _ x: Tensor, channels: Range<Int>? = nil, _ map: FeatureMap, heads: Int = 1,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let stride = x.shape.last ?? 1
    let taken = channels ?? 0..<stride
    precondition(
      taken.lowerBound >= 0 && taken.upperBound <= stride && taken.count % heads == 0,
      "\(layer()): channels \(taken) of \(x.shape), \(heads) heads")
    let shape = x.shape.count == 0 ? x.shape : x.shape.replacingLast(with: taken.count)
    let rows = x.count / max(stride, 1)
    return output(shape, .elementwise, layer: layer(), reading: rows * taken.count) { y in
      // Few long rows are cut, where elements do not depend on each other.
      if case .activation = map, taken.count == stride {
        return chunks(x.count, of: 1 << 13) { [self] range in
          features(
            x.pointer + range.lowerBound, stride: range.count, map, heads: 1, width: range.count,
            rows: 1, into: y + range.lowerBound, stride: range.count)
        }
      }
      chunks(rows, of: 128) { [self] range in
        features(
          x.pointer + range.lowerBound * stride + taken.lowerBound, stride: stride, map,
          heads: heads, width: taken.count / heads, rows: range.count,
          into: y + range.lowerBound * taken.count, stride: taken.count)
      }
    }
  }

  /// The same for some rows, on this thread; y may be x.
  func features(
    _ x: UnsafePointer<Float>, stride: Int, _ map: FeatureMap, heads: Int, width: Int, rows: Int,
    into y: UnsafeMutablePointer<Float>, stride yStride: Int
  ) {
    switch map {
    case .activation(let activation, let plus):
      kernels.activate_rows(x, stride, y, yStride, rows, heads * width, activation.code, plus)
    case .unitRows(let length, let epsilon):
      for head in 0..<heads {
        kernels.unit_rows(
          x + head * width, stride, y + head * width, yStride, rows, width, length, epsilon)
      }
    }
  }

  /// Each head's channels several times, each time with a weight of the token's own, for one token on this
  /// thread: `y[h, m, :] = weights[m] x[h, :]`.
  func weightedCopies(
    _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, copies: Int, heads: Int,
    width: Int, into y: UnsafeMutablePointer<Float>
  ) {
    for head in 0..<heads {
      let source = x + head * width
      for copy in 0..<copies {
        kernels.mix_rows(
          source, source, weights[copy], 0, width, y + (head * copies + copy) * width)
      }
    }
  }

  /// Heads of some rows times a number each, on this thread; y may be x.
  func scaledHeads(
    _ x: UnsafePointer<Float>, by factors: UnsafePointer<Float>, heads: Int, width: Int,
    rows: Int, into y: UnsafeMutablePointer<Float>
  ) {
    for part in 0..<rows * heads {
      kernels.mix_rows(
        x + part * width, x + part * width, factors[part], 0, width, y + part * width)
    }
  }

  /// Softmax over the tokens, each channel by itself: `length e^(scale x) / sum_t e^(scale x_t)`.
  ///
  /// - Parameters:
  ///   - x: `[B, N, stride]`.
  ///   - channels: those that are taken, C of them; `nil` takes all.
  ///   - scale: a factor of the scores, above 0.
  ///   - length: what the weights of a channel sum to; `nil` stands for N.
  /// - Returns: `[B, N, C]`.
  public func softmaxOverTokens(
    _ x: Tensor, channels: Range<Int>? = nil, scale: Float = 1, summingTo length: Float? = 1,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer())
    let taken = channels ?? 0..<stride
    let width = taken.count
    precondition(
      taken.lowerBound >= 0 && taken.upperBound <= stride && scale > 0,
      "\(layer()): channels \(taken) of \(x.shape), scale \(scale)")
    let pieces = KeyPieces(tokens)
    let reading = batch * tokens * width
    return output(
      Shape(batch, tokens, width), .softmaxAttention, layer: layer(), reading: reading
    ) { y in
      withScratch(batch * (pieces.count + 1) * width) { table in
        // A row of each piece: its maxima, then its sums. At the end those of all.
        let all = table + batch * pieces.count * width
        threads.run(batch * pieces.count) { [kernels] task in
          let (item, piece) = (task / pieces.count, task % pieces.count)
          let largest = table + task * width
          largest.update(repeating: -.infinity, count: width)
          for range in pieces.ranges(piece) {
            kernels.column_maxima(
              x.pointer + (item * tokens + range.lowerBound) * stride + taken.lowerBound, stride,
              range.count, width, largest)
          }
        }
        for item in 0..<batch {
          let largest = all + item * width
          largest.update(repeating: -.infinity, count: width)
          kernels.column_maxima(
            table + item * pieces.count * width, width, pieces.count, width, largest)
        }
        threads.run(batch * pieces.count) { [self] task in
          let (item, piece) = (task / pieces.count, task % pieces.count)
          let sum = table + task * width
          sum.update(repeating: 0, count: width)
          withScratch(width) { part in
            for range in pieces.ranges(piece) {
              let first = item * tokens + range.lowerBound
              kernels.exp_columns(
                x.pointer + first * stride + taken.lowerBound, stride, y + first * width, width,
                range.count, width, all + item * width, scale)
              kernels.column_sums(y + first * width, width, range.count, width, part)
              kernels.add_scaled(sum, part, 1, width)
            }
          }
        }
        for item in 0..<batch {
          let factor = all + item * width
          factor.update(repeating: 0, count: width)
          for piece in 0..<pieces.count {
            kernels.add_scaled(factor, table + (item * pieces.count + piece) * width, 1, width)
          }
          for channel in 0..<width {
            factor[channel] = (length ?? Float(tokens)) / factor[channel]
          }
        }
        for item in 0..<batch {
          chunks(tokens, of: 256) { [kernels] rows in
            kernels.multiply_rows(
              y + (item * tokens + rows.lowerBound) * width, width, all + item * width, 0,
              rows.count, width)
          }
        }
      }
    }
  }

  /// Channels of a map's tokens taken from a neighbour: Feature Fixation's shift.
  ///
  /// The first eight sixteenths of the channels come from the neighbour at (row, column) (1, 0), (-1, 0),
  /// (0, 1), (0, -1), (-1, -1), (1, 1), (-1, 1) and (1, -1); the others stay. Outside the map the first four
  /// are 0, the other four the token's own.
  ///
  /// - Parameters:
  ///   - x: `[B, N, stride]`.
  ///   - channels: those that are taken, C of them; `nil` takes all.
  ///   - grid: rows and columns of the N tokens.
  /// - Returns: `[B, N, C]`.
  public func shiftedNeighbours(
    _ x: Tensor, channels: Range<Int>? = nil, grid: (height: Int, width: Int),
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, stride) = x.tokenShape(layer())
    let taken = channels ?? 0..<stride
    precondition(
      taken.lowerBound >= 0 && taken.upperBound <= stride && tokens == grid.height * grid.width,
      "\(layer()): channels \(taken) of \(x.shape), a grid of \(grid.height)x\(grid.width)")
    let (width, part) = (taken.count, taken.count / 16)
    return output(
      Shape(batch, tokens, width), .elementwise, layer: layer(), reading: batch * tokens * width
    ) { y in
      chunks(batch * tokens, of: 64) { rows in
        for row in rows {
          let (item, token) = (row / tokens, row % tokens)
          let own = x.pointer + row * stride + taken.lowerBound
          let out = y + row * width
          for group in 0..<8 {
            let step = Self.neighbour(group)
            let (top, left) = (token / grid.width + step.row, token % grid.width + step.column)
            let isInside = top >= 0 && top < grid.height && left >= 0 && left < grid.width
            if isInside || group >= 4 {
              let source =
                isInside
                ? x.pointer + (item * tokens + top * grid.width + left) * stride + taken.lowerBound
                : own
              (out + group * part).update(from: source + group * part, count: part)
            } else {
              (out + group * part).update(repeating: 0, count: part)
            }
          }
          (out + 8 * part).update(from: own + 8 * part, count: width - 8 * part)
        }
      }
    }
  }

  private static func neighbour(_ group: Int) -> (row: Int, column: Int) {
    switch group {
    case 0: (1, 0)
    case 1: (-1, 0)
    case 2: (0, 1)
    case 3: (0, -1)
    case 4: (-1, -1)
    case 5: (1, 1)
    case 6: (-1, 1)
    default: (1, -1)
    }
  }

  /// A product of few rows with a matrix whose inputs and outputs are in groups, and its activation.
  ///
  /// - Parameters:
  ///   - x: `[B, groups i]`.
  ///   - weight: `[groups o, i]`.
  ///   - bias: `[groups o]`.
  /// - Returns: `[B, groups o]`.
  public func groupedLinear(
    _ x: Tensor, _ weight: Tensor, bias: Tensor, groups: Int, activation: Activation,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let batch = x.shape[0]
    precondition(
      x.shape == Shape(batch, groups * inputs) && outputs % groups == 0 && bias.count == outputs,
      "\(layer()): x \(x.shape), weight \(weight.shape), \(groups) groups")
    return output(
      Shape(batch, outputs), .linear, layer: layer(), macs: batch * weight.count,
      reading: x.count + weight.count
    ) { y in
      let own = outputs / groups
      threads.run(batch * groups) { [kernels] task in
        let (item, group) = (task / groups, task % groups)
        let out = y + item * outputs + group * own
        kernels.dot_heads(
          weight.pointer + group * own * inputs, inputs, own, 1, inputs,
          x.pointer + task * inputs, 1, out, 1)
        kernels.epilogue(
          out, own, 1, own, bias.pointer + group * own, activation.code, nil, 0)
      }
    }
  }
}

/// Numbers of each token of a grid that follow from its place alone, such as the sine and cosine of an angle.
public struct TokenWeights: Sendable {
  /// Numbers a token.
  public let count: Int
  private let write:
    @Sendable (
      _ grid: (height: Int, width: Int), _ row: Int, _ column: Int, _ out: inout MutableSpan<Float>
    ) -> Void
  private let copies = SizedCopies()

  /// - Parameters:
  ///   - count: numbers a token.
  ///   - write: writes those of the token at a row and column of a grid.
  public init(
    _ count: Int,
    _ write:
      @escaping @Sendable (
        _ grid: (height: Int, width: Int), _ row: Int, _ column: Int,
        _ out: inout MutableSpan<Float>
      ) -> Void
  ) {
    self.count = count
    self.write = write
  }

  fileprivate func table(_ grid: (height: Int, width: Int)) -> Tensor {
    copies.copy(height: grid.height, width: grid.width) {
      Tensor(Shape(grid.height * grid.width, count)) { out in
        for token in 0..<grid.height * grid.width {
          var row = UnsafeMutableBufferPointer(
            rebasing: out[token * count..<(token + 1) * count]
          ).mutableSpan
          write(grid, token / grid.width, token % grid.width, &row)
        }
      }
    }
  }
}

extension ForwardPass {
  /// The numbers of all tokens of a grid, `[N, count]`: made once a size and kept, unseen by the observer.
  public func table(_ weights: TokenWeights, grid: (height: Int, width: Int)) -> Tensor {
    isDryRun ? kept(Shape(grid.height * grid.width, weights.count)) : weights.table(grid)
  }
}
