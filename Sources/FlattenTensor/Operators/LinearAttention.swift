// Linear attention: the product q (k^T v), in which no matrix of all tokens by all tokens is ever made
// (Katharopoulos et al., arXiv 2006.16236; arXiv 2308.00442, equation 3).
//
//     reduce:  S = 1/n sum_t k_t v_t^T   [f, d] a head,     k' = 1/n sum_t k_t   [f] a head
//     apply:   y_i = [v' +] q_i S / n(q_i)
//
// B batch, N queries, n keys, h heads, f channels of a head's keys, d of its values. Keys and queries come
// with the feature map already applied; those below the line may have another one than those above, as
// where positions turn the latter. Means instead of sums keep the state's size the same for any number of
// keys.

import FlattenKernels

/// All keys and values of linear attention, reduced to a matrix and a vector a head.
public struct LinearAttentionState: Sendable {
  /// Pictures, or windows.
  public let batch: Int
  /// Heads.
  public let heads: Int
  /// Channels of a head's keys, f.
  public let keyWidth: Int
  /// Channels of a head's values, d.
  public let valueWidth: Int
  /// `[B, h, f d + f]`: S row by row, then the mean key.
  let sums: Tensor

  /// S, the mean of `k v^T`: `[B, h, f, d]`. Copies.
  public var products: Tensor {
    part(0..<keyWidth * valueWidth).reshaped(Shape(batch, heads, keyWidth, valueWidth))
  }

  /// The mean key: `[B, h, f]`. Copies.
  public var meanKey: Tensor {
    let start = keyWidth * valueWidth
    return part(start..<start + keyWidth).reshaped(Shape(batch, heads, keyWidth))
  }

  private func part(_ range: Range<Int>) -> Tensor {
    let length = sums.shape[2]
    return Tensor(Shape(batch * heads, range.count)) { out in
      guard let out = out.baseAddress else { return }
      for row in 0..<batch * heads {
        (out + row * range.count).update(
          from: sums.pointer + row * length + range.lowerBound, count: range.count)
      }
    }
  }
}

/// Normaliser of linear attention: the divisor of a query's product with the state.
public enum LinearAttentionNormaliser: Sendable, Equatable {
  /// Nothing.
  case none
  /// `q . k' + epsilon`: the sum of the query's weights, over n.
  case meanKey(epsilon: Float)
  /// `max(q . k', least)`.
  case clampedMeanKey(least: Float)
}

extension ForwardPass {
  /// The first half of linear attention: the mean of `k v^T` and the mean of `k`, per head.
  ///
  /// - Parameters:
  ///   - k: `[B, n, h f]`, the feature map applied.
  ///   - v: `[B, n, stride]`.
  ///   - channels: those of v that are the values, h d of them; `nil` takes all.
  ///   - heads: h.
  ///   - normaliserKeys: of k's shape, the keys of the mean; `nil` takes k.
  public func linearAttentionState(
    _ k: Tensor, _ v: Tensor, channels: Range<Int>? = nil, heads: Int,
    normaliserKeys: Tensor? = nil, layer: @autoclosure () -> String
  ) -> LinearAttentionState {
    let (batch, keys, keyChannels) = k.tokenShape(layer())
    let stride = v.tokenShape(layer()).channels
    let taken = channels ?? 0..<stride
    let state = StateLayout(
      batch: batch, heads: heads, keyWidth: keyChannels / heads, valueWidth: taken.count / heads)
    precondition(
      keyChannels % heads == 0 && taken.count % heads == 0 && v.shape[0] == batch
        && v.shape[1] == keys && taken.lowerBound >= 0 && taken.upperBound <= stride && keys > 0
        && normaliserKeys.map { $0.shape == k.shape } ?? true,
      "\(layer()): k \(k.shape), \(normaliserKeys?.shape ?? []), v \(v.shape), "
        + "channels \(taken), \(heads) heads")
    let sums = output(
      Shape(batch, heads, state.count), .linearAttention, layer: layer(),
      macs: batch * keys * heads * state.products, reading: k.count + batch * keys * taken.count
    ) { sums in
      reduce(state, keys: keys, memory: 0, headsAtOnce: 1, into: sums) { item, tokens, _ in
        let first = item * keys + tokens.lowerBound
        return KeyRows(
          keys: k.pointer + first * keyChannels,
          normaliserKeys: normaliserKeys.map { $0.pointer + first * keyChannels },
          keyStride: keyChannels, normaliserStride: keyChannels,
          values: v.pointer + first * stride + taken.lowerBound, valueStride: stride)
      }
    }
    return LinearAttentionState(
      batch: batch, heads: heads, keyWidth: state.keyWidth, valueWidth: state.valueWidth, sums: sums
    )
  }

