import FlattenCheckpoint
import FlattenTensor

/// One half of a transformer block: something whose result is added to what went in.
public protocol ResidualBranch: Sendable {
  /// Computes the branch and adds the residual.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`, normalised. In models with a class token it stands first, so that N is one more
  ///     than the grid has tokens.
  ///   - grid: rows and columns of the tokens.
  ///   - residual: `[B, N, C]`, added to the result; `nil` where the branch is wanted by itself.
  ///   - pass: has the operators.
  /// - Returns: `[B, N, C]`.
  func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
  ) -> Tensor
}

/// An attention: the part of a block that mixes tokens. All of them conform, those that are built in and
/// those of other packages.
///
/// A conforming type makes its layers in an initialiser that takes a `ParameterScope`, the attention's
/// place in the checkpoint, and is immutable after that: one model is called from many threads. It keeps
/// to the operators of `ForwardPass`, among which `mapRows` takes a function of its own.
public protocol TokenAttention: ResidualBranch {
  /// The same as `callAsFunction(_:grid:residual:_:)`, for an attention that uses what the block before it
  /// in the stage has computed. By default `memory` is left alone.
  func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, memory: inout StageMemory,
    _ pass: ForwardPass
  ) -> Tensor
}

extension TokenAttention {
  /// Computes the attention from the tokens alone.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, residual: Tensor?, memory: inout StageMemory,
    _ pass: ForwardPass
  ) -> Tensor {
    self(x, grid: grid, residual: residual, pass)
  }
}

/// Memory between the blocks of a stage: what one leaves for the next; empty at the stage's beginning.
public struct StageMemory: Sendable {
  /// The last attention's result without the residual, `[B, N, C]`, where an attention has left it.
  public var attention: Tensor?

  /// Makes an empty memory.
  public init() {}
}

/// A pre-norm block, of which all models here consist: `y = x + attention(norm1(x))`, then
/// `y + mlp(norm2(y))`.
///
/// An observer of the pass sees `<block>.norm1`, `.attn`, `.norm2`, `.mlp`, and `<block>`, the result.
/// `attn` and `mlp` are the branches without the residual; a pass for inference, which adds it on the way,
/// does not show them.
public struct TransformerBlock: Sendable {
  /// What comes first.
  private enum Mixing: Sendable {
    case attention(norm: LayerNorm, any TokenAttention)
    /// The attention of the block before stands in for this block's own.
    case substitute(AttentionSubstitute)
  }

  private let positions: Positions
  private let mixing: Mixing
  /// Whether the next block computes from this block's attention.
  private let leavesAttention: Bool
  private let norm2: LayerNorm
  private let mlp: any ResidualBranch
  private let name: String

  /// Positions by convolution: depthwise windows whose result is added to the tokens before a half of the block.
  package struct Positions: Sendable {
    let attention: DepthwiseConv2D?
    let mlp: DepthwiseConv2D?

    /// - Parameters:
    ///   - attention: before the attention's norm; the layer adds its input.
    ///   - mlp: the same before the feed-forward part's.
    package init(attention: DepthwiseConv2D? = nil, mlp: DepthwiseConv2D? = nil) {
      self.attention = attention
      self.mlp = mlp
    }
  }

  /// Reads the norms `norm1` and `norm2`, and lets `attention` and `mlp` read the rest.
  ///
  /// - Parameters:
  ///   - channels: of the tokens.
  ///   - normEpsilon: of both norms.
  ///   - name: of intermediates, such as `stages.2.blocks.1`.
  ///   - tree: the block's place in the checkpoint.
  ///   - attention: makes the attention from the block's place.
  ///   - mlp: makes the feed-forward part from the block's place.
  public init(
    _ channels: Int, normEpsilon: Float, name: String, from tree: ParameterScope,
    attention: (ParameterScope) throws -> any TokenAttention,
    mlp: (ParameterScope) throws -> any ResidualBranch
  ) throws {
    try self.init(
      channels, normEpsilon: normEpsilon, normKeys: ("norm1", "norm2"), name: name, from: tree,
      attention: attention, mlp: mlp)
  }

