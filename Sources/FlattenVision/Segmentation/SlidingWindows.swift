import FlattenImage
import FlattenRegions
import FlattenTensor

/// How a network's input is cut into overlapping windows.
enum SlidingWindows {
  /// Where the windows begin along one axis: as many as are needed, the last one moved back inside.
  static func starts(extent: Int, crop: Int, stride: Int) -> [(start: Int, size: Int)] {
    let count = max(extent - crop + stride - 1, 0) / stride + 1
    return (0..<count).map { index in
      let end = min(index * stride + crop, extent)
      let start = max(end - crop, 0)
      return (start, end - start)
    }
  }
}

extension InferenceMode {
  /// Refuses windows between which pixels would be seen by none.
  ///
  /// - Throws: ``InferenceError/strideTooLarge(_:crop:)``.
  func requireCover() throws {
    if case .slide(let crop, let stride) = self,
      stride.height > crop.height || stride.width > crop.width
    {
      throw InferenceError.strideTooLarge(stride, crop: crop)
    }
  }
}

/// One application of the network to a resized picture: the places of its windows.
///
/// The network applied to the whole input is one window of its size. Windows that lie in the padding alone are
/// left out: nothing of their scores is kept.
struct FieldLayout: Sendable {
  /// The resized picture.
  let size: PixelSize
  /// The network's input, with padding.
  let input: PixelSize
  let rows: [(start: Int, size: Int)]
  let columns: [(start: Int, size: Int)]

  init(_ size: PixelSize, padded input: PixelSize, _ mode: InferenceMode) {
    self.size = size
    self.input = input
    switch mode {
    case .whole:
      rows = [(0, input.height)]
      columns = [(0, input.width)]
    case .slide(let crop, let stride):
      rows = SlidingWindows.starts(
        extent: input.height, crop: crop.height, stride: stride.height
      ).filter { $0.start < size.height }
      columns = SlidingWindows.starts(
        extent: input.width, crop: crop.width, stride: stride.width
      ).filter { $0.start < size.width }
    }
  }

  /// What the network sees at once, without the padding.
  var seen: PixelSize {
    PixelSize(height: min(window.height, size.height), width: min(window.width, size.width))
  }

  /// The size of every window.
  var window: PixelSize { PixelSize(height: rows[0].size, width: columns[0].size) }

  /// Rows of windows that cover one row of the input, at most: those whose scores are needed at once.
  var rowsAtOnce: Int {
    rows.indices.map { index in
      rows[index...].prefix { $0.start < rows[index].start + rows[index].size }.count
    }.max() ?? 1
  }
}

/// The scores of one application of the network, made from top to bottom a row of windows after the other; those
/// that no row of the picture needs any more are dropped.
struct GrowingField {
  let layout: FieldLayout
  /// Rows of windows in the order of the picture's rows: where they begin in the network's input, and where in
  /// the scores when these are turned back.
  private let lines: [(start: Int, top: Int, size: Int)]
  private let flip: Flip?
  private let interpolation: Interpolation
  /// Of the scores: that of the resized picture, or the picture's where one bicubic resize leads there.
  private let size: PixelSize
  /// None when all windows are computed: the picture that it reads goes with it.
  private var compute: ((_ top: Int, _ left: Int) throws -> Tensor)?
  private let reach: (rows: (_ ready: Int) -> Int, first: (_ row: Int) -> Int)
  private var tiles: [ScoreField.Tile] = []
  private var next = 0

  /// - Parameters:
  ///   - picture: the size that the scores are wanted at.
  ///   - flip: how the picture was turned.
  ///   - compute: runs the network on the window that begins at a row and a column of the input.
  init(
    _ layout: FieldLayout, for picture: PixelSize, flip: Flip?, interpolation: Interpolation,
    compute: @escaping (_ top: Int, _ left: Int) throws -> Tensor
  ) {
    self.layout = layout
    self.flip = flip
    let isDirect = interpolation == .bicubic && layout.window == layout.size
    size = isDirect ? picture : layout.size
    lines =
      isDirect
      ? [(0, 0, picture.height)]
      : flip?.mirrorsRows == true
        ? layout.rows.reversed().map {
          ($0.start, layout.size.height - $0.start - $0.size, $0.size)
        }
        : layout.rows.map { ($0.start, $0.start, $0.size) }
    self.interpolation = interpolation
    self.compute = compute
    reach = ScoreField.reach(size, to: picture, interpolation)
  }

  /// Rows of the picture, from the top, for which the scores are there.
  var readyRows: Int {
    reach.rows(next < lines.count ? lines[next].top : size.height)
  }

  /// Computes windows until one more row of the picture than so many is ready.
  mutating func grow(beyond row: Int) throws {
    let first = reach.first(row)
    tiles.removeAll { $0.end <= first }
    while let compute, next == 0 || readyRows <= row {
      let line = lines[next]
      let isUpsideDown = flip?.mirrorsRows == true
      let row = try layout.columns.map { column in
        let tile = ScoreField.Tile(
          logits: try compute(line.start, column.start), top: line.start, left: column.start,
          height: line.size, width: size == layout.size ? column.size : size.width)
        return isUpsideDown ? tile.upsideDown(in: size.height) : tile
      }
      // In the order of the input, in which overlaps are added up.
      tiles.insert(contentsOf: row, at: isUpsideDown ? 0 : tiles.count)
      next += 1
      if next == lines.count { self.compute = nil }
    }
  }

  /// The scores that are there.
  var scores: ScoreField {
    ScoreField(
      tiles, size: size, isFlipped: flip?.mirrorsColumns == true, interpolation: interpolation)
  }
}