  /// The second half of linear attention: queries times the state, per head.
  ///
  /// - Parameters:
  ///   - q: `[B, N, h f]`, the feature map applied.
  ///   - state: of the keys and values.
  ///   - normaliser: what each product is divided by.
  ///   - normaliserQueries: of q's shape, the queries in the normaliser; `nil` takes q.
  ///   - constant: `[B, h d]`, added to each product before it is divided.
  /// - Returns: `[B, N, h d]`.
  public func linearAttention(
    _ q: Tensor, _ state: LinearAttentionState, normaliser: LinearAttentionNormaliser,
    normaliserQueries: Tensor? = nil, adding constant: Tensor? = nil,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, queries, channels) = q.tokenShape(layer())
    let (heads, width) = (state.heads, state.valueWidth)
    precondition(
      batch == state.batch && channels == heads * state.keyWidth
        && normaliserQueries.map { $0.shape == q.shape } ?? true
        && constant.map { $0.shape == Shape(batch, heads * width) } ?? true,
      "\(layer()): q \(q.shape), \(normaliserQueries?.shape ?? []), a state of \(heads) heads with "
        + "\(state.keyWidth) channels, constant \(constant?.shape ?? [])")
    return output(
      Shape(batch, queries, heads * width), .linearAttention, layer: layer(),
      macs: batch * queries * channels * width, reading: q.count + state.sums.count
    ) { y in
      withPacked(StateLayout(state), state.sums.pointer) { packed in
        let block = 256 / Products.rows * Products.rows
        let blocks = (queries + block - 1) / block
        threads.run(batch * blocks * heads) { [self] task in
          let (item, head) = (task / (blocks * heads), task % heads)
          let first = task / heads % blocks * block
          let token = item * queries + first
          apply(
            packed, item: item, head: head,
            to: QueryRows(
              queries: q.pointer + token * channels, stride: channels,
              normaliserQueries: normaliserQueries.map { $0.pointer + token * channels },
              normaliserStride: channels),
            rows: min(block, queries - first), normaliser,
            adding: constant.map { $0.pointer + item * heads * width },
            into: y + token * heads * width)
        }
      }
    }
  }

  /// The state of keys that have lost their mean, `scale (S - k' v'^T)`: what is left of
  /// `softmax(scale q k^T)` where its exponentials are taken to first order, beside the mean value.
  ///
  /// Formed after the reduction: a correction of rank 1 a head.
  ///
  /// - Parameters:
  ///   - state: of all keys and values.
  ///   - meanValue: `[B, h d]`.
  ///   - scale: a factor.
  public func centred(
    _ state: LinearAttentionState, meanValue: Tensor, scale: Float,
    layer: @autoclosure () -> String
  ) -> LinearAttentionState {
    let layout = StateLayout(state)
    precondition(
      meanValue.shape == Shape(state.batch, state.heads * state.valueWidth),
      "\(layer()): mean value \(meanValue.shape) of a state of \(state.heads) heads")
    let sums = output(
      state.sums.shape, .linearAttention, layer: layer(), reading: state.sums.count
    ) { sums in
      let (source, width) = (state.sums.pointer, layout.valueWidth)
      for index in 0..<layout.batch * layout.heads {
        let (old, new) = (source + index * layout.count, sums + index * layout.count)
        let means = old + layout.products
        for row in 0..<layout.keyWidth {
          (new + row * width).update(from: old + row * width, count: width)
          kernels.add_scaled(
            new + row * width, meanValue.pointer + index * width, -means[row], width)
          kernels.mix_rows(
            new + row * width, new + row * width, scale, 0, width, new + row * width)
        }
        (new + layout.products).update(from: means, count: layout.keyWidth)
      }
    }
    return LinearAttentionState(
      batch: state.batch, heads: state.heads, keyWidth: state.keyWidth,
      valueWidth: state.valueWidth, sums: sums)
  }
}

