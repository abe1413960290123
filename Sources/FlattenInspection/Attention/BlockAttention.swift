import FlattenRegions
import FlattenTensor

/// The attention of one block for one picture, all heads together: where its tokens look, and the rank of
/// its matrices.
///
/// In focused linear attention (arXiv 2308.00442, section 4.2) a token's output is a sum over all values,
/// weighted by `phi(q) phi(k)` over the sum of its row, plus a depthwise convolution of the values around it.
/// The convolution is a matrix of its own, `M_DWC`, for each channel of a head; as in the authors'
/// visualisation one channel stands for all. CSwin's positional encoding is such a convolution as well, and
/// counts.
package struct BlockAttention: Sendable {
  /// One head's share of a record each.
  private let parts: [(record: AttentionRecord, head: Int)]
  /// How the weights are made.
  package let form: AttentionForm
  /// Channels of a head.
  package let width: Int
  /// Rows and columns of tokens.
  package let grid: PixelSize
  /// Rows and columns of keys: fewer than of tokens where the block reduces them.
  package let keyGrid: PixelSize
  /// How tokens became keys.
  package let reduction: KeyReduction

  /// Heads of the block.
  package var heads: Int { parts.count }

  /// - Parameter records: of one block: two where it looks along columns and rows. `nil` where there are
  ///   none.
  package init?(_ records: [AttentionRecord]) {
    guard let first = records.first else { return nil }
    let layout = first.layout
    parts = records.flatMap { record in (0..<record.heads).map { (record, $0) } }
    switch first.weighting {
    case .linear: form = .linear
    case .softmax: form = .softmax
    case .rows: form = .other
    }
    width = first.channels.count / first.heads
    grid = PixelSize(height: layout.height, width: layout.width)
    reduction = first.reduction
    keyGrid = PixelSize(
      height: reduction.keys(of: layout.height), width: reduction.keys(of: layout.width))
  }

  /// Where a token looks.
  ///
  /// - Parameters:
  ///   - heads: which, counted from 0.
  ///   - token: row and column on the ``grid``.
  ///   - channel: the channel of a head whose depthwise kernel is taken.
  package func weights(
    heads: [Int], token: (row: Int, column: Int), channel: Int
  ) -> [AttentionWeights] {
    views(heads, token).map { $0.weights(channel: channel) }
  }

  /// The ranks of some heads' matrices, counted on all threads; of large ones near the token.
  package func ranks(
    heads: [Int], token: (row: Int, column: Int), channel: Int, _ threads: ThreadPool
  ) -> [AttentionRank] {
    AttentionRank.count(views(heads, token), channel: channel, threads)
  }

  private func views(_ heads: [Int], _ token: (row: Int, column: Int)) -> [HeadView] {
    heads.map { HeadView(parts[$0].record, head: parts[$0].head, name: $0, token: token) }
  }
}

/// One head of a block, and the token of it that looks.
struct HeadView: Sendable {
  let record: AttentionRecord
  let matrix: AttentionMatrix
  /// The head's number in its block.
  let name: Int
  /// The window, and the token's row there.
  let window: Int
  let row: Int

  init(_ record: AttentionRecord, head: Int, name: Int, token: (row: Int, column: Int)) {
    let place = record.layout.place(row: token.row, column: token.column)
    self.record = record
    self.name = name
    window = place.window
    matrix = AttentionMatrix(record, head: head, window: place.window)
    row = matrix.leading + place.token
  }

  func weights(channel: Int) -> AttentionWeights {
    let own = matrix.attention(row: row)
    let cells = onMap(own)
    return AttentionWeights(
      head: name, attention: cells,
      depthwise: matrix.hasDepthwise
        ? onMap(matrix.depthwise(row: row, channel: channel)) : nil,
      elsewhere: max(0, own.reduce(0, +) - cells.reduce(0, +)))
  }

  /// A row's numbers at the cells of the map of keys.
  private func onMap(_ row: [Double]) -> [Double] {
    let layout = record.layout
    guard record.reduction == .none else { return Array(row[matrix.leading...]) }
    var cells = [Double](repeating: 0, count: layout.height * layout.width)
    for token in 0..<layout.tokens {
      if let cell = layout.cell(window: window, token: token) {
        cells[cell.row * layout.width + cell.column] = row[matrix.leading + token]
      }
    }
    return cells
  }
}
