import FlattenTensor

/// The numerical rank of one head's matrix, without and with the depthwise convolution: the paper's "rank
/// restoration" (arXiv 2308.00442, section 4.2).
///
/// A singular value counts where it exceeds the largest one times the longer side times
/// ``epsilon``, the rule of `torch.linalg.matrix_rank` for a float32 matrix; the matrix and its values are
/// computed in double precision. Without the convolution linear attention has at most as many as a head has
/// channels.
public struct AttentionRank: Sendable, Equatable {
  /// Of float32, the precision of queries and keys.
  public static let epsilon = Double(Float.ulpOfOne)

  /// The head, counted from 0.
  public let head: Int
  /// Rows of the matrix: tokens.
  public let rows: Int
  /// Columns of the matrix: keys.
  public let columns: Int
  /// Whether these are all tokens and keys that the attention brings together; else those near the token.
  public let isWhole: Bool
  /// The attention's rank.
  public let attention: Int
  /// The rank with the convolution of one channel added; `nil` where the block has none.
  public let withDepthwise: Int?

  /// Counts the ranks of some heads, on all threads.
  static func count(
    _ views: [HeadView], channel: Int, _ threads: ThreadPool
  ) -> [AttentionRank] {
    let made = Locked([Int: Int]())
    let regions = views.map { RankRegion($0) }
    // Even tasks are the attention alone, odd ones the sum.
    threads.run(2 * views.count) { task in
      let (view, region) = (views[task / 2], regions[task / 2])
      guard task % 2 == 0 || view.matrix.hasDepthwise else { return }
      let values = SingularValues(rows: region.tokens.count, columns: region.keys.count) { index in
        let row = region.tokens[index]
        let own = view.matrix.attention(row: row)
        guard task % 2 == 1 else { return region.keys.map { own[$0] } }
        let added = view.matrix.depthwise(row: row, channel: channel)
        return region.keys.map { own[$0] + added[$0] }
      }
      let rank = values.rank(epsilon: epsilon)
      made.withLock { $0[task] = rank }
    }
    let ranks = made.withLock { $0 }
    return views.indices.map { index in
      AttentionRank(
        head: views[index].name, rows: regions[index].tokens.count,
        columns: regions[index].keys.count, isWhole: regions[index].isWhole,
        attention: ranks[2 * index] ?? 0, withDepthwise: ranks[2 * index + 1])
    }
  }
}

/// The rows and columns whose rank is counted: all, or those of a rectangle of keys around the token, as large
/// as can be counted in seconds, with the tokens that the keys were made of.
struct RankRegion: Sendable {
  let tokens: [Int]
  let keys: [Int]
  let isWhole: Bool

  /// Most rows times columns squared: 32x32 tokens whose keys are not reduced. The class token is not
  /// counted, and is always there.
  private static let limit = 1 << 30

  init(_ view: HeadView) {
    let (grid, reduction) = (view.record.layout.window, view.record.reduction)
    let keyGrid = reduction(grid)
    let token = view.row - view.matrix.leading
    let at = (row: token / grid.width, column: token % grid.width)
    var side = max(keyGrid.height, keyGrid.width)
    var rows = Span(side, at.row, grid.height, reduction)
    var columns = Span(side, at.column, grid.width, reduction)
    func cost() -> Int {
      let keys = rows.keys.count * columns.keys.count
      return rows.tokens.count * columns.tokens.count * keys * keys
    }
    while side > 1, cost() > Self.limit {
      side -= 1
      rows = Span(side, at.row, grid.height, reduction)
      columns = Span(side, at.column, grid.width, reduction)
    }
    let leading = Array(0..<view.matrix.leading)
    func cells(_ rows: [Int], _ columns: [Int], _ width: Int) -> [Int] {
      leading + rows.flatMap { row in columns.map { leading.count + row * width + $0 } }
    }
    tokens = cells(rows.tokens, columns.tokens, grid.width)
    keys = cells(Array(rows.keys), Array(columns.keys), keyGrid.width)
    isWhole =
      tokens.count == view.matrix.tokens && keys.count == view.matrix.keyCount
  }

  /// One side of the rectangle.
  private struct Span {
    let keys: Range<Int>
    let tokens: [Int]

    /// - Parameters:
    ///   - side: most keys.
    ///   - token: which the keys lie around, of `count`.
    init(_ side: Int, _ token: Int, _ count: Int, _ reduction: KeyReduction) {
      let all = reduction.keys(of: count)
      let side = min(side, all)
      let key = reduction.key(of: token, among: count) ?? all - 1
      let first = min(max(key - side / 2, 0), all - side)
      let keys = first..<first + side
      self.keys = keys
      // Tokens that went into no key belong to the whole only.
      tokens = (0..<count).filter { token in
        reduction.key(of: token, among: count).map(keys.contains) ?? (side == all)
      }
    }
  }
}
