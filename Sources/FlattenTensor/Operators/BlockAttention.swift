// Attention inside blocks of tokens, as TransNormer's DiagAttention has it (Qin et al., arXiv 2210.10340): windows of
// the map, or runs of the list of tokens.

import FlattenKernels

/// How tokens are divided into blocks that do not see each other.
package enum TokenBlocks: Sendable, Equatable {
  /// Runs of the list of tokens. The last one, where it is shorter, is filled up with keys of zeros.
  case raster(size: Int)
  /// Windows of the map, those at its right and lower edge perhaps smaller.
  case windows(side: Int)
}

/// How scores `q k^T / sqrt d` become weights of values.
package enum BlockWeighting: Sendable, Equatable {
  /// `max(score, 0)`.
  case relu
  /// Softmax over the block.
  case softmax
}

extension ForwardPass {
  /// Attention inside blocks: `[B, N, C]`.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - k: `[B, N, C]`.
  ///   - v: `[B, N, C]`.
  ///   - grid: rows and columns of the N tokens.
  package func blockAttention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, _ blocks: TokenBlocks,
    _ weighting: BlockWeighting, grid: (height: Int, width: Int),
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, tokens, channels) = q.tokenShape(layer())
    let width = channels / heads
    precondition(
      k.shape == q.shape && v.shape == q.shape && tokens == grid.height * grid.width
        && width * heads == channels,
      "\(layer()): q \(q.shape), k \(k.shape), v \(v.shape), \(heads) heads, \(grid)")
    let layout = BlockLayout(blocks, grid)
    return output(
      q.shape, .softmaxAttention, layer: layer(),
      macs: 2 * batch * tokens * min(layout.mostTokens, tokens) * channels, reading: 3 * q.count
    ) { y in
      threads.run(batch * layout.count * heads) { [self] task in
        let (item, head) = (task / (layout.count * heads), task % heads)
        attend(
          layout[task / heads % layout.count], offset: item * tokens * channels + head * width,
          q.pointer, k.pointer, v.pointer, stride: channels, width: width, weighting, into: y)
      }
    }
  }

  /// One head of one block.
  private func attend(
    _ block: BlockLayout.Block, offset: Int, _ q: UnsafePointer<Float>,
    _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, stride: Int, width: Int,
    _ weighting: BlockWeighting, into y: UnsafeMutablePointer<Float>
  ) {
    let (count, keys) = (block.tokens, block.tokens + block.padding)
    let keyCount = Products.packedCount(depth: width, columns: keys)
    let valueCount = Products.packedCount(depth: keys, columns: width)
    let rowCount = keys * width
    withScratch(2 * rowCount + keyCount + valueCount + count * keys) { [kernels] rows in
      let (packedKeys, out) = (rows + 2 * rowCount, rows + rowCount)
      let packedValues = packedKeys + keyCount
      let scores = packedValues + valueCount
      func gather(_ source: UnsafePointer<Float>) {
        for run in 0..<block.runs {
          for cell in 0..<block.length {
            let token = block.first + run * block.step + cell
            (rows + (run * block.length + cell) * width).update(
              from: source + offset + token * stride, count: width)
          }
        }
        (rows + count * width).update(repeating: 0, count: block.padding * width)
      }
      gather(k)
      Products.pack(
        rows, depthStride: 1, columnStride: width, depth: width, columns: keys, into: packedKeys)
      gather(v)
      Products.pack(
        rows, depthStride: width, columnStride: 1, depth: keys, columns: width, into: packedValues)
      gather(q)
      let scale = 1 / Float(width).squareRoot()
      if weighting == .relu { kernels.mix_rows(rows, rows, scale, 0, count * width, rows) }
      Products.multiply(
        rows, rowStride: width, depthStride: 1, rows: count, depth: width, packed: packedKeys,
        columns: 0..<keys, of: keys,
        epilogue: fk_epilogue(
          bias: nil, activation: weighting == .relu ? FK_RELU : FK_NONE, residual: nil, ldr: 0),
        into: scores, stride: keys)
      if weighting == .softmax { kernels.softmax(scores, keys, count, keys, scale, nil) }
      Products.multiply(
        scores, rowStride: keys, depthStride: 1, rows: count, depth: keys, packed: packedValues,
        columns: 0..<width, of: width, into: out, stride: width)
      for run in 0..<block.runs {
        for cell in 0..<block.length {
          let token = block.first + run * block.step + cell
          (y + offset + token * stride).update(
            from: out + (run * block.length + cell) * width, count: width)
        }
      }
    }
  }
}

/// The blocks of a grid of tokens.
private struct BlockLayout {
  /// Runs of neighbouring tokens, equally long and a number of tokens apart.
  struct Block {
    let first: Int
    let runs: Int
    let length: Int
    let step: Int
    /// Keys of zeros.
    let padding: Int
    var tokens: Int { runs * length }
  }

  private let blocks: TokenBlocks
  private let grid: (height: Int, width: Int)
  private let columns: Int
  let count: Int

  init(_ blocks: TokenBlocks, _ grid: (height: Int, width: Int)) {
    self.blocks = blocks
    self.grid = grid
    switch blocks {
    case .raster(let size):
      columns = 1
      count = (grid.height * grid.width + size - 1) / size
    case .windows(let side):
      columns = (grid.width + side - 1) / side
      count = (grid.height + side - 1) / side * columns
    }
  }

  var mostTokens: Int {
    switch blocks {
    case .raster(let size): size
    case .windows(let side): side * side
    }
  }

  subscript(index: Int) -> Block {
    switch blocks {
    case .raster(let size):
      let length = min(size, grid.height * grid.width - index * size)
      return Block(
        first: index * size, runs: 1, length: length, step: 0, padding: size - length)
    case .windows(let side):
      let (row, column) = (index / columns * side, index % columns * side)
      return Block(
        first: row * grid.width + column, runs: min(side, grid.height - row),
        length: min(side, grid.width - column), step: grid.width, padding: 0)
    }
  }
}
