// Agent attention (Han et al., arXiv 2312.08874, equations 3 to 5): a few tokens, the agents, first gather
// from all keys and then hand out to all queries.
//
//     V_A = softmax(A K^T / sqrt d + B_1) V      [n, d] a head
//     Y   = softmax(Q A^T / sqrt d + B_2) V_A    [N, d] a head
//
// B batch, H W grid, N tokens = H W, n agents, C channels, h heads, d = C / h.
//
// A bias is the sum of a coarse map, of a vector a row and of one a column, each resized bilinearly to the
// tokens' grid and, of a grid of agents that the parameters were made for, to the agents' grid. At 2048x2048
// one of them would have 151 MB; here it is made for a tile of tokens at a time.

import FlattenKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The parameters of a bias between agents and tokens.
package struct AgentBias: Sendable {
  /// Rows and columns of agents.
  package let agents: (rows: Int, columns: Int)
  /// Side of the coarse map.
  let side: Int
  /// `[h, side^2, n]`.
  let cells: Tensor
  /// `[h, rows of the grid they were made for, n]`.
  let rows: Tensor
  /// `[h, columns of it, n]`.
  let columns: Tensor

  var heads: Int { cells.shape[0] }
  var agentCount: Int { agents.rows * agents.columns }

  /// Brings stored biases to a number of agents.
  ///
  /// - Parameters:
  ///   - cells: `[h, m, side, side]`; the m agents that they were made for are a square.
  ///   - rows: `[h, m, rows]`.
  ///   - columns: `[h, m, columns]`.
  ///   - agents: rows and columns of agents.
  package init(
    cells: Tensor, rows: Tensor, columns: Tensor, agents: (rows: Int, columns: Int)
  ) {
    let stored = Int(Double(cells.shape[1]).squareRoot().rounded())
    precondition(
      stored * stored == cells.shape[1] && rows.shape[1] == cells.shape[1]
        && columns.shape[1] == cells.shape[1],
      "biases of agents \(cells.shape), \(rows.shape), \(columns.shape)")
    let tables = (
      LinearTable(from: stored, to: agents.rows, alignCorners: false),
      LinearTable(from: stored, to: agents.columns, alignCorners: false)
    )
    self.agents = agents
    side = cells.shape[2]
    self.cells = Self.mixed(cells, stored, tables)
    self.rows = Self.mixed(rows, stored, tables)
    self.columns = Self.mixed(columns, stored, tables)
  }

  /// `[h, m, ...]` to `[h, places, n]`.
  private static func mixed(
    _ stored: Tensor, _ side: Int, _ tables: (rows: LinearTable, columns: LinearTable)
  ) -> Tensor {
    let heads = stored.shape[0]
    let places = stored.count / (heads * side * side)
    let (rows, columns) = tables
    let count = rows.count * columns.count
    return Tensor(Shape(heads, places, count)) { out in
      for head in 0..<heads {
        for place in 0..<places {
          func at(_ row: Int32, _ column: Int32) -> Float {
            let agent = Int(row) * side + Int(column)
            return stored.pointer[(head * side * side + agent) * places + place]
          }
          for agent in 0..<count {
            let (i, j) = (agent / columns.count, agent % columns.count)
            let (left, right) = (columns.first[j], columns.second[j])
            let (a, b) = (columns.firstWeight[j], columns.secondWeight[j])
            let upper = at(rows.first[i], left) * a + at(rows.first[i], right) * b
            let lower = at(rows.second[i], left) * a + at(rows.second[i], right) * b
            out[(head * places + place) * count + agent] =
              upper * rows.firstWeight[i] + lower * rows.secondWeight[i]
          }
        }
      }
    }
  }

  /// The bias of one token and all agents of a head, in double precision: for those who look inside.
  ///
  /// - Parameters:
  ///   - token: in a grid of `height` x `width`.
  package func row(head: Int, token: Int, height: Int, width: Int) -> [Double] {
    func taps(_ from: Int, _ to: Int, _ index: Int) -> [(Int, Double)] {
      let table = LinearTable(from: from, to: to, alignCorners: false)
      return [
        (Int(table.first[index]), Double(table.firstWeight[index])),
        (Int(table.second[index]), Double(table.secondWeight[index])),
      ]
    }
    var sums = [Double](repeating: 0, count: agentCount)
    func add(_ source: Tensor, _ place: Int, _ weight: Double) {
      let start = (head * source.shape[1] + place) * agentCount
      source.withUnsafeBuffer { values in
        for agent in sums.indices { sums[agent] += weight * Double(values[start + agent]) }
      }
    }
    let (y, x) = (token / width, token % width)
    for (row, a) in taps(side, height, y) {
      for (column, b) in taps(side, width, x) { add(cells, row * side + column, a * b) }
    }
    for (row, a) in taps(rows.shape[1], height, y) { add(rows, row, a) }
    for (column, a) in taps(columns.shape[1], width, x) { add(columns, column, a) }
    return sums
  }
}

