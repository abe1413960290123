import FlattenImage
import FlattenNN
import FlattenTensor

/// Where a token of a picture looks: its row of the attention's matrix, and the matrix's rank.
///
/// In focused linear attention (arXiv 2308.00442, section 4.2) a token's output is a sum over all values,
/// weighted by `phi(q) phi(k)` over the sum of its row, plus a depthwise convolution of the values around it.
/// The convolution is a matrix of its own, `M_DWC`, for each channel of a head; as in the authors'
/// visualisation one channel stands for all. CSwin's positional encoding is such a convolution as well, and
/// counts.
public struct AttentionMap: Sendable {
  /// How the weights are made.
  public enum Kind: String, Sendable {
    /// Focused linear attention.
    case linear
    /// Softmax attention.
    case softmax
  }

  /// A head's weights of the cells of the map of keys, row by row; zero for keys the token cannot see.
  public struct Weights: Sendable {
    /// The head, counted from 0.
    public let head: Int
    /// The attention's; 0 to 1.
    public let attention: [Double]
    /// The depthwise convolution's, of either sign; `nil` where the block has none.
    public let depthwise: [Double]?
    /// The attention's weight of keys that are no cells of the map: a class token, and the padding of
    /// windows.
    public let elsewhere: Double
  }

  /// What was asked.
  public let query: AttentionQuery
  /// The pixel whose token looks.
  public let point: (x: Int, y: Int)
  /// The name of the model.
  public let model: String
  /// How the weights are made.
  public let kind: Kind
  /// Heads of the block.
  public let heads: Int
  /// Channels of a head.
  public let width: Int
  /// Rows and columns of tokens.
  public let grid: PixelSize
  /// Rows and columns of keys: fewer than of tokens where the block reduces them.
  public let keyGrid: PixelSize
  /// The token's row and column.
  public let token: (row: Int, column: Int)
  /// The weights of each head that was asked for.
  public let weights: [Weights]
  /// The rank of each of these heads' matrices; empty where it was not asked for.
  public let ranks: [AttentionRank]
  let picture: Image
  let frame: PictureFrame
  let reduction: KeyReduction

  init(
    _ records: [AttentionRecord], _ query: AttentionQuery, of picture: Image, _ frame: PictureFrame,
    model: String, threads: ThreadPool
  ) throws {
    self.query = query
    self.picture = picture
    self.frame = frame
    self.model = model
    guard let first = records.first else {
      preconditionFailure("stage \(query.stage), block \(query.block) reported no attention")
    }
    let layout = first.layout
    grid = PixelSize(height: layout.height, width: layout.width)
    reduction = first.reduction
    keyGrid = PixelSize(
      height: reduction.keys(of: layout.height), width: reduction.keys(of: layout.width))
    switch first.weighting {
    case .linear: kind = .linear
    case .softmax: kind = .softmax
    }
    heads = records.reduce(0) { $0 + $1.heads }
    width = first.queries.shape[2] / first.heads
    point = query.point ?? (x: picture.width / 2, y: picture.height / 2)
    guard
      let column = frame.column(Double(point.x) + 0.5, of: layout.width),
      let row = frame.row(Double(point.y) + 0.5, of: layout.height)
    else { throw AttentionQueryError.unseen(x: point.x, y: point.y) }
    token = (row, column)
    if let head = query.head, !(0..<heads).contains(head) {
      throw AttentionQueryError.head(head, count: heads)
    }
    guard (0..<width).contains(query.channel) else {
      throw AttentionQueryError.channel(query.channel, count: width)
    }

    let all = records.flatMap { record in (0..<record.heads).map { (record, $0) } }
    let shown = query.head.map { [$0] } ?? Array(0..<heads)
    let views = shown.map { head in
      HeadView(all[head].0, head: all[head].1, name: head, token: (row, column))
    }
    weights = views.map { $0.weights(channel: query.channel) }
    ranks = query.wantsRank ? AttentionRank.count(views, channel: query.channel, threads) : []
  }

  /// The mean over the heads, which have the convolution in common unless it is CSwin's.
  func mean(_ part: (Weights) -> [Double]?) -> [Double]? {
    let parts = weights.compactMap(part)
    guard let first = parts.first else { return nil }
    return first.indices.map { cell in
      parts.reduce(0) { $0 + $1[cell] } / Double(parts.count)
    }
  }

  /// All weights as one array, `[2, heads, key rows, key columns]`: the attention's, then the depthwise
  /// convolution's.
  public var array: (values: [Float], shape: [Int]) {
    let nothing = [Double](repeating: 0, count: keyGrid.height * keyGrid.width)
    let values =
      weights.flatMap(\.attention) + weights.flatMap { $0.depthwise ?? nothing }
    return (values.map { Float($0) }, [2, weights.count, keyGrid.height, keyGrid.width])
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

  func weights(channel: Int) -> AttentionMap.Weights {
    let own = matrix.attention(row: row)
    let cells = onMap(own)
    return AttentionMap.Weights(
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
