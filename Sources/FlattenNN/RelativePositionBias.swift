import FlattenCheckpoint
import FlattenTensor

/// Swin's learned bias of attention scores: a number per head and per offset from one cell of a window
/// to another.
package struct RelativePositionBias: Sendable {
  /// `[(2w - 1)^2, heads]` for the file's own w; in a model for training only.
  package let table: Tensor?
  private let bias: RelativeBiasTable

  /// Reads `relative_position_bias_table` `[(2w - 1)^2, heads]`.
  ///
  /// A file's table may be one for another window.
  package init(window: Int, heads: Int, from tree: ParameterScope) throws {
    let key = "relative_position_bias_table"
    var side = 2 * window - 1
    // A shape without elements could claim any size: only a file with the right number of heads is
    // believed.
    if let shape = tree.shape(of: key), shape.count == 2, shape[1] == heads,
      let square = Grid(squareOf: shape[0]), square.height % 2 == 1
    {
      side = square.height
    }
    let table = try tree.tensor(
      key, [side * side, heads], initially: .normal(deviation: 0.02))
    self.table = tree.kept(table)
    bias = RelativeBiasTable(table, window: window)
  }

  /// The bias of each cell (rows) for each cell of a window: `[heads, tokens, tokens]`.
  package func callAsFunction(_ window: Grid, _ pass: ForwardPass) -> Tensor {
    pass.relativeBias(bias, height: window.height, width: window.width)
  }
}
