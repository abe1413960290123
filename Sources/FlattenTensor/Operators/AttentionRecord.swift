/// The factors of an attention's matrix, about to be multiplied: enough to write down the matrix that is
/// never made.
///
/// Channels are the heads side by side. B counts pictures, times the windows that each is cut into.
package struct AttentionRecord: Sendable {
  /// How products of queries and keys become weights of values.
  package enum Weighting: Sendable {
    /// `q k^T`, divided by the sum of its row; q and k have been through the focusing map.
    case linear
    /// `softmax(q k^T / sqrt d + bias)`; the bias is `[heads, tokens, tokens]`.
    case softmax(bias: Tensor?)
    /// Whatever the attention says: for a head and a token of the first picture, the weights of all keys'
    /// values. They may be negative and need not sum to 1.
    case rows(@Sendable (_ head: Int, _ token: Int) -> [Double])
  }

  /// Path of the attention in the checkpoint.
  package let layer: String
  package let weighting: Weighting
  /// `[B, N, C]`; tokens that are no cells of the map, such as a class token, stand first.
  package let queries: Tensor
  /// `[B, n, C or more]`, of which the first C channels are read.
  package let keys: Tensor
  package let heads: Int
  /// How the map was cut into windows of tokens.
  package let layout: WindowLayout
  /// How the keys were made of the map's tokens.
  package let reduction: KeyReduction
  /// The convolutions of the values that are added, each `[kernel * kernel, C]`. Where keys are reduced
  /// the values are resized to the tokens first, in one dimension.
  package let depthwise: [DepthwiseWeight]
  /// The block's channels that this attention mixes. Those of a block that looks along columns and rows
  /// come in two records; the first channel is in the first one.
  package let channels: Range<Int>

  package init(
    layer: String, _ weighting: Weighting, queries: Tensor, keys: Tensor, heads: Int,
    layout: WindowLayout, reduction: KeyReduction = .none, depthwise: [DepthwiseWeight] = [],
    channels: Range<Int>? = nil
  ) {
    self.layer = layer
    self.weighting = weighting
    self.queries = queries
    self.keys = keys
    self.heads = heads
    self.layout = layout
    self.reduction = reduction
    self.depthwise = depthwise
    self.channels = channels ?? 0..<queries.shape[2]
  }
}

extension WindowLayout {
  /// The window that a cell of the map lies in, and its token there.
  package func place(row: Int, column: Int) -> (window: Int, token: Int) {
    let (row, column) = (rolledRow(row), rolledColumn(column))
    return (
      row / windowHeight * columns + column / windowWidth,
      row % windowHeight * windowWidth + column % windowWidth
    )
  }

  /// The cell of the map at a token of a window; `nil` in the padding.
  package func cell(window: Int, token: Int) -> (row: Int, column: Int)? {
    guard let row = sourceRow(window / columns * windowHeight + token / windowWidth),
      let column = sourceColumn(window % columns * windowWidth + token % windowWidth)
    else { return nil }
    return (row, column)
  }
}