/// Where the state of each item and head lies: S `[f, d]`, then the mean key `[f]`.
struct StateLayout {
  let batch: Int
  let heads: Int
  let keyWidth: Int
  let valueWidth: Int

  init(batch: Int, heads: Int, keyWidth: Int, valueWidth: Int) {
    self.batch = batch
    self.heads = heads
    self.keyWidth = keyWidth
    self.valueWidth = valueWidth
  }

  init(_ state: LinearAttentionState) {
    self.init(
      batch: state.batch, heads: state.heads, keyWidth: state.keyWidth,
      valueWidth: state.valueWidth)
  }

  /// Elements of S.
  var products: Int { keyWidth * valueWidth }
  /// Elements of one item and head.
  var count: Int { products + keyWidth }
}

/// Some keys and values, a row a token; heads side by side.
struct KeyRows {
  let keys: UnsafePointer<Float>
  /// Those of the mean; `nil` where they are the keys.
  var normaliserKeys: UnsafePointer<Float>?
  let keyStride: Int
  var normaliserStride = 0
  let values: UnsafePointer<Float>
  let valueStride: Int
}

/// Some queries, a row a token; heads side by side.
struct QueryRows {
  let queries: UnsafePointer<Float>
  let stride: Int
  /// Those in the normaliser; `nil` where they are the queries.
  var normaliserQueries: UnsafePointer<Float>?
  var normaliserStride = 0
}

/// The two halves, for operators that make their rows on the way.
extension ForwardPass {
  /// Writes the state of all items and heads.
  ///
  /// Keys are divided into pieces by their number alone, each piece is summed by itself, and the sums are
  /// added in the pieces' order: the same bits for any number of threads.
  ///
  /// - Parameters:
  ///   - memory: floats that `rows` may use for 256 tokens.
  ///   - headsAtOnce: heads that share the rows of one call of `rows`.
  ///   - rows: gives keys and values of some tokens of an item, at most 256.
  ///   - state: `[B, h, f d + f]`.
  func reduce(
    _ layout: StateLayout, keys: Int, memory: Int, headsAtOnce: Int,
    into state: UnsafeMutablePointer<Float>,
    rows: (_ item: Int, _ tokens: Range<Int>, _ memory: UnsafeMutablePointer<Float>) -> KeyRows
  ) {
    let (heads, count) = (layout.heads, layout.count)
    let pieces = KeyPieces(keys)
    let groups = heads / headsAtOnce
    withScratch(layout.batch * pieces.count * heads * count) { sums in
      sums.update(repeating: 0, count: layout.batch * pieces.count * heads * count)
      threads.run(layout.batch * pieces.count * groups) { [self] task in
        let (item, piece) = (task / groups / pieces.count, task / groups % pieces.count)
        let first = task % groups * headsAtOnce
        withScratch(memory) { memory in
          for tokens in pieces.ranges(piece) {
            let rows = rows(item, tokens, memory)
            for head in first..<first + headsAtOnce {
              add(
                rows, head, tokens.count, layout,
                to: sums + ((item * pieces.count + piece) * heads + head) * count)
            }
          }
        }
      }
      let scale = 1 / Float(keys)
      threads.run(layout.batch * heads) { [kernels] task in
        let (item, head) = (task / heads, task % heads)
        let target = state + task * count
        target.update(repeating: 0, count: count)
        for piece in 0..<pieces.count {
          kernels.add_scaled(
            target, sums + ((item * pieces.count + piece) * heads + head) * count, scale, count)
        }
      }
    }
  }

