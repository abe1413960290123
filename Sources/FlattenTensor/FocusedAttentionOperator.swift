import FlattenKernels

/// The focusing map's parameters.
public struct FocusMap: Sendable {
  /// `[C]`, what the clamped numbers are multiplied by.
  public let inverseScale: Tensor
  /// The paper's p.
  public let power: Int

  /// Makes the parameters; `power` is at least 1.
  public init(inverseScale: Tensor, power: Int) {
    self.inverseScale = inverseScale
    self.power = power
  }
}

/// A depthwise convolution's parameters.
package struct DepthwiseWeight: Sendable {
  /// `[kernel * kernel, C]`.
  package let weight: Tensor
  /// `[C]`.
  package let bias: Tensor?
  package let kernel: Int

  package init(weight: Tensor, bias: Tensor?, kernel: Int) {
    self.weight = weight
    self.bias = bias
    self.kernel = kernel
  }
}

/// A linear layer's parameters.
package struct Projection: Sendable {
  package let weight: PackedMatrix
  /// `[outputs]`.
  package let bias: Tensor?

  package init(weight: PackedMatrix, bias: Tensor?) {
    self.weight = weight
    self.bias = bias
  }

  /// `x w^T + bias + residual`, on this thread.
  func apply(
    _ x: RowBlock, residual: UnsafePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>
  ) {
    weight.multiply(
      x, columns: 0..<weight.outputs,
      epilogue: fk_epilogue(
        bias: bias?.pointer, activation: FK_NONE, residual: residual, ldr: weight.outputs),
      into: y, stride: weight.outputs)
  }
}

/// What focused linear attention reads.
package enum AttentionSource {
  /// Queries `[B, N, C]`, and keys and values `[B, N, 2C]`, keys first.
  case projected(q: Tensor, kv: Tensor)
  /// Tokens `[B, N, C]` and the layers to queries and to keys and values: of these nothing but the values
  /// is ever whole in memory.
  case tokens(Tensor, query: Projection, keyValue: Projection)

  var batch: Int {
    switch self {
    case .projected(let tokens, _), .tokens(let tokens, _, _): tokens.shape[0]
    }
  }

  /// Elements of the values that the attention has to make.
  var madeValueCount: Int {
    switch self {
    case .projected: 0
    case .tokens(let x, _, _): x.count
    }
  }

  /// Elements that are read.
  var count: Int {
    switch self {
    case .projected(let q, let kv): q.count + kv.count
    case .tokens(let x, _, _): 2 * x.count
    }
  }
}

/// The parameters of focused linear attention between its projections.
package struct FocusedAttentionParameters {
  /// `[N, C]`, added to the keys.
  package let position: Tensor
  package let focus: FocusMap
  package let depthwise: DepthwiseWeight
  package let heads: Int

  package init(position: Tensor, focus: FocusMap, depthwise: DepthwiseWeight, heads: Int) {
    self.position = position
    self.focus = focus
    self.depthwise = depthwise
    self.heads = heads
  }
}

/// Focused linear attention in two sweeps that write nothing but their results.
extension ForwardPass {
  /// From so many tokens on steps are best taken as one: there are enough blocks of tokens for all threads,
  /// and maps would not stay in the caches between operators.
  package static let fewestTokensFused = 2048

  /// `focus`, `linearAttention` and `depthwiseConvolution` as one, where keys and queries share a grid, and
  /// the linear layers around them: the same bits, without the maps between.
  ///
  /// - Parameters:
  ///   - grid: rows and columns of the N tokens.
  ///   - output: the layer after the attention; `nil` for none.
  ///   - residual: `[B, N, C]`, added at the end; only with that layer.
  /// - Returns: `[B, N, C]`.
  package func focusedLinearAttention(
    _ source: AttentionSource, _ parameters: FocusedAttentionParameters,
    grid: (height: Int, width: Int), output projection: Projection? = nil, residual: Tensor? = nil,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (p, batch) = (parameters, source.batch)
    let (tokens, channels) = (grid.height * grid.width, p.position.shape[1])
    let shape = Shape(batch, tokens, channels)
    precondition(
      p.position.shape == Shape(tokens, channels) && channels % p.heads == 0
        && (residual == nil || projection != nil && residual?.shape == shape),
      "\(layer()): position \(p.position.shape), grid \(grid), residual \(residual?.shape ?? [])")
    let window = p.depthwise.kernel * p.depthwise.kernel
    var macs = batch * tokens * channels * (2 * channels / p.heads + window)
    if case .tokens = source { macs += 3 * batch * tokens * channels * channels }
    if projection != nil { macs += batch * tokens * channels * channels }
    let reading = source.count + p.position.count + (residual?.count ?? 0)
    return output(shape, .linearAttention, layer: layer(), macs: macs, reading: reading) { y in
      let state = LinearAttentionState(batch: batch, heads: p.heads, width: channels / p.heads)
      switch source {
      case .projected(let q, let kv):
        precondition(q.shape == shape && kv.shape == Shape(batch, tokens, 2 * channels))
      case .tokens(let x, let query, let keyValue):
        precondition(
          x.shape == shape && query.weight.outputs == channels
            && keyValue.weight.outputs == 2 * channels)
      }
      withScratch(state.count) { states in
        withScratch(source.madeValueCount) { memory in
          let sweep = AttentionSweep(
            source: source, parameters: p, tokens: tokens, channels: channels,
            madeValues: memory)
          makeStates(sweep, state, into: states)
          answer(sweep, state, states, grid: grid, projection, residual: residual, into: y)
        }
      }
    }
  }

