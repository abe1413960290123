// DAPE V2 on a map (Zheng et al., arXiv 2410.04798): the scores of a query for the grid of keys are a picture of h
// channels, and so are their position biases; two convolutions of both are added to the scores.
//
//     S' = S + B + conv(leaky(conv([S; B])))     leaky: slope 0.01;  2h -> m -> h channels
//     B  = -p log(1 + a r),   r the distance of token and key,   p and a at least 0.01

import FlattenKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The parameters of the convolutions over scores.
package struct KeyScoreWeights: Sendable {
  package let heads: Int
  /// m.
  let hidden: Int
  /// Rows and columns of both windows.
  let window: (rows: Int, columns: Int)
  /// A tap of the window after another, each `[2h, m]`, packed.
  private let first: [PackedMatrix]
  let firstBias: Tensor
  /// `[m, taps * h]`, packed.
  private let second: PackedMatrix
  let secondBias: [Float]
  let slopes: [Float]
  let rates: [Float]

  /// - Parameters:
  ///   - first: `[m, 2h, rows, columns]`, and its bias `[m]`.
  ///   - second: `[h, m, rows, columns]`, and its bias `[h]`.
  ///   - slopes: p of each head.
  ///   - rates: a of each head.
  package init(
    first: Tensor, firstBias: Tensor, second: Tensor, secondBias: Tensor, slopes: Tensor,
    rates: Tensor
  ) {
    let (hidden, inputs, rows, columns) = (
      first.shape[0], first.shape[1], first.shape[2], first.shape[3]
    )
    let heads = second.shape[0]
    precondition(
      inputs == 2 * heads && second.shape == Shape(heads, hidden, rows, columns),
      "convolutions \(first.shape) and \(second.shape) of scores")
    self.heads = heads
    self.hidden = hidden
    window = (rows, columns)
    let taps = rows * columns
    self.first = (0..<taps).map { tap in
      PackedMatrix(
        Tensor(Shape(hidden, inputs)) { out in
          for index in 0..<hidden * inputs { out[index] = first.pointer[index * taps + tap] }
        })
    }
    self.firstBias = firstBias
    self.second = PackedMatrix(
      Tensor(Shape(taps * heads, hidden)) { out in
        for tap in 0..<taps {
          for head in 0..<heads {
            for input in 0..<hidden {
              out[(tap * heads + head) * hidden + input] =
                second.pointer[(head * hidden + input) * taps + tap]
            }
          }
        }
      })
    self.secondBias = secondBias.elements
    self.slopes = slopes.elements.map { max($0, 0.01) }
    self.rates = rates.elements.map { max($0, 0.01) }
  }

  /// The bias of a head at a distance.
  package func bias(head: Int, distance: Float) -> Float {
    -slopes[head] * log1pf(rates[head] * distance)
  }

  /// Floats of memory that refining wants.
  fileprivate func memory(rows: Int, keys: (rows: Int, columns: Int)) -> Int {
    let cells = rows * padded(keys).cells + 2 * margin(keys)
    return cells * (2 * heads + 2 * hidden + window.rows * window.columns * heads)
  }

  /// The grid of keys with a border that windows reach.
  private func padded(_ keys: (rows: Int, columns: Int)) -> (width: Int, cells: Int) {
    let width = keys.columns + window.columns - 1
    return (width, width * (keys.rows + window.rows - 1))
  }

  /// Cells that a window reaches before and after all.
  private func margin(_ keys: (rows: Int, columns: Int)) -> Int {
    window.rows / 2 * padded(keys).width + window.columns / 2
  }

  /// Adds biases and convolutions to the scores of some queries, in place.
  ///
  /// - Parameters:
  ///   - inputs: what the convolutions see of the scores, `[h, rows, n]`; may be `scores`.
  ///   - scores: `[h, rows, n]`.
  ///   - biases: `[h, rows, n]`.
  ///   - rows: queries.
  ///   - keys: rows and columns of the n keys.
  fileprivate func refine(
    _ scores: UnsafeMutablePointer<Float>, seen inputs: UnsafePointer<Float>,
    biases: UnsafePointer<Float>, rows: Int, keys: (rows: Int, columns: Int),
    in memory: UnsafeMutablePointer<Float>
  ) {
    let count = keys.rows * keys.columns
    let (width, perRow) = padded(keys)
    let (cells, margin) = (rows * perRow, margin(keys))
    let (top, left) = (window.rows / 2, window.columns / 2)
    let channels = 2 * heads
    // Pictures of all queries one after another, each with its border, so that a tap of the window is a step in
    // memory. What windows read beyond a border belongs to no key.
    let pictures = memory
    let hiddens = pictures + (cells + 2 * margin) * channels
    let products = hiddens + 2 * (cells + 2 * margin) * hidden
    pictures.update(repeating: 0, count: (cells + 2 * margin) * channels)
    func cell(_ row: Int, _ key: Int) -> Int {
      margin + row * perRow + (key / keys.columns + top) * width + key % keys.columns + left
    }
    for row in 0..<rows {
      for key in 0..<count {
        let out = pictures + cell(row, key) * channels
        for head in 0..<heads {
          out[head] = inputs[(head * rows + row) * count + key]
          out[heads + head] = biases[(head * rows + row) * count + key]
        }
      }
    }
    // Two buffers in turn, as a product must not write what it adds.
    let (even, odd) = (hiddens, hiddens + (cells + 2 * margin) * hidden)
    for (tap, weight) in first.enumerated() {
      let start = margin + (tap / window.columns - top) * width + tap % window.columns - left
      let (target, before) = tap % 2 == 0 ? (even, odd) : (odd, even)
      weight.multiply(
        RowBlock(pictures + start * channels, rows: cells, columns: channels),
        columns: 0..<hidden,
        epilogue: fk_epilogue(
          bias: tap == 0 ? firstBias.pointer : nil, activation: FK_NONE,
          residual: tap == 0 ? nil : UnsafePointer(before + margin * hidden), ldr: hidden),
        into: target + margin * hidden, stride: hidden)
    }
    let values = first.count % 2 == 1 ? even : odd
    clear(values, rows: rows, keys: keys)
    // Each cell's products with all taps, of which a key takes one from each neighbour.
    let outputs = first.count * heads
    second.multiply(
      RowBlock(values, rows: cells + 2 * margin, columns: hidden), columns: 0..<outputs,
      epilogue: fk_epilogue(), into: products, stride: outputs)
    for row in 0..<rows {
      for key in 0..<count {
        let center = cell(row, key)
        for head in 0..<heads {
          let index = (head * rows + row) * count + key
          var sum = secondBias[head]
          for tap in 0..<first.count {
            let neighbour =
              center + (tap / window.columns - top) * width + tap % window.columns - left
            sum += products[neighbour * outputs + tap * heads + head]
          }
          scores[index] += biases[index] + sum
        }
      }
    }
  }

  /// Makes the leaky ReLU of the cells that are keys, and zeros of those of the border and the margins.
  private func clear(
    _ values: UnsafeMutablePointer<Float>, rows: Int, keys: (rows: Int, columns: Int)
  ) {
    let (width, perRow) = padded(keys)
    let (top, left, margin) = (window.rows / 2, window.columns / 2, margin(keys))
    values.update(repeating: 0, count: margin * hidden)
    (values + (margin + rows * perRow) * hidden).update(repeating: 0, count: margin * hidden)
    for place in 0..<rows * perRow {
      let (row, column) = (place % perRow / width - top, place % width - left)
      let out = values + (margin + place) * hidden
      guard row >= 0, row < keys.rows, column >= 0, column < keys.columns else {
        out.update(repeating: 0, count: hidden)
        continue
      }
      for channel in 0..<hidden { out[channel] = max(out[channel], 0.01 * out[channel]) }
    }
  }
}

