import FlattenCheckpoint
import FlattenTensor

/// Swin's learned bias of attention scores: a number per head and per offset from one cell of a window
/// to another.
///
/// A table for windows of side w knows all offsets from -(w - 1) to w - 1 in both directions, so it
/// serves every window that is not larger.
package final class RelativePositionBias: Sendable {
  private let table: Tensor  // [2w - 1, 2w - 1, heads]
  private let expanded = Locked<[Grid: Tensor]>([:])

  /// Windows kept, one a shape of window: pictures give few.
  private static let kept = 16

  /// Reads `relative_position_bias_table` `[(2w - 1)^2, heads]`.
  ///
  /// A file's table for another window is resized bicubically, as Swin's loaders do.
  package init(window: Int, heads: Int, from tree: ParameterScope) throws {
    let key = "relative_position_bias_table"
    let side = 2 * window - 1
    var stored = side
    // A shape without elements could claim any size: only a file with the right number of heads is
    // believed.
    if let shape = tree.shape(of: key), shape.count == 2, shape[1] == heads,
      let square = Grid(squareOf: shape[0]), square.height % 2 == 1
    {
      stored = square.height
    }
    let read = try tree.tensor(key, [stored * stored, heads]).reshaped([1, stored, stored, heads])
    // Upstream: Swin-Transformer utils.py:72.
    let fitting = stored == side ? read : read.resizedBicubic(height: side, width: side)
    table = fitting.reshaped([side, side, heads])
  }

  /// The bias of each cell (rows) for each cell of a window: `[heads, tokens, tokens]`.
  package func callAsFunction(_ window: Grid, _ pass: ForwardPass) -> Tensor {
    let (side, heads) = (table.shape[0], table.shape[2])
    precondition(
      2 * max(window.height, window.width) - 1 <= side, "a bias of \(side) offsets for \(window)")
    let shape: Shape = [heads, window.count, window.count]
    if pass.isDryRun { return Tensor(uninitialized: shape) }
    if let known = expanded.withLock({ $0[window] }) { return known }
    let made = Tensor(shape) { out in
      var index = 0
      for head in 0..<heads {
        for query in 0..<window.count {
          for key in 0..<window.count {
            let row = query / window.width - key / window.width + side / 2
            let column = query % window.width - key % window.width + side / 2
            out[index] = table.pointer[(row * side + column) * heads + head]
            index += 1
          }
        }
      }
    }
    expanded.withLock { known in
      if known.count >= Self.kept { known.removeAll() }
      known[window] = made
    }
    return made
  }
}