  /// The second sweep: queries by their heads' states, the values' neighbourhoods, the layer after them.
  private func answer(
    _ sweep: AttentionSweep, _ state: LinearAttentionState, _ states: UnsafePointer<Float>,
    grid: (height: Int, width: Int), _ projection: Projection?, residual: Tensor?,
    into y: UnsafeMutablePointer<Float>
  ) {
    let (tokens, channels) = (sweep.tokens, sweep.channels)
    let p = sweep.parameters
    let rows = max(1, Self.cachedQueries(channels) / grid.width)
    let blocks = (grid.height + rows - 1) / rows
    threads.run(state.batch * blocks) { [self] task in
      let (item, first) = (task / blocks, task % blocks * rows)
      let count = min(rows, grid.height - first) * grid.width
      let token = item * tokens + first * grid.width
      let values = sweep.values
      withScratch(count * channels * (projection == nil ? 1 : 2)) { focused in
        // What is projected afterwards stays here; the projected queries lie there before it.
        let mixed = projection == nil ? y + token * channels : focused + count * channels
        switch sweep.source {
        case .projected(let q, _):
          focusQueries(q.pointer + token * channels, p, count, into: focused)
        case .tokens(let x, let query, _):
          let block = RowBlock(x.pointer + token * channels, rows: count, columns: channels)
          withRows(block, of: query.weight) { query.apply($0, into: mixed) }
          focusQueries(mixed, p, count, into: focused)
        }
        for head in 0..<p.heads {
          apply(
            state, states, item: item, head: head, to: focused + head * state.width, rows: count,
            into: mixed + head * state.width)
        }
        for row in first..<min(first + rows, grid.height) {
          let out = mixed + (row - first) * grid.width * channels
          kernels.depthwise_row(
            values.start + item * tokens * values.stride, values.stride, grid.height, grid.width,
            channels, row, Int32(p.depthwise.kernel), p.depthwise.weight.pointer,
            p.depthwise.bias?.pointer, FK_NONE, UnsafePointer(out), out)
        }
        guard let projection else { return }
        withRows(RowBlock(mixed, rows: count, columns: channels), of: projection.weight) {
          projection.apply(
            $0, residual: residual.map { $0.pointer + token * channels },
            into: y + token * channels)
        }
      }
    }
  }

  private func focusQueries(
    _ q: UnsafePointer<Float>, _ p: FocusedAttentionParameters, _ count: Int,
    into focused: UnsafeMutablePointer<Float>
  ) {
    let channels = p.position.shape[1]
    kernels.focus(
      q, channels, nil, focused, count, channels, p.focus.inverseScale.pointer,
      Int32(p.focus.power))
  }