extension ForwardPass {
  /// What the agents gather, `softmax(A K^T / sqrt d + B_1) V`: `[B, n, C]`.
  ///
  /// - Parameters:
  ///   - agents: `[B, n, C]`.
  ///   - kv: `[B, N, 2C]`, keys first.
  ///   - bias: B_1.
  ///   - grid: rows and columns of the N tokens.
  package func agentValues(
    _ agents: Tensor, kv: Tensor, bias: AgentBias, grid: (height: Int, width: Int),
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, count, channels) = agents.tokenShape(layer())
    let (heads, tokens) = (bias.heads, grid.height * grid.width)
    let width = channels / heads
    precondition(
      kv.shape == Shape(batch, tokens, 2 * channels) && width * heads == channels
        && count == bias.agentCount,
      "\(layer()): agents \(agents.shape), kv \(kv.shape), bias of \(bias.agentCount), \(grid)")
    let tiles = TokenTiles(grid, agents: count)
    // A piece's sums are its own, and pieces are added in order: the same bits for any threads.
    let length = count * (width + 2)
    let pieces = max(1, min(tiles.count, 16, Self.mostSums / (heads * length)))
    let packed = PackedAgents(agents, heads: heads)
    let workspace = workspace(packed.memory + batch * heads * pieces * length)
    return output(
      agents.shape, .softmaxAttention, layer: layer(), macs: 2 * batch * tokens * count * channels,
      reading: kv.count + agents.count
    ) { y in
      let parts = workspace.mutablePointer + packed.memory
      packed.write(agents, into: workspace.mutablePointer, kernels)
      withResized(bias, grid) { [self] bias in
        threads.run(batch * heads * pieces) { [self] task in
          let (index, piece) = (task / pieces, task % pieces)
          let (item, head) = (index / heads, index % heads)
          gather(
            kv.pointer + item * tokens * 2 * channels + head * width, stride: 2 * channels,
            width: width, packed: packed(index, in: workspace.pointer), bias, head: head,
            tiles: tiles.part(piece, of: pieces), into: parts + task * length)
        }
        threads.run(batch * heads) { index in
          let (item, head) = (index / heads, index % heads)
          Self.merge(
            parts + index * pieces * length, pieces: pieces, agents: count, width: width,
            into: y + item * count * channels + head * width, stride: channels)
        }
      }
    }
  }

  /// What the agents hand out, `softmax(Q A^T / sqrt d + B_2) V_A`: `[B, N, C]`.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - agents: `[B, n, C]`.
  ///   - values: V_A, `[B, n, C]`.
  ///   - bias: B_2.
  ///   - grid: rows and columns of the N tokens.
  package func agentAttention(
    _ q: Tensor, agents: Tensor, values: Tensor, bias: AgentBias,
    grid: (height: Int, width: Int), layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, count, channels) = agents.tokenShape(layer())
    let (heads, tokens) = (bias.heads, grid.height * grid.width)
    let width = channels / heads
    precondition(
      q.shape == Shape(batch, tokens, channels) && values.shape == agents.shape
        && width * heads == channels && count == bias.agentCount,
      "\(layer()): q \(q.shape), agents \(agents.shape), values \(values.shape), \(grid)")
    let tiles = TokenTiles(grid, agents: count)
    let packed = PackedAgents(agents, heads: heads)
    let size = Products.packedCount(depth: count, columns: width)
    let workspace = workspace(packed.memory + batch * heads * size)
    return output(
      q.shape, .softmaxAttention, layer: layer(), macs: 2 * batch * tokens * count * channels,
      reading: q.count + agents.count + values.count
    ) { y in
      let packedValues = workspace.mutablePointer + packed.memory
      packed.write(agents, into: workspace.mutablePointer, kernels)
      for index in 0..<batch * heads {
        Products.pack(
          values.pointer + index / heads * count * channels + index % heads * width,
          depthStride: channels, columnStride: 1, depth: count, columns: width,
          into: packedValues + index * size)
      }
      withResized(bias, grid) { [self] bias in
        threads.run(batch * tiles.count * heads) { [self] task in
          let (item, head) = (task / (tiles.count * heads), task % heads)
          let index = item * heads + head
          let tile = tiles[task / heads % tiles.count]
          let offset = (item * tokens + tile.first) * channels + head * width
          withScratch(2 * tile.tokens * count) { scores in
            write(bias, head: head, tile, into: scores + tile.tokens * count)
            Products.multiply(
              q.pointer + offset, rowStride: channels, depthStride: 1, rows: tile.tokens,
              depth: width, packed: packed(index, in: workspace.pointer), columns: 0..<count,
              of: count, epilogue: adding(scores + tile.tokens * count, stride: count),
              into: scores, stride: count)
            kernels.softmax(scores, count, tile.tokens, count, 1, nil)
            Products.multiply(
              scores, rowStride: count, depthStride: 1, rows: tile.tokens, depth: count,
              packed: packedValues + index * size, columns: 0..<width, of: width,
              into: y + offset, stride: channels)
          }
        }
      }
    }
  }

  /// Floats for the sums of all pieces of a picture.
  private static let mostSums = 1 << 20

  /// Some tiles' part of what one head's agents gather: sums `[n, d]`, largest scores `[n]`, and sums of
  /// exponentials `[n]`.
  private func gather(
    _ kv: UnsafePointer<Float>, stride: Int, width: Int, packed: UnsafePointer<Float>,
    _ bias: ResizedBias, head: Int, tiles: some Sequence<TokenTiles.Tile>,
    into part: UnsafeMutablePointer<Float>
  ) {
    let count = bias.agents
    let channels = stride / 2
    let (sums, tops, totals) = (part, part + count * width, part + count * (width + 1))
    sums.update(repeating: 0, count: count * width)
    tops.update(repeating: -.infinity, count: count)
    totals.update(repeating: 0, count: count)
    for tile in tiles {
      let scoreCount = tile.tokens * count
      let valueCount = Products.packedCount(depth: tile.tokens, columns: width)
      withScratch(2 * scoreCount + valueCount + count * (width + 1)) { scores in
        let values = scores + 2 * scoreCount
        let (factors, before) = (values + valueCount, values + valueCount + count)
        write(bias, head: head, tile, into: scores + scoreCount)
        let keys = kv + tile.first * stride
        Products.multiply(
          keys, rowStride: stride, depthStride: 1, rows: tile.tokens, depth: width,
          packed: packed, columns: 0..<count, of: count,
          epilogue: adding(scores + scoreCount, stride: count), into: scores, stride: count)
        kernels.softmax_columns(scores, count, tile.tokens, count, tops, totals, factors)
        for agent in 0..<count {
          let factor = factors[agent]
          let (source, target) = (sums + agent * width, before + agent * width)
          for channel in 0..<width { target[channel] = source[channel] * factor }
        }
        Products.pack(
          keys + channels, depthStride: stride, columnStride: 1, depth: tile.tokens,
          columns: width, into: values)
        Products.multiply(
          scores, rowStride: 1, depthStride: count, rows: count, depth: tile.tokens,
          packed: values, columns: 0..<width, of: width, epilogue: adding(before, stride: width),
          into: sums, stride: width)
      }
    }
  }

  /// Adds up the parts of a head's agents.
  private static func merge(
    _ parts: UnsafePointer<Float>, pieces: Int, agents: Int, width: Int,
    into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let length = agents * (width + 2)
    for agent in 0..<agents {
      let (top, total) = (agents * width + agent, agents * (width + 1) + agent)
      var largest = -Float.infinity
      for piece in 0..<pieces { largest = max(largest, parts[piece * length + top]) }
      let out = y + agent * stride
      out.update(repeating: 0, count: width)
      var sum: Float = 0
      for piece in 0..<pieces {
        let part = parts + piece * length
        let factor = expf(part[top] - largest)
        sum += part[total] * factor
        for channel in 0..<width { out[channel] += part[agent * width + channel] * factor }
      }
      for channel in 0..<width { out[channel] /= sum }
    }
  }

  private func adding(_ residual: UnsafePointer<Float>, stride: Int) -> fk_epilogue {
    fk_epilogue(bias: nil, activation: FK_NONE, residual: residual, ldr: stride)
  }
}

