import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import Foundation
import TestSupport
import Testing

@Suite struct PositionTableTests {
  private func table(
    _ stored: Tensor, native: Grid, leading: PositionTable.Leading = .none
  ) throws -> PositionTable {
    let tree = Parameters.tree(("pos", stored))
    let table = try PositionTable(
      "pos", native: native, channels: stored.shape[2], leading: leading, from: tree.root)
    try tree.finish(ignoring: [])
    return table
  }

  @Test func itsOwnGridIsTheTableItself() throws {
    let stored = Tensor.noise([1, 15, 4], seed: 1)
    let table = try table(stored, native: Grid(3, 5))
    let got = table(Grid(3, 5), pass())
    #expect(got.shape == [15, 4] && got.elements == stored.elements)
    // The same count, turned: a resize, not a reshape.
    #expect(table(Grid(5, 3), pass()).elements != stored.elements)
  }

  @Test(arguments: [Grid(6, 10), Grid(2, 3), Grid(5, 3), Grid(1, 1), Grid(7, 4)])
  func otherGridsAreResized(grid: Grid) throws {
    let stored = Tensor.noise([1, 15, 4], seed: 1)
    let got = try table(stored, native: Grid(3, 5))(grid, pass())
    func along(_ index: Int, _ input: Int, _ output: Int) -> (Int, Int, Double) {
      let x = max(0, (Double(index) + 0.5) * Double(input) / Double(output) - 0.5)
      let low = min(Int(x), input - 1)
      return (low, min(low + 1, input - 1), x - Double(low))
    }
    var wanted: [Double] = []
    for row in 0..<grid.height {
      for column in 0..<grid.width {
        let (y0, y1, v) = along(row, 3, grid.height)
        let (x0, x1, u) = along(column, 5, grid.width)
        for c in 0..<4 {
          func at(_ y: Int, _ x: Int) -> Double { Double(stored.elements[(y * 5 + x) * 4 + c]) }
          let upper = (1 - u) * at(y0, x0) + u * at(y0, x1)
          let lower = (1 - u) * at(y1, x0) + u * at(y1, x1)
          wanted.append((1 - v) * upper + v * lower)
        }
      }
    }
    #expect(got.mismatch(wanted, [grid.count, 4]) == nil)
  }

  @Test func aResizedTableIsKept() throws {
    let table = try table(.noise([1, 15, 4], seed: 1), native: Grid(3, 5))
    let first = table(Grid(6, 10), pass())
    #expect(table(Grid(6, 10), pass()).pointer == first.pointer)
    // Many other sizes push it out; it comes back the same.
    for side in 1...40 { _ = table(Grid(side, side + 1), pass()) }
    #expect(table(Grid(6, 10), pass()).elements == first.elements)
  }

  @Test func severalThreadsResizeATable() throws {
    let table = try table(.noise([1, 15, 4], seed: 1), native: Grid(3, 5))
    let wanted = (1...8).map { table(Grid($0, 7), pass()).elements }
    let fresh = try self.table(.noise([1, 15, 4], seed: 1), native: Grid(3, 5))
    let failures = Locked(0)
    DispatchQueue.concurrentPerform(iterations: 32) { caller in
      let side = caller % 8 + 1
      if fresh(Grid(side, 7), pass()).elements != wanted[side - 1] {
        failures.withLock { $0 += 1 }
      }
    }
    #expect(failures.withLock { $0 } == 0)
  }

  /// The sum is the table's rows added to each item, whether they are made on the way or not.
  @Test(arguments: [(3, 5), (4, 9), (1, 1)]) func addedToAMap(grid: (Int, Int)) throws {
    let table = try table(.noise([1, 15, 18], seed: 1), native: Grid(3, 5))
    let x = Tensor.noise([2, grid.0, grid.1, 18], seed: 2)
    let sum = table.added(to: x, pass())
    let rows = table(Grid(grid.0, grid.1), pass()).elements
    #expect(sum.shape == [2, grid.0 * grid.1, 18])
    let worst = sum.elements.indices.map { index in
      abs(sum.elements[index] - (x.elements[index] + rows[index % rows.count]))
    }.max()
    #expect(try #require(worst) <= 1e-6)
  }

