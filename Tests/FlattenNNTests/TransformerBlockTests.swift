import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import Testing

@Suite struct TransformerBlockTests {
  /// Adds a constant.
  private struct Constant: TokenAttention {
    let value: Float

    func callAsFunction(
      _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
    ) -> Tensor {
      let own = Tensor(x.shape, [Float](repeating: value, count: x.count))
      guard let residual else { return own }
      return pass.add(own, residual, layer: "constant")
    }
  }

  private func block() throws -> TransformerBlock {
    try TransformerBlock(
      4, normEpsilon: 1e-6, name: "b", from: .random(seed: 1),
      attention: { _ in Constant(value: 2) }, mlp: { _ in Constant(value: 0.5) })
  }

  /// Both branches add to what went in.
  @Test func branchesAreAdded() throws {
    let x = Tensor([1, 6, 4], (0..<24).map { Float($0) })
    var memory = StageMemory()
    let y = try block()(x, grid: Grid(2, 3), memory: &memory, pass())
    #expect(y.elements == x.elements.map { $0 + 2.5 })
  }

  /// Five tensors, in the order they are made; the branches without what they are added to.
  @Test func eachStepIsObserved() throws {
    let pass = ForwardPass(threadCount: 2, purpose: .inspection)
    var got: [(name: String, first: Float)] = []
    pass.observer = { observation in
      guard case .intermediate(let name, let x, let grid) = observation else { return }
      #expect(x.shape == [1, 6, 4] && grid == (2, 3))
      got.append((name, x.elements[0]))
    }
    var memory = StageMemory()
    let x = Tensor([1, 6, 4], (0..<24).map { Float($0 % 4) })
    _ = try block()(x, grid: Grid(2, 3), memory: &memory, pass)
    #expect(got.map(\.name) == ["b.norm1", "b.attn", "b.norm2", "b.mlp", "b"])
    #expect(got[1].first == 2 && got[3].first == 0.5 && got[4].first == 2.5)
    // 0, 1, 2, 3 normed begins with -1.5 / sqrt(1.25); a constant added changes nothing.
    #expect(abs(got[0].first + 1.34164) < 1e-4 && abs(got[2].first + 1.34164) < 1e-4)
  }

  /// Parameters are asked for in the order they stand in checkpoints.
  @Test func parametersHaveTheirOrder() throws {
    let tree = ParameterTree.random(seed: 1)
    _ = try TransformerBlock(
      4, normEpsilon: 1e-6, name: "b", from: tree.root.scope("block"),
      attention: { scope in
        _ = try scope.scope("attn").tensor("w", [1])
        return Constant(value: 1)
      },
      mlp: { try MLP(4, hidden: 8, from: $0.scope("mlp")) })
    #expect(
      tree.requested.map(\.name) == [
        "block.norm1.weight", "block.norm1.bias", "block.attn.w", "block.norm2.weight",
        "block.norm2.bias", "block.mlp.fc1.weight", "block.mlp.fc1.bias", "block.mlp.fc2.weight",
        "block.mlp.fc2.bias",
      ])
  }

  /// Leaves what it adds for the next block, and adds ten times what the block before has left.
  private struct Carrying: TokenAttention {
    func callAsFunction(
      _ x: Tensor, grid: Grid, residual: Tensor?, _ pass: ForwardPass
    ) -> Tensor { preconditionFailure("a stage has a memory") }

    func callAsFunction(
      _ x: Tensor, grid: Grid, residual: Tensor?, memory: inout StageMemory, _ pass: ForwardPass
    ) -> Tensor {
      let last = memory.attention?.elements[0] ?? 0.1
      let own = Tensor(x.shape, [Float](repeating: 10 * last, count: x.count))
      memory.attention = own
      return residual.map { pass.add(own, $0, layer: "carrying") } ?? own
    }
  }

  /// A memory goes from block to block, and each call of a stage begins with an empty one.
  @Test(arguments: Purpose.allCases) func aStageHasAMemory(purpose: Purpose) throws {
    let stage = try TransformerStage(3, from: .random(seed: 1)) { index, scope in
      #expect(scope.path == "\(index)")
      return try TransformerBlock(
        4, normEpsilon: 1e-6, name: "b\(index)", from: scope, attention: { _ in Carrying() },
        mlp: { _ in Constant(value: 0) })
    }
    let x = Tensor(zeros: [1, 2, 3, 4])
    for _ in 0..<2 {
      let y = stage(x, ForwardPass(threadCount: 1, purpose: purpose))
      #expect(y.shape == x.shape && y.elements.allSatisfy { $0 == 111 })
    }
  }
}