/// The keys of scores: a grid, and where its cells lie among the tokens.
package struct KeyCells: Sendable {
  /// Row of each row of keys, in tokens; a cell's centre may lie between two.
  let rows: [Float]
  let columns: [Float]
  var count: Int { rows.count * columns.count }

  /// - Parameters:
  ///   - rows: the centre of each row of keys, in rows of tokens.
  ///   - columns: the same of columns.
  package init(rows: [Float], columns: [Float]) {
    self.rows = rows
    self.columns = columns
  }
}

extension ForwardPass {
  /// Softmax attention over few keys whose scores are refined by convolutions: `[B, N, C]`.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - kv: `[B, n, 2C]`, keys first.
  ///   - weights: of the convolutions.
  ///   - cells: the n keys.
  ///   - grid: rows and columns of the N tokens.
  package func keyScoreAttention(
    _ q: Tensor, kv: Tensor, _ weights: KeyScoreWeights, cells: KeyCells,
    grid: (height: Int, width: Int), layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = q.tokenShape(layer())
    let (heads, count) = (weights.heads, cells.count)
    let width = channels / heads
    precondition(
      kv.shape == Shape(batch, count, 2 * channels) && tokens == grid.height * grid.width
        && width * heads == channels,
      "\(layer()): q \(q.shape), kv \(kv.shape), \(heads) heads, \(grid)")
    let taps = weights.window.rows * weights.window.columns
    let macs = batch * tokens * count * (2 * channels + taps * 3 * heads * weights.hidden)
    return output(
      q.shape, .softmaxAttention, layer: layer(), macs: macs, reading: q.count + kv.count
    ) { y in
      let keyCount = Products.packedCount(depth: width, columns: count)
      let valueCount = Products.packedCount(depth: count, columns: width)
      let packedCount = keyCount + valueCount
      withScratch(batch * heads * packedCount) { [self] packed in
        for index in 0..<batch * heads {
          let source =
            kv.pointer + index / heads * count * 2 * channels + index % heads * width
          let target = packed + index * packedCount
          Products.pack(
            source, depthStride: 1, columnStride: 2 * channels, depth: width, columns: count,
            into: target)
          Products.pack(
            source + channels, depthStride: 2 * channels, columnStride: 1, depth: count,
            columns: width, into: target + keyCount)
        }
        let rows = max(1, min(16, 1024 / count))
        let blocks = (tokens + rows - 1) / rows
        threads.run(batch * blocks) { [self] task in
          let (item, first) = (task / blocks, task % blocks * rows)
          let block = first..<min(first + rows, tokens)
          withScratch(heads * block.count * count) { scores in
            let start = packed + item * heads * packedCount
            write(
              scores, q.pointer + item * tokens * channels, stride: channels, width: width,
              packed: start, packedStride: packedCount, weights, cells, tokens: block, grid)
            for head in 0..<heads {
              let part = scores + head * block.count * count
              kernels.softmax(part, count, block.count, count, 1, nil)
              Products.multiply(
                part, rowStride: count, depthStride: 1, rows: block.count, depth: count,
                packed: start + head * packedCount + keyCount, columns: 0..<width, of: width,
                into: y + (item * tokens + first) * channels + head * width, stride: channels)
            }
          }
        }
      }
    }
  }