/// Each head's `A / sqrt d` as the right side of products, in an operator's workspace.
private struct PackedAgents {
  private let batch: Int
  private let heads: Int
  private let count: Int
  private let channels: Int
  private let width: Int
  private let size: Int

  /// - Parameter agents: `[B, n, C]`.
  init(_ agents: Tensor, heads: Int) {
    (batch, count, channels) = agents.tokenShape("agents")
    self.heads = heads
    width = channels / heads
    size = Products.packedCount(depth: width, columns: count)
  }

  /// Floats that are written, in whole cache lines.
  var memory: Int { (scaled + batch * heads * size).rounded(up: 16) }
  private var scaled: Int { batch * count * channels }

  func write(_ agents: Tensor, into memory: UnsafeMutablePointer<Float>, _ kernels: fk_table) {
    memory.update(repeating: 0, count: scaled)
    kernels.add_scaled(memory, agents.pointer, 1 / Float(width).squareRoot(), scaled)
    for index in 0..<batch * heads {
      Products.pack(
        memory + index / heads * count * channels + index % heads * width, depthStride: 1,
        columnStride: channels, depth: width, columns: count,
        into: memory + scaled + index * size)
    }
  }

  /// Those of an item's head, of what was written.
  func callAsFunction(_ index: Int, in memory: UnsafePointer<Float>) -> UnsafePointer<Float> {
    memory + scaled + index * size
  }
}