  /// Adds `k^T v` and the sum of k of some rows to one head's sums.
  private func add(
    _ rows: KeyRows, _ head: Int, _ count: Int, _ layout: StateLayout,
    to sums: UnsafeMutablePointer<Float>
  ) {
    let packedCount = Products.packedCount(depth: count, columns: layout.valueWidth)
    let keys = rows.keys + head * layout.keyWidth
    withScratch(packedCount + layout.products) { packed in
      let part = packed + packedCount
      Products.pack(
        rows.values + head * layout.valueWidth, depthStride: rows.valueStride, columnStride: 1,
        depth: count, columns: layout.valueWidth, into: packed)
      Products.multiply(
        keys, rowStride: 1, depthStride: rows.keyStride, rows: layout.keyWidth, depth: count,
        packed: packed, columns: 0..<layout.valueWidth, of: layout.valueWidth, into: part,
        stride: layout.valueWidth)
      kernels.add_scaled(sums, part, 1, layout.products)
      if let others = rows.normaliserKeys {
        kernels.column_sums(
          others + head * layout.keyWidth, rows.normaliserStride, count, layout.keyWidth, part)
      } else {
        kernels.column_sums(keys, rows.keyStride, count, layout.keyWidth, part)
      }
      kernels.add_scaled(sums + layout.products, part, 1, layout.keyWidth)
    }
  }

  /// Hands `body` the states of all items and heads as the right sides of products.
  func withPacked(
    _ layout: StateLayout, _ state: UnsafePointer<Float>, _ body: (PackedState) -> Void
  ) {
    let size = Products.packedCount(depth: layout.keyWidth, columns: layout.valueWidth)
    withScratch(layout.batch * layout.heads * size) { packed in
      for index in 0..<layout.batch * layout.heads {
        Products.pack(
          state + index * layout.count, depthStride: layout.valueWidth, columnStride: 1,
          depth: layout.keyWidth, columns: layout.valueWidth, into: packed + index * size)
      }
      body(PackedState(layout: layout, state: state, packed: packed, size: size))
    }
  }

  /// Some queries times one head's state, divided by the normaliser, on this thread.
  ///
  /// - Parameters:
  ///   - q: rows of all heads.
  ///   - constant: of all heads, added before the division; or `nil`.
  ///   - y: rows of all heads.
  func apply(
    _ state: PackedState, item: Int, head: Int, to q: QueryRows, rows: Int,
    _ normaliser: LinearAttentionNormaliser, adding constant: UnsafePointer<Float>? = nil,
    into y: UnsafeMutablePointer<Float>
  ) {
    let layout = state.layout
    let (width, heads) = (layout.valueWidth, layout.heads)
    let y = y + head * width
    let index = item * heads + head
    Products.multiply(
      q.queries + head * layout.keyWidth, rowStride: q.stride, depthStride: 1, rows: rows,
      depth: layout.keyWidth,
      packed: UnsafePointer(state.packed + index * state.size), columns: 0..<width, of: width,
      epilogue: fk_epilogue(
        bias: constant.map { $0 + head * width }, activation: FK_NONE, residual: nil, ldr: 0),
      into: y, stride: heads * width)
    let (epsilon, least): (Float, Float)
    switch normaliser {
    case .none: return
    case .meanKey(let given): (epsilon, least) = (given, -.infinity)
    case .clampedMeanKey(let given): (epsilon, least) = (0, given)
    }
    let (divisors, stride) =
      q.normaliserQueries.map { ($0, q.normaliserStride) } ?? (q.queries, q.stride)
    kernels.divide_by_dot(
      y, heads * width, width, divisors + head * layout.keyWidth, stride,
      state.state + index * layout.count + layout.products, layout.keyWidth, rows, epsilon, least)
  }
}

/// States as the right sides of products.
struct PackedState {
  let layout: StateLayout
  let state: UnsafePointer<Float>
  let packed: UnsafeMutablePointer<Float>
  /// Floats of one packed S.
  let size: Int
}

/// Keys divided into a number of pieces that depends on nothing but their count.
struct KeyPieces {
  let count: Int
  private let keys: Int
  private let size: Int

  /// Keys whose products are summed on their own, while they are cached.
  private static let cachedKeys = 256

  init(_ keys: Int) {
    self.keys = keys
    // At most 64 pieces: the memory for their sums must stay small.
    size = max(Self.cachedKeys, ((keys + 63) / 64).rounded(up: Self.cachedKeys))
    count = (keys + size - 1) / size
  }

  /// The parts of a piece that are summed on their own.
  func ranges(_ piece: Int) -> some Sequence<Range<Int>> {
    let end = min((piece + 1) * size, keys)
    return stride(from: piece * size, to: end, by: Self.cachedKeys).lazy.map {
      $0..<min($0 + Self.cachedKeys, end)
    }
  }
}
