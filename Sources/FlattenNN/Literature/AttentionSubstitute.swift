// SkipAt (Venkataramanan et al., arXiv 2301.02240) as Qualcomm-AI-research/skip-attention has it: a block computes its
// attention's result from that of the block before. That repository's licence grants no patent rights.
//
// B batch, N tokens of the grid, C channels.
//
//     u = GELU(W1 z),   u = GELU(dw5x5(u)),   t = W2 u,   y = t * sigmoid(conv3 along channels of mean(t))
//
// z is the attention's result after its projection and before the residual. A class token is passed on as it is and
// has no part in the mean. For maps of any shape, and in the stages of a pyramid, it is ours.

import FlattenCheckpoint
import FlattenTensor

/// What stands in for an attention: convolutions of the attention before.
package struct AttentionSubstitute: Sendable {
  private let expand: Linear
  private let depthwise: DepthwiseConv2D
  private let contract: Linear
  /// Of a channel's neighbour before, itself, and its neighbour behind.
  private let taps: [Float]
  private let path: String

  /// Reads `linear1.0`, `dwconv.0`, `linear2.0` and `eca.conv` `[1, 1, 3]`.
  package init(channels: Int, from tree: ParameterScope) throws {
    expand = try Linear(
      in: channels, out: 2 * channels, bias: true, from: tree.scope("linear1").scope(0))
    depthwise = try DepthwiseConv2D(2 * channels, kernel: 5, from: tree.scope("dwconv").scope(0))
    contract = try Linear(
      in: 2 * channels, out: channels, bias: true, from: tree.scope("linear2").scope(0))
    taps = try tree.scope("eca").scope("conv").tensor("weight", [1, 1, 3], initially: .fanIn)
      .elements
    path = tree.path
  }

  /// - Parameters:
  ///   - before: `[B, N, C]`, the attention of the block before; tokens beside the grid's stand first.
  ///   - grid: rows and columns of the N tokens.
  ///   - residual: shape of `before`, added.
  ///   - pass: has the operators.
  /// - Returns: shape of `before`.
  package func callAsFunction(
    _ before: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor {
    let leading = before.shape[1] - grid.count
    let cells = pass.tokens(before, leading..<before.shape[1], layer: "\(path).grid")
    let hidden = expand(cells, activation: .gelu, pass)  // [B, N, 2C]
    let mixed = depthwise(hidden.asMap(grid), activation: .gelu, pass).asTokens
    let t = contract(mixed, pass)  // [B, N, C]
    let gate = self.gate(t, pass)
    let y = pass.multiply(t, gate, layer: "\(path).eca")
    let all =
      leading == 0
      ? y
      : pass.joinTokens(
        pass.tokens(before, 0..<leading, layer: "\(path).class"), y, layer: "\(path).all")
    return residual.map { pass.add(all, $0, layer: "\(path).sum") } ?? all
  }

  /// The factor of each channel: `[B, 1, C]`.
  private func gate(_ t: Tensor, _ pass: ForwardPass) -> Tensor {
    let (batch, channels) = (t.shape[0], t.shape[2])
    let mean = pass.meanOverTokens(t, layer: "\(path).eca.mean")
    let (left, middle, right) = (taps[0], taps[1], taps[2])
    let mixed = pass.mapRows(mean, channels: channels, layer: "\(path).eca.conv") { row, out in
      for channel in row.indices {
        var sum = middle * row[channel]
        if channel > 0 { sum += left * row[channel - 1] }
        if channel + 1 < row.count { sum += right * row[channel + 1] }
        out[channel] = sum
      }
    }
    return pass.activate(mixed, .sigmoid, layer: "\(path).eca.gate")
      .reshaped(Shape(batch, 1, channels))
  }
}
