import FlattenCheckpoint
import FlattenTensor

/// A learned vector per position, resized bilinearly (align_corners false) to any other grid.
///
/// Upstream runs only at the size the table was built for, or resizes it at every call; here a resized
/// table is kept, so that pictures of one size pay once.
package final class PositionTable: Sendable {
  private let table: Tensor  // [1, H0, W0, C]
  private let resized = Locked<[Grid: Tensor]>([:])

  /// Sizes kept; a batch of pictures of ever new sizes must not fill the memory.
  private static let kept = 16

  /// Reads `[1, tokens, channels]`, or `[1, skipping + tokens, channels]` of which the first rows belong
  /// to other tokens.
  ///
  /// The grid is taken from the number of tokens in the file where that is a square number, so that a
  /// checkpoint built for another size than the config's loads as well.
  ///
  /// - Parameter native: the grid where there is no file, or where the file's tokens are not square.
  package init(
    _ key: String, native: Grid, channels: Int, skipping: Int = 0, from tree: ParameterScope
  ) throws {
    var grid = native
    // A file that has other channels is refused below: its number of tokens must not be believed, or
    // a shape without elements could claim any size.
    if let shape = tree.shape(of: key), shape.count == 3, shape[0] == 1, shape[2] == channels,
      shape[1] != native.count + skipping, let square = Grid(squareOf: shape[1] - skipping)
    {
      grid = square
    }
    let stored = try tree.tensor(key, [1, skipping + grid.count, channels])
    table = Tensor([1, grid.height, grid.width, channels]) { out in
      stored.withUnsafeBuffer { _ = out.update(fromContentsOf: $0.dropFirst(skipping * channels)) }
    }
  }

  /// The table for a grid: `[N, C]`.
  package func callAsFunction(_ grid: Grid, _ pass: ForwardPass) -> Tensor {
    let shape = [grid.count, table.shape[3]]
    if grid == table.grid { return table.reshaped(shape) }
    if let known = resized.withLock({ $0[grid] }) { return known }
    // Beside the pass, as it is no operator of the model; and copied out of its memory, which is for what
    // comes and goes.
    let tables = ForwardPass(
      threads: pass.threads, memory: pass.memory, isDryRun: pass.isDryRun)
    let resizedTable = tables.resizeBilinear(
      table, height: grid.height, width: grid.width, alignCorners: false, layer: ""
    ).reshaped(shape)
    if pass.isDryRun { return resizedTable }
    let made = Tensor(shape) { out in
      resizedTable.withUnsafeBuffer { _ = out.update(fromContentsOf: $0) }
    }
    resized.withLock { known in
      if known.count >= Self.kept { known.removeAll() }
      known[grid] = made
    }
    return made
  }
}
