// Taylor attention as ViTALiTy's code has it, and not as its paper (see CentredAttention.swift): GATECH-EIC/ViTALiTy
// at 4a1173c (src/vision_transformer.py, src/quantize.py); no code of it. For comparisons with the released code
// only: it is quadratic, written as plainly as it can be, and no letter of a config.
//
//     P_it = softmax_t(Q(q_i) . Q(k_t) / sqrt d), 0 where it is at most 0.002
//     y_i = sum_t (P_it + q_i . (k_t - mean of k_t's channels)) v_t / sqrt d         per head
//     out = y W_p^T + b_p,    Q(x) = scale round((x - zero) / scale) + zero, one of 16 levels
//
// What surprises: keys are centred over channels, so that nothing makes up for the mean over tokens; the sparse
// part is divided by sqrt d once more; q and k share one stored range.

import FlattenCheckpoint
import FlattenTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// ViTALiTy's attention as released, for parity.
package struct ReleasedTaylorAttention: TokenAttention {
  private let projections: Linear
  private let projection: Linear
  private let zero: Float
  private let range: Float
  private let channels: Int
  private let heads: Int
  private let path: String

  private static let levels: Float = 15
  private static let threshold = 0.002

  /// Reads `qkv`, `proj`, and `quant.running_zero_point` and `quant.running_range`, both `[1, 1, 1]`.
  package init(channels: Int, heads: Int, qkvBias: Bool, from tree: ParameterScope) throws {
    precondition(channels % heads == 0, "\(channels) channels, \(heads) heads")
    projections = try Linear(
      in: channels, out: 3 * channels, bias: qkvBias, from: tree.scope("qkv"))
    projection = try Linear(in: channels, out: channels, bias: true, from: tree.scope("proj"))
    let stored = tree.scope("quant")
    zero = try stored.tensor("running_zero_point", [1, 1, 1], initially: .zeros).elements[0]
    range = try stored.tensor("running_range", [1, 1, 1], initially: .ones).elements[0]
    self.channels = channels
    self.heads = heads
    path = tree.path
  }

  /// `[B, N, C]` to the same shape.
  package func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let qkv = projections(x, pass)  // [B, N, 3C]
    pass.observe(
      attention: AttentionRecord(
        layer: path, .rows { weights(qkv, 0, $0, $1) }, queries: qkv, keys: qkv, heads: heads,
        layout: WindowLayout(wholeOf: grid.height, grid.width), channels: 0..<channels))
    return projection(mixed(qkv), residual: residual, pass)
  }

  /// `[B, N, 3C]` to `[B, N, C]`, on this thread.
  private func mixed(_ qkv: Tensor) -> Tensor {
    let (batch, tokens, width) = (qkv.shape[0], qkv.shape[1], channels / heads)
    return Tensor(Shape(batch, tokens, channels)) { out in
      qkv.withUnsafeBuffer { qkv in
        var sums = [Double](repeating: 0, count: width)
        for index in 0..<batch * tokens {
          let (first, row) = (index / tokens * tokens, index % tokens)
          for head in 0..<heads {
            let weights = weights(qkv, first, head, row, tokens: tokens)
            for channel in sums.indices { sums[channel] = 0 }
            for (token, weight) in weights.enumerated() {
              let value = (first + token) * 3 * channels + 2 * channels + head * width
              for channel in sums.indices { sums[channel] += weight * Double(qkv[value + channel]) }
            }
            for channel in sums.indices {
              out[(first + row) * channels + head * width + channel] = Float(sums[channel])
            }
          }
        }
      }
    }
  }

  private func weights(_ qkv: Tensor, _ first: Int, _ head: Int, _ row: Int) -> [Double] {
    qkv.withUnsafeBuffer { weights($0, first, head, row, tokens: qkv.shape[1]) }
  }

  /// The weights of all values of a picture, whose first row is `first`, for one token.
  private func weights(
    _ qkv: UnsafeBufferPointer<Float>, _ first: Int, _ head: Int, _ row: Int, tokens: Int
  ) -> [Double] {
    let width = channels / heads
    let scale = 1 / Double(width).squareRoot()
    let query = (first + row) * 3 * channels + head * width
    var scores = [Double](repeating: 0, count: tokens)
    var linear = scores
    for token in 0..<tokens {
      let key = (first + token) * 3 * channels + channels + head * width
      let mean = (0..<width).reduce(0) { $0 + Double(qkv[key + $1]) } / Double(width)
      for channel in 0..<width {
        let (q, k) = (qkv[query + channel], qkv[key + channel])
        scores[token] += Double(quantised(q)) * Double(quantised(k)) * scale
        linear[token] += Double(q) * (Double(k) - mean)
      }
    }
    let largest = scores.max() ?? 0
    let sum = scores.reduce(0) { $0 + exp($1 - largest) }
    return zip(scores, linear).map { score, linear in
      let share = exp(score - largest) / sum
      return ((share > Self.threshold ? share : 0) + linear) * scale
    }
  }

  private func quantised(_ x: Float) -> Float {
    let step = max(range / Self.levels, 1e-8)
    let level = ((x - zero) / step).rounded(.toNearestOrEven)
    return min(max(level, 0), Self.levels) * step + zero
  }
}