  /// The same with norms of other names, with positions by convolution, and for a stage some of whose blocks take the
  /// attention of the one before.
  ///
  /// - Parameters:
  ///   - substitute: what this block has in the place of its first norm and its attention; `nil` for one with both.
  ///   - leavesAttention: whether the next block has a substitute.
  package init(
    _ channels: Int, normEpsilon: Float, normKeys: (String, String) = ("norm1", "norm2"),
    name: String, from tree: ParameterScope,
    positions: (ParameterScope) throws -> Positions = { _ in Positions() },
    substitute: AttentionSubstitute? = nil, leavesAttention: Bool = false,
    attention: (ParameterScope) throws -> any TokenAttention,
    mlp: (ParameterScope) throws -> any ResidualBranch
  ) throws {
    self.positions = try positions(tree)
    if let substitute {
      mixing = .substitute(substitute)
    } else {
      mixing = .attention(
        norm: try LayerNorm(channels, epsilon: normEpsilon, from: tree.scope(normKeys.0)),
        try attention(tree))
    }
    self.leavesAttention = leavesAttention
    norm2 = try LayerNorm(channels, epsilon: normEpsilon, from: tree.scope(normKeys.1))
    self.mlp = try mlp(tree)
    self.name = name
  }

  /// `[B, N, C]` to the same shape.
  public func callAsFunction(
    _ x: Tensor, grid: Grid, memory: inout StageMemory, _ pass: ForwardPass
  ) -> Tensor {
    let x = positions.attention.map { $0(x.asMap(grid), pass).asTokens } ?? x
    var y = mixed(x, grid: grid, memory: &memory, pass)
    if let positions = positions.mlp { y = positions(y.asMap(grid), pass).asTokens }
    let normedAgain = pass.observe(norm2(y, pass), on: grid, as: "\(name).norm2")
    let z = pass.residual(y, on: grid, as: "\(name).mlp") { y in
      mlp(normedAgain, grid: grid, residual: y, pass)
    }
    return pass.observe(z, on: grid, as: name)
  }

  /// `x + attention(norm1(x))`, or x and what stands in for it.
  private func mixed(
    _ x: Tensor, grid: Grid, memory: inout StageMemory, _ pass: ForwardPass
  ) -> Tensor {
    switch mixing {
    case .attention(let norm, let attention):
      let normed = pass.observe(norm(x, pass), on: grid, as: "\(name).norm1")
      return added(to: x, grid: grid, memory: &memory, pass) { residual, memory in
        attention(normed, grid: grid, residual: residual, memory: &memory, pass)
      }
    case .substitute(let substitute):
      guard let before = memory.attention else {
        preconditionFailure("\(name): the block before has left no attention")
      }
      memory.attention = nil
      return added(to: x, grid: grid, memory: &memory, pass) { residual, _ in
        substitute(before, grid: grid, residual: residual, pass)
      }
    }
  }

  /// The branch added to x, and left in the memory where the next block wants it.
  private func added(
    to x: Tensor, grid: Grid, memory: inout StageMemory, _ pass: ForwardPass,
    _ branch: (_ residual: Tensor?, _ memory: inout StageMemory) -> Tensor
  ) -> Tensor {
    guard leavesAttention else {
      return pass.residual(x, on: grid, as: "\(name).attn") { branch($0, &memory) }
    }
    let attention = pass.observe(branch(nil, &memory), on: grid, as: "\(name).attn")
    memory.attention = attention
    return pass.add(attention, x, layer: "\(name).attn.sum")
  }
}

/// The blocks of one resolution, one after another.
public struct TransformerStage: Sendable {
  private let blocks: [TransformerBlock]

  /// Makes the blocks, whose parameters stand below their numbers.
  ///
  /// - Parameters:
  ///   - count: how many there are.
  ///   - tree: the place of the list of blocks.
  ///   - block: makes one from its number and its place.
  public init(
    _ count: Int, from tree: ParameterScope,
    block: (_ index: Int, _ scope: ParameterScope) throws -> TransformerBlock
  ) rethrows {
    blocks = try (0..<count).map { try block($0, tree.scope($0)) }
  }

  /// `[B, N, C]` to the same shape; N may be more than the grid has, where a class token stands first.
  public func callAsFunction(
    _ tokens: Tensor, grid: Grid, _ pass: ForwardPass
  ) -> Tensor {
    var x = tokens
    var memory = StageMemory()
    for block in blocks { x = block(x, grid: grid, memory: &memory, pass) }
    return x
  }

  /// `[B, H, W, C]` to the same shape.
  public func callAsFunction(_ map: Tensor, _ pass: ForwardPass) -> Tensor {
    let grid = map.grid
    return self(map.asTokens, grid: grid, pass).asMap(grid)
  }
}

extension ForwardPass {
  fileprivate func observe(
    _ x: Tensor, on grid: Grid, as name: @autoclosure () -> String
  ) -> Tensor {
    observe(x, grid: (grid.height, grid.width), as: name())
  }

  fileprivate func residual(
    _ x: Tensor, on grid: Grid, as name: @autoclosure () -> String,
    _ branch: (_ residual: Tensor?) -> Tensor
  ) -> Tensor {
    residual(x, grid: (grid.height, grid.width), as: name(), branch)
  }
}