/// A bias whose rows and columns have been brought to a grid of tokens.
private struct ResizedBias {
  let agents: Int
  let side: Int
  /// `[h, side^2, n]`.
  let cells: UnsafePointer<Float>
  /// `[h, H, n]`.
  let rows: UnsafePointer<Float>
  /// `[h, W, n]`.
  let columns: UnsafePointer<Float>
  let vertical: LinearTable
  let horizontal: LinearTable
}

extension ForwardPass {
  private func withResized(
    _ bias: AgentBias, _ grid: (height: Int, width: Int), _ body: (ResizedBias) -> Void
  ) {
    let (heads, count) = (bias.heads, bias.agentCount)
    withScratch(heads * (grid.height + grid.width) * count) { [self] rows in
      let columns = rows + heads * grid.height * count
      resize(bias.rows, to: grid.height, into: rows)
      resize(bias.columns, to: grid.width, into: columns)
      body(
        ResizedBias(
          agents: count, side: bias.side, cells: bias.cells.pointer, rows: rows, columns: columns,
          vertical: LinearTable(
            from: bias.side, to: grid.height, alignCorners: false, pool: memory),
          horizontal: LinearTable(
            from: bias.side, to: grid.width, alignCorners: false, pool: memory)))
    }
  }

  /// `[h, m, n]` to `[h, count, n]`.
  private func resize(_ stored: Tensor, to count: Int, into out: UnsafeMutablePointer<Float>) {
    let (heads, places, agents) = (stored.shape[0], stored.shape[1], stored.shape[2])
    let table = LinearTable(from: places, to: count, alignCorners: false, pool: memory)
    for head in 0..<heads {
      let source = stored.pointer + head * places * agents
      for index in 0..<count {
        kernels.mix_rows(
          source + Int(table.first[index]) * agents, source + Int(table.second[index]) * agents,
          table.firstWeight[index], table.secondWeight[index], agents,
          out + (head * count + index) * agents)
      }
    }
  }

