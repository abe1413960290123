import FlattenCheckpoint
import FlattenTensor

/// A learned vector per position, resized bilinearly (align_corners false) to any other grid.
///
/// Upstream runs only at the size the table was built for, or resizes it at every call.
public struct PositionTable: Sendable {
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

  /// `[1, leading + tokens, channels]`; in a model for training only.
  public let table: Tensor?
  private let rows: PositionRows
  private let path: String

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
    let table = try tree.tensor(
      key, [1, leading.rows + grid.count, channels], initially: .normal(deviation: 0.02))
    self.table = tree.kept(table)
    let keepsLeading = if case .kept = leading { true } else { false }
    rows = PositionRows(
      table, height: grid.height, width: grid.width, keepsLeading: keepsLeading)
    path = tree.scope(key).path
  }

  /// The positions of the grid added to a map `[B, H, W, C]`: `[B, N, C]`.
  public func added(to map: Tensor, _ pass: ForwardPass) -> Tensor {
    pass.addPositions(map, rows, layer: path)
  }

  /// The table for a grid: `[N, C]`, or `[leading + N, C]` where leading rows are kept.
  public func callAsFunction(_ grid: Grid, _ pass: ForwardPass) -> Tensor {
    pass.positions(rows, height: grid.height, width: grid.width, layer: path)
  }
}