  @Test func aDryRunKeepsNothing() throws {
    let table = try table(.noise([1, 15, 4], seed: 1), native: Grid(3, 5))
    let dry = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    #expect(table(Grid(2, 2), dry).shape == [4, 4])
    let got = table(Grid(2, 2), pass())
    let fresh = try self.table(.noise([1, 15, 4], seed: 1), native: Grid(3, 5))(Grid(2, 2), pass())
    #expect(got.elements == fresh.elements)
  }

  /// A checkpoint of another size than the config's: its tokens must form a square.
  @Test(arguments: [1, 16, 49]) func aSquareTableOfAnotherSizeLoads(tokens: Int) throws {
    let stored = Tensor.noise([1, tokens, 3], seed: 1)
    let side = Int(Double(tokens).squareRoot())
    let got = try table(stored, native: Grid(3, 5))(Grid(side, side), pass())
    #expect(got.elements == stored.elements)
  }

  @Test func otherTablesAreRefused() throws {
    for tokens in [14, 17, 48] {
      #expect(throws: ParameterError.self) {
        try table(.noise([1, tokens, 3], seed: 1), native: Grid(3, 5))
      }
    }
  }

  /// Shapes that a damaged file may have; none has elements, so they cost nothing to claim.
  @Test(arguments: [
    [1, 0, 4], [1, .max, 0], [1, 1 << 60, 0], [1, 1 << 40, 0], [1, 1, 0], [1, 2, 0], [0, 1, 4], [0],
    [],
  ])
  func hostileShapesAreRefused(shape: [Int]) throws {
    for leading in [PositionTable.Leading.none, .skipped(1), .kept(1)] {
      let source = Parameters([(name: "pos", tensor: Tensor([0], []))], claiming: shape)
      let tree = ParameterTree(source: source)
      _ = try PositionTable(
        "pos", native: Grid(3, 5), channels: 4, leading: leading, from: tree.root)
      #expect(throws: ParameterError.self) { try tree.finish(ignoring: []) }
    }
  }

  /// The rows of other tokens, in front, are left out.
  @Test(arguments: [15, 16]) func rowsOfOtherTokensAreSkipped(tokens: Int) throws {
    let stored = Tensor.noise([1, tokens + 1, 3], seed: 1)
    let table = try table(stored, native: Grid(3, 5), leading: .skipped(1))
    let got = table(tokens == 15 ? Grid(3, 5) : Grid(4, 4), pass())
    #expect(got.elements == Array(stored.elements.dropFirst(3)))
  }

  /// The rows of other tokens, in front, stay as they are whatever the grid.
  @Test func rowsOfOtherTokensAreKept() throws {
    let stored = Tensor.noise([1, 17, 3], seed: 1)
    let kept = try table(stored, native: Grid(3, 5), leading: .kept(2))
    let skipped = try table(stored, native: Grid(3, 5), leading: .skipped(2))
    #expect(kept(Grid(3, 5), pass()).elements == stored.elements)
    let got = kept(Grid(4, 7), pass())
    #expect(
      got.shape == [30, 3] && Array(got.elements.prefix(6)) == Array(stored.elements.prefix(6)))
    #expect(Array(got.elements.dropFirst(6)) == skipped(Grid(4, 7), pass()).elements)
    #expect(kept(Grid(4, 7), pass()).pointer == got.pointer)
  }

  @Test func withoutAFileTheGridIsTheNativeOne() throws {
    let tree = ParameterTree.random(seed: 1)
    let table = try PositionTable("pos", native: Grid(3, 5), channels: 4, from: tree.root)
    #expect(table(Grid(3, 5), pass()).shape == [15, 4])
    #expect(tree.parameterCount == 60)
  }
}