  /// The same attention's scores before the softmax, of some tokens of the first picture, `[1, h tokens, n]`: for
  /// those who look inside.
  package func keyScores(
    _ q: Tensor, kv: Tensor, _ weights: KeyScoreWeights, cells: KeyCells,
    grid: (height: Int, width: Int), tokens: Range<Int>, layer: @autoclosure () -> String
  ) -> Tensor {
    let channels = q.tokenShape(layer()).channels
    let (heads, count) = (weights.heads, cells.count)
    let width = channels / heads
    return output(
      Shape(1, heads * tokens.count, count), .softmaxAttention, layer: layer(), reading: q.count
    ) { y in
      let size = Products.packedCount(depth: width, columns: count)
      withScratch(heads * (size + count)) { [self] packed in
        let scores = packed + heads * size
        for head in 0..<heads {
          Products.pack(
            kv.pointer + head * width, depthStride: 1, columnStride: 2 * channels, depth: width,
            columns: count, into: packed + head * size)
        }
        for (row, token) in tokens.enumerated() {
          write(
            scores, q.pointer, stride: channels, width: width, packed: packed, packedStride: size,
            weights, cells, tokens: token..<token + 1, grid)
          for head in 0..<heads {
            (y + (head * tokens.count + row) * count).update(
              from: scores + head * count, count: count)
          }
        }
      }
    }
  }

