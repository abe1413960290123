import FlattenImage
import FlattenInspection
import FlattenRegions
import FlattenTensor

/// Where a token of a picture looks: its row of the attention's matrix, and the matrix's rank.
public struct AttentionMap: Sendable {
  /// What was asked.
  public let query: AttentionQuery
  /// The pixel whose token looks.
  public let point: (x: Int, y: Int)
  /// The name of the model.
  public let model: String
  /// How the weights are made.
  public let kind: AttentionForm
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
  public let weights: [AttentionWeights]
  /// The rank of each of these heads' matrices; empty where it was not asked for.
  public let ranks: [AttentionRank]
  let picture: Image
  let frame: PictureFrame
  let reduction: KeyReduction

  /// - Throws: ``AttentionQueryError`` where the block has no such token, head or channel.
  init(
    _ block: BlockAttention, _ query: AttentionQuery, of picture: Image, _ frame: PictureFrame,
    model: String, threads: ThreadPool
  ) throws {
    self.query = query
    self.picture = picture
    self.frame = frame
    self.model = model
    grid = block.grid
    keyGrid = block.keyGrid
    reduction = block.reduction
    kind = block.form
    heads = block.heads
    width = block.width
    point = query.point ?? (x: picture.width / 2, y: picture.height / 2)
    guard
      let column = frame.column(Double(point.x) + 0.5, of: grid.width),
      let row = frame.row(Double(point.y) + 0.5, of: grid.height)
    else { throw AttentionQueryError.unseen(x: point.x, y: point.y) }
    token = (row, column)
    if let head = query.head, !(0..<heads).contains(head) {
      throw AttentionQueryError.head(head, count: heads)
    }
    guard (0..<width).contains(query.channel) else {
      throw AttentionQueryError.channel(query.channel, count: width)
    }
    let shown = query.head.map { [$0] } ?? Array(0..<heads)
    weights = block.weights(heads: shown, token: token, channel: query.channel)
    ranks =
      query.wantsRank
      ? block.ranks(heads: shown, token: token, channel: query.channel, threads) : []
  }

  /// The mean over the heads, which have the convolution in common unless it is CSwin's.
  func mean(_ part: (AttentionWeights) -> [Double]?) -> [Double]? {
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