  /// Linear attention per head: `q (k^T v) / n`, divided by `q . mean(k) + 1e-6`.
  ///
  /// `k^T v` is formed first, so the cost grows with the number of tokens, not its square.
  ///
  /// - Parameters:
  ///   - q: `[B, N, C]`.
  ///   - k: `[B, n, C]`.
  ///   - kv: `[B, n, 2C]`, of which the last C channels are the values.
  /// - Returns: `[B, N, C]`.
  public func linearAttention(
    _ q: Tensor, _ k: Tensor, kv: Tensor, heads: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer())
    let keys = k.shape[1]
    let width = channels / heads
    precondition(
      k.shape == Shape(batch, keys, channels) && kv.shape == Shape(batch, keys, 2 * channels)
        && width * heads == channels,
      "\(layer()): q \(q.shape), k \(k.shape), kv \(kv.shape), \(heads) heads")
    let macs = batch * heads * width * width * (keys + queries)
    let reading = q.count + 2 * k.count
    return output(q.shape, .linearAttention, layer: layer(), macs: macs, reading: reading) { y in
      let state = LinearAttentionState(batch: batch, heads: heads, width: width)
      withScratch(state.count) { states in
        makeStates(k, kv: kv, state, into: states)
        let block = 256 / Engine.rows * Engine.rows
        let blocks = (queries + block - 1) / block
        threads.run(batch * blocks * heads) { [self] task in
          let (item, head) = (task / (blocks * heads), task % heads)
          let first = task / heads % blocks * block
          let offset = (item * queries + first) * channels + head * width
          apply(
            state, states, item: item, head: head, to: q.pointer + offset,
            rows: min(block, queries - first), into: y + offset)
        }
      }
    }
  }

  /// Queries of one head times its state, divided by their products with the mean key.
  private func apply(
    _ state: LinearAttentionState, _ states: UnsafePointer<Float>, item: Int, head: Int,
    to q: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let (channels, width) = (state.channels, state.width)
    Engine.multiply(
      q, rowStride: channels, depthStride: 1, rows: rows, depth: width,
      packed: states + state.offset(item, head), columns: 0..<width, of: width, into: y,
      stride: channels)
    kernels.divide_by_dot(
      y, channels, q, channels, states + state.meanOffset(item, head), rows, width, 1e-6)
  }

  /// `k^T v / n` of every head, packed as the right side of a product, and the mean of k; keys and values
  /// are made piece by piece.
  private func makeStates(
    _ sweep: AttentionSweep, _ state: LinearAttentionState,
    into states: UnsafeMutablePointer<Float>
  ) {
    let (tokens, channels) = (sweep.tokens, sweep.channels)
    let p = sweep.parameters
    let pieces = KeyPieces(tokens)
    let keyCount = pieces.cached * channels
    let madeCount = if case .tokens = sweep.source { 2 * keyCount } else { 0 }
    withScratch(state.batch * pieces.count * state.partialCount) { partials in
      threads.run(state.batch * pieces.count) { [self] task in
        let (item, piece) = (task / pieces.count, task % pieces.count)
        let partial = partials + task * state.partialCount
        partial.update(repeating: 0, count: state.partialCount)
        withScratch(keyCount + madeCount) { memory in
          for range in pieces.ranges(piece) {
            let token = item * tokens + range.lowerBound
            let kv: UnsafePointer<Float>
            switch sweep.source {
            case .projected(_, let made): kv = made.pointer + token * 2 * channels
            case .tokens(let x, _, let keyValue):
              let block = RowBlock(
                x.pointer + token * channels, rows: range.count, columns: channels)
              withRows(block, of: keyValue.weight) { keyValue.apply($0, into: memory + keyCount) }
              kv = UnsafePointer(memory + keyCount)
              for index in 0..<range.count {
                (sweep.madeValues + (token + index) * channels).update(
                  from: kv + (2 * index + 1) * channels, count: channels)
              }
            }
            kernels.focus(
              kv, 2 * channels, p.position.pointer + range.lowerBound * channels, memory,
              range.count, channels, p.focus.inverseScale.pointer, Int32(p.focus.power))
            for head in 0..<state.heads {
              accumulate(
                state, head, key: memory, value: kv + channels, valueStride: 2 * channels,
                count: range.count, into: partial)
            }
          }
        }
      }
      addUp(state, partials, pieces, into: states)
    }
  }

  /// The same for keys that are there.
  ///
  /// - Parameters:
  ///   - k: `[B, n, C]`.
  ///   - kv: `[B, n, 2C]`, of which the last C channels are the values.
  private func makeStates(
    _ k: Tensor, kv: Tensor, _ state: LinearAttentionState,
    into states: UnsafeMutablePointer<Float>
  ) {
    let (keys, channels, heads) = (k.shape[1], state.channels, state.heads)
    let pieces = KeyPieces(keys)
    withScratch(state.batch * pieces.count * state.partialCount) { partials in
      partials.update(repeating: 0, count: state.batch * pieces.count * state.partialCount)
      threads.run(state.batch * pieces.count * heads) { [self] task in
        let (item, piece) = (task / heads / pieces.count, task / heads % pieces.count)
        for range in pieces.ranges(piece) {
          let token = item * keys + range.lowerBound
          accumulate(
            state, task % heads, key: k.pointer + token * channels,
            value: kv.pointer + (2 * token + 1) * channels, valueStride: 2 * channels,
            count: range.count, into: partials + task / heads * state.partialCount)
        }
      }
      addUp(state, partials, pieces, into: states)
    }
  }

  /// Adds what some keys and values contribute to one head.
  private func accumulate(
    _ state: LinearAttentionState, _ head: Int, key: UnsafePointer<Float>,
    value: UnsafePointer<Float>, valueStride: Int, count: Int,
    into partial: UnsafeMutablePointer<Float>
  ) {
    let (channels, width) = (state.channels, state.width)
    let square = width * width
    let packedCount = Engine.packedCount(depth: count, columns: width)
    withScratch(packedCount + square) { values in
      let part = values + packedCount
      Engine.pack(
        value + head * width, depthStride: valueStride, columnStride: 1, depth: count,
        columns: width, into: values)
      Engine.multiply(
        key + head * width, rowStride: 1, depthStride: channels, rows: width, depth: count,
        packed: values, columns: 0..<width, of: width, into: part, stride: width)
      kernels.add_scaled(partial + head * square, part, 1, square)
      kernels.column_sums(key + head * width, channels, count, width, part)
      kernels.add_scaled(partial + state.heads * square + head * width, part, 1, width)
    }
  }

  /// Adds the pieces' sums in their order, so that the bits do not depend on the threads.
  private func addUp(
    _ state: LinearAttentionState, _ partials: UnsafePointer<Float>, _ pieces: KeyPieces,
    into states: UnsafeMutablePointer<Float>
  ) {
    let (heads, width) = (state.heads, state.width)
    let square = width * width
    let scale = 1 / Float(pieces.keys)
    threads.run(state.batch * heads) { [self] task in
      let (item, head) = (task / heads, task % heads)
      withScratch(square) { sum in
        let mean = states + state.meanOffset(item, head)
        sum.update(repeating: 0, count: square)
        mean.update(repeating: 0, count: width)
        for index in 0..<pieces.count {
          let partial = partials + (item * pieces.count + index) * state.partialCount
          kernels.add_scaled(sum, partial + head * square, scale, square)
          kernels.add_scaled(mean, partial + heads * square + head * width, scale, width)
        }
        Engine.pack(
          sum, depthStride: width, columnStride: 1, depth: width, columns: width,
          into: states + state.offset(item, head))
      }
    }
  }

  /// Queries that one task of the second sweep takes, in whole rows of the grid, so that it stays in a
  /// second-level cache.
  private static func cachedQueries(_ channels: Int) -> Int {
    max(64, min(256, (1 << 16) / channels))
  }
}

