// The attention functions of DynaST (Liu et al., arXiv 2207.06124): each query keeps a few keys, which it finds on a
// coarse map and hands on to finer ones.
//
//     dense:   all keys of the map,   P = softmax(q k^T / sqrt C)
//     across:  the four children of each key that the query's parent has kept,   P = softmax(q k^T / T)
//     within:  its own keys, and those of its four neighbours moved back by one cell,   P likewise
//     y = sum_j [q' . k'_j > 0] P_j v_j;   the confidence is the sum of the weights that are left
//
// A key may be a candidate more than once and then counts as often. Of equal scores the first candidate is kept.

import FlattenKernels

/// The inputs of DynaST's attention on one map: `[B, N, ...]`, row by row.
package struct DynamicSparseMaps: Sendable {
  package let query: Tensor
  package let key: Tensor
  /// q' and k', whose product's sign decides whether a key counts.
  package let queryGate: Tensor
  package let keyGate: Tensor
  package let value: Tensor

  package init(
    query: Tensor, key: Tensor, queryGate: Tensor, keyGate: Tensor, value: Tensor
  ) {
    self.query = query
    self.key = key
    self.queryGate = queryGate
    self.keyGate = keyGate
    self.value = value
  }

  fileprivate var batch: Int { query.shape[0] }
  fileprivate var tokens: Int { query.shape[1] }
}

/// What the attention of one map gives.
package struct DynamicSparseResult: Sendable {
  /// `[B, N, C + 1]`: y, then the confidence; `nil` where it was not asked for.
  package let values: Tensor?
  /// The keys that each query keeps.
  package let keys: KeptKeys
}

/// Numbers of keys, K of each query.
package struct KeptKeys: Sendable {
  /// `[B, N, K]`, the bits of each float a whole number.
  fileprivate let numbers: Tensor
  /// K.
  package var count: Int { numbers.shape[2] }

  /// - Parameter indices: `[B, N, K]`.
  package init(_ indices: [Int], shape: Shape) {
    numbers = Tensor(shape, indices.map { Float(bitPattern: UInt32($0)) })
  }

  fileprivate init(numbers: Tensor) { self.numbers = numbers }

  /// `[B, N, K]`. Copies.
  package var indices: [Int] { numbers.elements.map { Int($0.bitPattern) } }

  fileprivate func key(_ query: Int, _ index: Int) -> Int {
    Int(numbers.pointer[query * count + index].bitPattern)
  }
}

extension ForwardPass {
  /// All keys of a map of few tokens.
  ///
  /// - Parameters:
  ///   - top: keys that each query keeps, K, or as many as there are.
  ///   - wantsValues: whether y is wanted.
  package func denseAttention(
    _ maps: DynamicSparseMaps, top: Int, wantsValues: Bool, layer: @autoclosure () -> String
  ) -> DynamicSparseResult {
    let (tokens, channels) = (maps.tokens, maps.query.shape[2])
    let scale = 1 / Float(channels).squareRoot()
    return candidates(
      maps, count: tokens, top: top, scale: scale, wantsValues: wantsValues, layer: layer()
    ) { _, _, out in
      for key in 0..<tokens { out[key] = Int32(key) }
    }
  }

  /// The children of the keys that each query's parent has kept on a map of half the sides.
  ///
  /// - Parameters:
  ///   - kept: on the coarser map.
  ///   - grid: rows and columns of the N tokens, even numbers.
  ///   - temperature: T.
  package func acrossAttention(
    _ maps: DynamicSparseMaps, kept: KeptKeys, grid: (height: Int, width: Int), top: Int,
    temperature: Float, wantsValues: Bool, layer: @autoclosure () -> String
  ) -> DynamicSparseResult {
    let (coarse, own) = (grid.width / 2, kept.count)
    let parents = kept.numbers.shape[1]
    precondition(
      grid.height % 2 == 0 && grid.width % 2 == 0 && parents * 4 == maps.tokens,
      "\(layer()): keys \(kept.numbers.shape) for a grid of \(grid)")
    return candidates(
      maps, count: 4 * own, top: top, scale: 1 / temperature, wantsValues: wantsValues,
      layer: layer()
    ) { item, token, out in
      let (row, column) = (token / grid.width, token % grid.width)
      let parent = item * parents + row / 2 * coarse + column / 2
      for index in 0..<own {
        let key = kept.key(parent, index)
        let first = key / coarse * 2 * grid.width + key % coarse * 2
        out[4 * index] = Int32(first)
        out[4 * index + 1] = Int32(first + 1)
        out[4 * index + 2] = Int32(first + grid.width)
        out[4 * index + 3] = Int32(first + grid.width + 1)
      }
    }
  }

