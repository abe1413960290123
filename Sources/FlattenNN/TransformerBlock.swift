import FlattenCheckpoint
import FlattenTensor

/// One half of a transformer block: something whose result is added to what went in.
public protocol ResidualBranch: Sendable {
  /// Computes the branch and adds the residual.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`, normalised. In models with a class token it stands first, so that N is one more
  ///     than the grid has tokens. A conforming type need not consume it; one that does lets its memory be
  ///     used again before the end.
  ///   - grid: rows and columns of the tokens.
  ///   - residual: `[B, N, C]`, added to the result; `nil` where the branch is wanted by itself.
  ///   - pass: has the operators.
  /// - Returns: `[B, N, C]`.
  func callAsFunction(
    _ x: consuming Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor
}

/// What mixes the tokens of a block: the protocol of all attentions, those that are built in and those
/// of other packages.
///
/// A conforming type makes its layers in an initialiser that takes a `ParameterScope`, the attention's
/// place in the checkpoint, and is immutable after that: one model is called from many threads. It keeps
/// to the operators of `ForwardPass`, among which `mapRows` takes a function of its own.
public protocol TokenAttention: ResidualBranch {}

/// A pre-norm block, of which all models here consist: `x + attention(norm1(x))`, then
/// `x + mlp(norm2(x))`.
///
/// A pass may be asked for what a block makes on the way, under the names `<block>.norm1`, `.attn`,
/// `.norm2`, `.mlp`, and `<block>` for its result. `attn` and `mlp` are what the branch adds, without
/// the residual.
public struct TransformerBlock: Sendable {
  private let norm1: LayerNorm
  private let attention: any TokenAttention
  private let norm2: LayerNorm
  private let mlp: any ResidualBranch
  private let name: String

  /// Reads the norms `norm1` and `norm2`, and lets `attention` and `mlp` read the rest.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - normEpsilon: of both norms.
  ///   - name: what intermediates are called by, such as `stages.2.blocks.1`.
  ///   - tree: the block's place in the checkpoint.
  ///   - attention: makes the attention from the block's place.
  ///   - mlp: makes the feed-forward part from the block's place.
  public init(
    _ channels: Int, normEpsilon: Float, name: String, from tree: ParameterScope,
    attention: (ParameterScope) throws -> any TokenAttention,
    mlp: (ParameterScope) throws -> any ResidualBranch
  ) throws {
    norm1 = try LayerNorm(channels, epsilon: normEpsilon, from: tree.scope("norm1"))
    self.attention = try attention(tree)
    norm2 = try LayerNorm(channels, epsilon: normEpsilon, from: tree.scope("norm2"))
    self.mlp = try mlp(tree)
    self.name = name
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(_ x: Tensor, grid: Grid, _ pass: ForwardPass) -> Tensor {
    let size = (grid.height, grid.width)
    let normed = pass.handOut(norm1(x, pass), grid: size, as: "\(name).norm1")
    let y = add(attention, of: consume normed, to: x, as: "\(name).attn", grid, pass)
    let normedAgain = pass.handOut(norm2(y, pass), grid: size, as: "\(name).norm2")
    let z = add(mlp, of: consume normedAgain, to: y, as: "\(name).mlp", grid, pass)
    return pass.handOut(z, grid: size, as: name)
  }

  /// `x + branch(normed)`, as one where nobody wants the branch by itself; the same bits either way.
  private func add(
    _ branch: any ResidualBranch, of normed: consuming Tensor, to x: Tensor,
    as name: @autoclosure () -> String, _ grid: Grid, _ pass: ForwardPass
  ) -> Tensor {
    guard pass.wants(name()) else {
      return branch(consume normed, grid: grid, residual: x, pass)
    }
    let own = branch(consume normed, grid: grid, residual: nil, pass)
    return pass.add(
      pass.handOut(own, grid: (grid.height, grid.width), as: name()), x, layer: "\(name()).sum")
  }
}
