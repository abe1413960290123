import FlattenCheckpoint
import FlattenTensor

/// A learned vector per position, resized bilinearly (align_corners false) to any other grid.
///
/// Upstream runs only at the size the table was built for, or resizes it at every call; here a resized
/// table is kept, so that pictures of one size pay once.
public final class PositionTable: Sendable {
  /// Rows before the grid's that belong to other tokens.
  public enum Leading: Sendable, Equatable {
    /// There are none.
    case none
    /// The file has them, this model does not use them.
    case skipped(Int)
    /// They stay before the grid's rows, as they are, whatever the grid.
    case kept(Int)

    fileprivate var rows: Int {
      switch self {
      case .none: 0
      case .skipped(let rows), .kept(let rows): rows
      }
    }
  }

  private let table: Tensor  // [1, H0, W0, C]
  private let leadingRows: Tensor?  // [1, rows, C]
  private let resized = Locked<[Grid: Tensor]>([:])

  /// Sizes kept; a batch of pictures of ever new sizes must not fill the memory.
  private static let kept = 16

  /// Reads `[1, leading + tokens, channels]`.
  ///
  /// The grid is taken from the number of tokens in the file where that is a square number, so that a
  /// checkpoint built for another size than the config's loads as well.
  ///
  /// - Parameters:
  ///   - key: the table's name.
  ///   - native: the grid where there is no file, or where the file's tokens are not square.
  ///   - channels: of the tokens.
  ///   - leading: rows before the grid's.
  ///   - tree: the place that the name is looked up at.
  public init(
    _ key: String, native: Grid, channels: Int, leading: Leading = .none,
    from tree: ParameterScope
  ) throws {
    var grid = native
    // A file that has other channels is refused below: its number of tokens must not be believed, or
    // a shape without elements could claim any size.
    if let shape = tree.shape(of: key), shape.count == 3, shape[0] == 1, shape[2] == channels,
      shape[1] != native.count + leading.rows, let square = Grid(squareOf: shape[1] - leading.rows)
    {
      grid = square
    }
    let stored = try tree.tensor(key, [1, leading.rows + grid.count, channels])
    table = Tensor([1, grid.height, grid.width, channels]) { out in
      stored.withUnsafeBuffer {
        _ = out.update(fromContentsOf: $0.dropFirst(leading.rows * channels))
      }
    }
    if case .kept(let rows) = leading {
      leadingRows = Tensor([1, rows, channels], Array(stored.elements.prefix(rows * channels)))
    } else {
      leadingRows = nil
    }
  }

  /// The positions added to a map, once: what is resized for it is not kept.
  ///
  /// - Parameter x: `[B, H, W, C]`.
  /// - Returns: `[B, N, C]`.
  public func added(to x: Tensor, layer: String, _ pass: ForwardPass) -> Tensor {
    if x.grid == table.grid || leadingRows != nil {
      return pass.add(x.asTokens, self(x.grid, pass), layer: layer)
    }
    return pass.addResized(x, ShortList(only: table), alignCorners: false, layer: layer).asTokens
  }

  /// The table for a grid: `[N, C]`, or `[leading + N, C]` where leading rows are kept.
  public func callAsFunction(_ grid: Grid, _ pass: ForwardPass) -> Tensor {
    if grid == table.grid, leadingRows == nil {
      return table.reshaped(Shape(grid.count, table.shape[3]))
    }
    if let known = resized.withLock({ $0[grid] }) { return known }
    // Beside the pass, as it is no operator of the model; and not in its memory, which is for what comes
    // and goes.
    let tables = ForwardPass(threads: pass.threads, memory: nil, isDryRun: pass.isDryRun)
    var rows = tables.resizeBilinear(
      table, height: grid.height, width: grid.width, alignCorners: false, layer: ""
    ).asTokens
    if let leadingRows { rows = tables.joinTokens(leadingRows, rows, layer: "") }
    let made = rows.reshaped(Shape(rows.shape[1], rows.shape[2]))
    if pass.isDryRun { return made }
    resized.withLock { known in
      if known.count >= Self.kept { known.removeAll() }
      known[grid] = made
    }
    return made
  }
}