  /// Each query's own keys, and those of its neighbours above, below, left and right, moved back by one.
  ///
  package func withinAttention(
    _ maps: DynamicSparseMaps, kept: KeptKeys, grid: (height: Int, width: Int), top: Int,
    temperature: Float, wantsValues: Bool, layer: @autoclosure () -> String
  ) -> DynamicSparseResult {
    let own = kept.count
    precondition(
      kept.numbers.shape[1] == maps.tokens && maps.tokens == grid.height * grid.width,
      "\(layer()): keys \(kept.numbers.shape) for a grid of \(grid)")
    func clamped(_ value: Int, _ extent: Int) -> Int { min(max(value, 0), extent - 1) }
    return candidates(
      maps, count: 5 * own, top: top, scale: 1 / temperature, wantsValues: wantsValues,
      layer: layer()
    ) { item, token, out in
      let (row, column) = (token / grid.width, token % grid.width)
      func add(_ number: Int, _ dy: Int, _ dx: Int) {
        let neighbour =
          clamped(row + dy, grid.height) * grid.width + clamped(column + dx, grid.width)
        for index in 0..<own {
          let key = kept.key(item * maps.tokens + neighbour, index)
          out[number * own + index] = Int32(
            clamped(key / grid.width - dy, grid.height) * grid.width
              + clamped(key % grid.width - dx, grid.width))
        }
      }
      add(0, 0, 0)
      add(1, -1, 0)
      add(2, 1, 0)
      add(3, 0, -1)
      add(4, 0, 1)
    }
  }

  /// The attention of each query for a list of keys of its own.
  ///
  /// - Parameters:
  ///   - count: keys of each list.
  ///   - scale: of scores.
  ///   - list: writes the keys of a token of an item.
  private func candidates(
    _ maps: DynamicSparseMaps, count: Int, top: Int, scale: Float, wantsValues: Bool,
    layer: @autoclosure () -> String,
    list: (_ item: Int, _ token: Int, _ out: UnsafeMutablePointer<Int32>) -> Void
  ) -> DynamicSparseResult {
    let (batch, tokens, channels) = maps.query.tokenShape(layer())
    let (gates, width) = (maps.queryGate.shape[2], maps.value.shape[2])
    let most = min(top, count)
    let scores = output(
      Shape(batch, tokens, 2 * count), .softmaxAttention, layer: "\(layer()).scores",
      macs: batch * tokens * count * channels, reading: maps.query.count + maps.key.count
    ) { scores in
      chunks(batch * tokens, of: 32) { [kernels] rows in
        for row in rows {
          let keys = UnsafeMutableRawPointer(scores + (2 * row + 1) * count).bindMemory(
            to: Int32.self, capacity: count)
          list(row / tokens, row % tokens, keys)
          let first = row / tokens * tokens
          for index in 0..<count {
            kernels.dot_heads(
              maps.key.pointer + (first + Int(keys[index])) * channels, channels, 1, 1, channels,
              maps.query.pointer + row * channels, scale, scores + 2 * row * count + index, 1)
          }
        }
      }
    }
    func keys(_ row: Int) -> UnsafePointer<Int32> {
      UnsafeRawPointer(scores.pointer + (2 * row + 1) * count).assumingMemoryBound(to: Int32.self)
    }
    let kept = output(
      Shape(batch, tokens, most), .softmaxAttention, layer: "\(layer()).top", reading: scores.count
    ) { kept in
      chunks(batch * tokens, of: 64) { rows in
        for row in rows {
          let (values, keys) = (scores.pointer + 2 * row * count, keys(row))
          Self.largest(values, count: count, most) {
            kept[row * most + $0] = Float(bitPattern: UInt32(keys[$1]))
          }
        }
      }
    }
    let found = KeptKeys(numbers: kept)
    guard wantsValues else { return DynamicSparseResult(values: nil, keys: found) }
    let values = output(
      Shape(batch, tokens, width + 1), .softmaxAttention, layer: "\(layer()).values",
      macs: batch * tokens * count * (width + gates),
      reading: scores.count + maps.queryGate.count + maps.keyGate.count + maps.value.count
    ) { y in
      chunks(batch * tokens, of: 32) { [self] rows in
        withScratch(count + 1) { [kernels] weights in
          for row in rows {
            weights.update(from: scores.pointer + 2 * row * count, count: count)
            kernels.softmax(weights, count, 1, count, 1, nil)
            let (out, keys, first) = (y + row * (width + 1), keys(row), row / tokens * tokens)
            out.update(repeating: 0, count: width + 1)
            for index in 0..<count {
              let key = first + Int(keys[index])
              kernels.dot_heads(
                maps.keyGate.pointer + key * gates, gates, 1, 1, gates,
                maps.queryGate.pointer + row * gates, 1, weights + count, 1)
              // A NaN must stay visible.
              if weights[count] <= 0 { continue }
              kernels.add_scaled(out, maps.value.pointer + key * width, weights[index], width)
              out[width] += weights[index]
            }
          }
        }
      }
    }
    return DynamicSparseResult(values: values, keys: found)
  }