/// What both sweeps of focused linear attention read.
private struct AttentionSweep {
  let source: AttentionSource
  let parameters: FocusedAttentionParameters
  let tokens: Int
  let channels: Int
  /// `[B, N, C]`, where the first sweep puts the values that it makes.
  let madeValues: UnsafeMutablePointer<Float>

  /// The values, and elements from one token's to the next.
  var values: (start: UnsafePointer<Float>, stride: Int) {
    switch source {
    case .projected(_, let kv): (kv.pointer + channels, 2 * channels)
    case .tokens: (UnsafePointer(madeValues), channels)
    }
  }
}

/// Keys divided into a number of pieces that depends on nothing but their count; each piece's sums are
/// stored, then added in order.
private struct KeyPieces {
  let keys: Int
  let count: Int
  /// Keys whose products are summed on their own, while they are cached.
  let cached: Int
  private let size: Int

  init(_ keys: Int) {
    self.keys = keys
    // At most 64: what is stored of each must stay small.
    size = max(Self.cachedKeys, ((keys + 63) / 64).rounded(up: Self.cachedKeys))
    count = (keys + size - 1) / size
    cached = min(Self.cachedKeys, keys)
  }

  fileprivate static let cachedKeys = 256

  /// The parts of a piece that are summed on their own.
  func ranges(_ piece: Int) -> Ranges {
    Ranges(first: piece * size, end: min((piece + 1) * size, keys))
  }

  struct Ranges: Sequence, IteratorProtocol {
    private(set) var first: Int
    let end: Int

    mutating func next() -> Range<Int>? {
      if first >= end { return nil }
      defer { first += KeyPieces.cachedKeys }
      return first..<Swift.min(first + KeyPieces.cachedKeys, end)
    }
  }
}

/// Where the states of all items and heads lie in one piece of memory.
private struct LinearAttentionState {
  let batch: Int
  let heads: Int
  let width: Int

  var channels: Int { heads * width }
  private var packedCount: Int { Engine.packedCount(depth: width, columns: width) }

  /// Floats of one piece's sums: each head's k^T v, then the sum of k.
  var partialCount: Int { heads * width * width + channels }

  /// Floats of all states and means.
  var count: Int { batch * heads * (packedCount + width) }

  func offset(_ item: Int, _ head: Int) -> Int { (item * heads + head) * packedCount }

  func meanOffset(_ item: Int, _ head: Int) -> Int {
    batch * heads * packedCount + (item * heads + head) * width
  }
}