  /// Writes the bias of a tile's tokens: `[tokens, n]`.
  private func write(
    _ bias: ResizedBias, head: Int, _ tile: TokenTiles.Tile, into out: UnsafeMutablePointer<Float>
  ) {
    let (count, side) = (bias.agents, bias.side)
    let (vertical, horizontal) = (bias.vertical, bias.horizontal)
    let cells = bias.cells + head * side * side * count
    withScratch(side * count) { [self] row in
      for y in tile.rows {
        kernels.mix_rows(
          cells + Int(vertical.first[y]) * side * count,
          cells + Int(vertical.second[y]) * side * count, vertical.firstWeight[y],
          vertical.secondWeight[y], side * count, row)
        // Weights of columns add up to 1: what all columns have alike may be added before.
        for column in 0..<side {
          kernels.add_scaled(
            row + column * count, bias.rows + (head * vertical.count + y) * count, 1, count)
        }
        let first = tile.columns.lowerBound
        kernels.bilinear_row(
          row, row, 1, 0, horizontal.first + first, horizontal.second + first,
          horizontal.firstWeight + first, horizontal.secondWeight + first, tile.columns.count,
          count, bias.columns + (head * horizontal.count + first) * count,
          out + (y - tile.rows.lowerBound) * tile.columns.count * count)
      }
    }
  }
}

/// The tokens of a grid in tiles: part of a row, or some whole rows. Their scores stay in the cache.
private struct TokenTiles {
  struct Tile {
    let rows: Range<Int>
    let columns: Range<Int>
    /// The first token.
    let first: Int
    var tokens: Int { rows.count * columns.count }
  }

  private let grid: (height: Int, width: Int)
  private let rowsAtOnce: Int
  private let columnsAtOnce: Int
  private let perRow: Int
  let count: Int

  /// Scores of a tile.
  private static let cachedScores = 1 << 15

  init(_ grid: (height: Int, width: Int), agents: Int) {
    let rows = Products.rows
    let most = max(rows, Self.cachedScores / agents / rows * rows)
    self.grid = grid
    rowsAtOnce = max(1, most / grid.width)
    let pieces = (grid.width + most - 1) / most
    columnsAtOnce = min(grid.width, ((grid.width + pieces - 1) / pieces).rounded(up: rows))
    perRow = (grid.width + columnsAtOnce - 1) / columnsAtOnce
    count = (grid.height + rowsAtOnce - 1) / rowsAtOnce * perRow
  }

  subscript(index: Int) -> Tile {
    let (row, column) = (index / perRow * rowsAtOnce, index % perRow * columnsAtOnce)
    return Tile(
      rows: row..<min(row + rowsAtOnce, grid.height),
      columns: column..<min(column + columnsAtOnce, grid.width), first: row * grid.width + column)
  }

  /// One of `pieces` runs of tiles.
  func part(_ piece: Int, of pieces: Int) -> some Sequence<Tile> {
    (piece * count / pieces..<(piece + 1) * count / pieces).lazy.map { self[$0] }
  }
}