  /// Finds the positions of the largest numbers, in falling order; of equal ones the first.
  private static func largest(
    _ values: UnsafePointer<Float>, count: Int, _ most: Int,
    _ found: (_ place: Int, _ index: Int) -> Void
  ) {
    var (bound, after) = (Float.infinity, -1)
    for place in 0..<most {
      var best = -1
      for index in 0..<count {
        let value = values[index]
        // Not yet found: smaller than the last one, or equal and behind it.
        guard value < bound || (value == bound && index > after) || value.isNaN else { continue }
        if best < 0 || value > values[best] { best = index }
      }
      guard best >= 0 else {
        found(place, place)
        continue
      }
      (bound, after) = (values[best], best)
      found(place, best)
    }
  }

  /// What the attention does not take from other tokens it takes from the token itself: `y + (1 - confidence) v`,
  /// of the cells of a grid that lie on a smaller one.
  ///
  /// - Parameters:
  ///   - values: `[B, N, C + 1]`.
  ///   - own: v, `[B, N, C]`.
  ///   - grid: rows and columns of the N tokens.
  ///   - cropped: rows and columns of the result.
  package func fallingBack(
    _ values: Tensor, on own: Tensor, grid: (height: Int, width: Int),
    to cropped: (height: Int, width: Int), layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = own.tokenShape(layer())
    precondition(
      values.shape == Shape(batch, tokens, channels + 1) && tokens == grid.height * grid.width,
      "\(layer()): values \(values.shape), own \(own.shape), \(grid)")
    return output(
      Shape(batch, cropped.height * cropped.width, channels), .elementwise, layer: layer(),
      reading: values.count + own.count
    ) { y in
      threads.run(batch * cropped.height) { [kernels] task in
        let (item, row) = (task / cropped.height, task % cropped.height)
        for column in 0..<cropped.width {
          let token = item * tokens + row * grid.width + column
          let value = values.pointer + token * (channels + 1)
          kernels.mix_rows(
            value, own.pointer + token * channels, 1, 1 - value[channels], channels,
            y + (task * cropped.width + column) * channels)
        }
      }
    }
  }

  /// A map continued to the right and below by its edge, so that both sides are multiples of `step`.
  ///
  /// - Parameter x: `[B, H, W, C]`.
  package func edgePadded(
    _ x: Tensor, toMultipleOf step: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    let shape = Shape(batch, height.rounded(up: step), width.rounded(up: step), channels)
    if shape == x.shape { return x }
    return output(shape, .elementwise, layer: layer(), reading: x.count) { y in
      threads.run(batch * shape[1]) { task in
        let line = y + task * shape[2] * channels
        let row = task / shape[1] * height + min(task % shape[1], height - 1)
        let source = x.pointer + row * width * channels
        line.update(from: source, count: width * channels)
        for column in width..<shape[2] {
          (line + column * channels).update(from: source + (width - 1) * channels, count: channels)
        }
      }
    }
  }

  /// The means of `step` x `step` cells.
  ///
  /// - Parameter x: `[B, H, W, C]`; both sides are multiples.
  package func averagePool(
    _ x: Tensor, by step: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    precondition(
      height.isMultiple(of: step) && width.isMultiple(of: step),
      "\(layer()): \(x.shape) in steps of \(step)")
    if step == 1 { return x }
    let (rows, columns) = (height / step, width / step)
    return output(
      Shape(batch, rows, columns, channels), .pooling, layer: layer(), reading: x.count
    ) { y in
      threads.run(batch * rows) { [kernels] task in
        for column in 0..<columns {
          let out = y + (task * columns + column) * channels
          out.update(repeating: 0, count: channels)
          for row in task * step..<(task + 1) * step {
            for cell in column * step..<(column + 1) * step {
              kernels.add_scaled(
                out, x.pointer + (row * width + cell) * channels, 1 / Float(step * step), channels)
            }
          }
        }
      }
    }
  }
}