  /// Writes the refined scores of some tokens, `[h, tokens, n]`.
  private func write(
    _ scores: UnsafeMutablePointer<Float>, _ q: UnsafePointer<Float>, stride: Int, width: Int,
    packed: UnsafePointer<Float>, packedStride: Int, _ weights: KeyScoreWeights,
    _ cells: KeyCells, tokens: Range<Int>, _ grid: (height: Int, width: Int)
  ) {
    let (heads, count, rows) = (weights.heads, cells.count, tokens.count)
    let keys = (rows: cells.rows.count, columns: cells.columns.count)
    let scale = 1 / Float(width).squareRoot()
    let size = heads * rows * count
    withScratch(size + weights.memory(rows: rows, keys: keys)) { [self] biases in
      for head in 0..<heads {
        Products.multiply(
          q + tokens.lowerBound * stride + head * width, rowStride: stride, depthStride: 1,
          rows: rows, depth: width, packed: packed + head * packedStride, columns: 0..<count,
          of: count, into: scores + head * rows * count, stride: count)
      }
      kernels.mix_rows(scores, scores, scale, 0, size, scores)
      for (row, token) in tokens.enumerated() {
        let (y, x) = (Float(token / grid.width), Float(token % grid.width))
        for key in 0..<count {
          let dy = y - cells.rows[key / keys.columns]
          let dx = x - cells.columns[key % keys.columns]
          let distance = (dy * dy + dx * dx).squareRoot()
          for head in 0..<heads {
            biases[(head * rows + row) * count + key] = weights.bias(head: head, distance: distance)
          }
        }
      }
      weights.refine(
        scores, seen: UnsafePointer(scores), biases: biases, rows: rows, keys: keys,
        in: biases + size)
    }
  }

  /// DAPE V2 as published, along a sequence: scores of keys after the query are not seen, and have the bias of
  /// distance 0.
  ///
  /// - Parameter scores: `[B, h, N, N]`, before the softmax.
  /// - Returns: the same shape.
  package func sequenceScores(
    _ scores: Tensor, _ weights: KeyScoreWeights, layer: @autoclosure () -> String
  ) -> Tensor {
    let (heads, count) = (weights.heads, scores.shape[2])
    let size = heads * count * count
    precondition(
      scores.shape == Shape(scores.shape[0], heads, count, count),
      "\(layer()): scores \(scores.shape), \(heads) heads")
    return output(scores.shape, .softmaxAttention, layer: layer(), reading: scores.count) { y in
      threads.run(scores.shape[0]) { [self] item in
        let keys = (rows: 1, columns: count)
        withScratch(2 * size + weights.memory(rows: count, keys: keys)) { seen in
          let biases = seen + size
          let (given, out) = (scores.pointer + item * size, y + item * size)
          out.update(from: given, count: size)
          for head in 0..<heads {
            for row in 0..<count {
              for key in 0..<count {
                let index = (head * count + row) * count + key
                seen[index] = key > row ? 0 : given[index]
                biases[index] = weights.bias(head: head, distance: Float(max(row - key, 0)))
              }
            }
          }
          weights.refine(
            out, seen: seen, biases: biases, rows: count, keys: keys, in: biases + size)
        }
      }
    }
  }
}
