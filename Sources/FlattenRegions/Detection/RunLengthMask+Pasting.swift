extension RunLengthMask {
  /// A mask head's map, resized into its box in the picture: the pixels whose probability reaches the threshold.
  ///
  /// What mmdetection's `_do_paste_mask` gives after its threshold: the map is read at the centre of each pixel,
  /// bilinear and 0 outside. No pixel but those that matter is computed: in a column of the picture the
  /// probability is linear in y between two rows of the map, so all of a piece is on one side of the threshold
  /// or there is one crossing, and only the pixels next to it are computed as upstream does, in single precision.
  ///
  /// Only pixels from a pixel before the box to a pixel after it are looked at. A box without width or height
  /// still paints there: it shows the middle of its map, except where a pixel centre lies on its edge.
  ///
  /// - Parameters:
  ///   - probabilities: row by row.
  ///   - side: rows and columns of the map.
  ///   - box: in pixels of the picture.
  ///   - size: of the picture.
  ///   - threshold: above 0.
  package init(
    pasting probabilities: UnsafeBufferPointer<Float>, side: PixelSize, in box: Box,
    size: PixelSize, threshold: Float
  ) {
    precondition(
      probabilities.count == side.area && threshold > 0 && size.area <= Self.largestArea,
      "\(probabilities.count) probabilities of \(side), at \(threshold) in a picture of \(size)")
    let rows = PastedAxis(
      from: box.top, to: box.bottom, cells: side.height, pixels: size.height)
    let columns = PastedAxis(
      from: box.left, to: box.right, cells: side.width, pixels: size.width)
    var runs = RunWriter(size: size)
    var column = PastedColumn(probabilities, side: side, rows: rows, threshold: threshold)
    for piece in columns.pieces {
      for x in piece.pixels {
        column.read(after: piece.cell, fraction: columns.fraction(at: x))
        column.write(x, to: &runs)
      }
    }
    self.init(size: size, runs: runs.finish())
  }
}

/// Where the pixels of a picture's row or column lie in a mask head's map.
private struct PastedAxis {
  /// Pixels that lie between the middles of the same two cells.
  struct Piece {
    var pixels: Range<Int>
    /// The first of the two cells; -1 before the map.
    var cell: Int
    /// Whether the fractions of the pixels do not descend.
    var isAscending: Bool
  }

  /// Those that see a cell of the map, from the first pixel to the last.
  private(set) var pieces: [Piece] = []
  /// The pixel of the first fraction.
  private let first: Int
  /// How far each pixel lies from the first of its cells towards the second.
  private var fractions: [Float] = []

  func fraction(at pixel: Int) -> Float { fractions[pixel - first] }

  /// - Parameters:
  ///   - start: the first edge of the box.
  ///   - end: its last edge.
  ///   - cells: of the map.
  ///   - pixels: of the picture.
  init(from start: Float, to end: Float, cells: Int, pixels: Int) {
    // The bounds are taken in floating point, so that any coordinate can be had as an integer.
    let limit = Float(pixels)
    let before = min(max(start.rounded(.down) - 1, 0), limit)
    let after = min(max(end.rounded(.up) + 1, 0), limit)
    guard before < after else {  // also where one is NaN
      first = 0
      return
    }
    first = Int(before)
    let count = min(Int(after), pixels) - first
    fractions.reserveCapacity(count)
    for pixel in first..<first + count {
      // Upstream: mmdetection `fcn_mask_head.py:457`, then PyTorch's grid_sample, in their order.
      var position = (Float(pixel) + 0.5 - start) / (end - start) * 2 - 1
      if position.isInfinite { position = 0 }
      let place = (position + 1) * (Float(cells) / 2) - 0.5
      let cell = place.rounded(.down)
      fractions.append(place - cell)
      guard cell >= -1, cell < Float(cells) else { continue }  // also where it is NaN
      append(pixel, cell: Int(cell))
    }
  }

  private mutating func append(_ pixel: Int, cell: Int) {
    let last = pieces.count - 1
    if last >= 0, pieces[last].cell == cell, pieces[last].pixels.upperBound == pixel {
      let isAscending = fraction(at: pixel) >= fraction(at: pixel - 1)
      pieces[last].isAscending = pieces[last].isAscending && isAscending
      pieces[last].pixels = pieces[last].pixels.lowerBound..<pixel + 1
    } else {
      pieces.append(Piece(pixels: pixel..<pixel + 1, cell: cell, isAscending: true))
    }
  }
}

/// A column of the picture as it runs through a map.
private struct PastedColumn {
  /// The map's columns one after the other, with a zero before and after each and a column of zeros on both
  /// sides.
  private let cells: [Float]
  private let height: Int
  private let rows: PastedAxis
  private let threshold: Float
  /// Rounding moves a mixed number, and the probability of a pixel, by less than this, some units in the last place of
  /// the largest number.
  private let doubt: Float
  /// The map between two of its columns: as ``cells``.
  private var mixed: [Float]
  /// Index of the first of the two columns in ``cells``.
  private var left = 0
  /// How far the column lies towards the second.
  private var fraction: Float = 0

  init(
    _ probabilities: UnsafeBufferPointer<Float>, side: PixelSize, rows: PastedAxis, threshold: Float
  ) {
    height = side.height + 2
    var cells = [Float](repeating: 0, count: (side.width + 2) * height)
    for row in 0..<side.height {
      for column in 0..<side.width {
        cells[(column + 1) * height + row + 1] = probabilities[row * side.width + column]
      }
    }
    self.cells = cells
    self.rows = rows
    self.threshold = threshold
    doubt = cells.reduce(0) { max($0, abs($1)) } * 0x1p-20
    mixed = [Float](repeating: 0, count: height)
  }

  /// Moves to another place of the map.
  mutating func read(after cell: Int, fraction: Float) {
    left = (cell + 1) * height
    self.fraction = fraction
    let (left, height, west) = (left, height, 1 - fraction)
    cells.withUnsafeBufferPointer { cells in
      mixed.withUnsafeMutableBufferPointer { mixed in
        for row in 0..<height {
          mixed[row] = cells[left + row] * west + cells[left + height + row] * fraction
        }
      }
    }
  }

  /// Writes the pixels of column `x` of the picture that reach the threshold.
  func write(_ x: Int, to runs: inout RunWriter) {
    let (low, high) = (threshold - doubt, threshold + doubt)
    // Pieces that are all ones are added together.
    var full = 0..<0
    mixed.withUnsafeBufferPointer { mixed in
      rows.pieces.withUnsafeBufferPointer { pieces in
        for piece in pieces {
          let (upper, lower) = (mixed[piece.cell + 1], mixed[piece.cell + 2])
          if upper < low && lower < low { continue }
          if upper >= high && lower >= high && full.upperBound == piece.pixels.lowerBound {
            full = full.lowerBound..<piece.pixels.upperBound
            continue
          }
          runs.add(full, column: x)
          full = 0..<0
          if upper >= high && lower >= high {
            full = piece.pixels
          } else {
            writeCrossing(piece, upper, lower, column: x, to: &runs)
          }
        }
      }
    }
    runs.add(full, column: x)
  }

  private func writeCrossing(
    _ piece: PastedAxis.Piece, _ upper: Float, _ lower: Float, column: Int, to runs: inout RunWriter
  ) {
    let slope = lower - upper
    var uncertain = piece.pixels
    if piece.isAscending, doubt.isFinite, abs(slope) > doubt {
      // Pixels whose fraction is below `from`, or from `to` on, are certainly on the side of their end.
      let middle = (threshold - upper) / slope
      let width = doubt / abs(slope) + 0x1p-20
      uncertain = pixels(of: piece, from: middle - width, to: middle + width)
    }
    if upper >= threshold {
      runs.add(piece.pixels.lowerBound..<uncertain.lowerBound, column: column)
    }
    for y in uncertain where probability(at: y, of: piece) >= threshold {
      runs.add(y..<y + 1, column: column)
    }
    if lower >= threshold {
      runs.add(uncertain.upperBound..<piece.pixels.upperBound, column: column)
    }
  }

  /// The pixels of a piece whose fractions lie in a range.
  private func pixels(of piece: PastedAxis.Piece, from: Float, to: Float) -> Range<Int> {
    let (first, end) = (piece.pixels.lowerBound, piece.pixels.upperBound)
    // Fractions grow almost evenly: begin at a guess.
    let least = rows.fraction(at: first)
    let step = (rows.fraction(at: end - 1) - least) / Float(max(end - first - 1, 1))
    let guess = step > 0 ? (from - least) / step : 0
    var start = first + Int(min(max(guess, 0), Float(end - first)))
    while start > first, rows.fraction(at: start - 1) >= from { start -= 1 }
    while start < end, rows.fraction(at: start) < from { start += 1 }
    var stop = start
    while stop < end, rows.fraction(at: stop) <= to { stop += 1 }
    return start..<stop
  }

  /// The probability of a pixel, as PyTorch adds it up.
  private func probability(at y: Int, of piece: PastedAxis.Piece) -> Float {
    let (west, south) = (1 - fraction, rows.fraction(at: y))
    let north = 1 - south
    let upper = left + piece.cell + 1
    let lower = upper + 1
    return cells[upper] * (west * north) + cells[upper + height] * (fraction * north)
      + cells[lower] * (west * south) + cells[lower + height] * (fraction * south)
  }
}

/// Writes run lengths of a bitmap whose ones come in order.
private struct RunWriter {
  private let size: PixelSize
  private var counts: [UInt32] = []
  /// The end of the last run of ones.
  private var end = 0

  init(size: PixelSize) { self.size = size }

  /// Adds rows of a column, after all that was added.
  mutating func add(_ rows: Range<Int>, column: Int) {
    if rows.isEmpty { return }
    let start = column * size.height + rows.lowerBound
    if start == end, !counts.isEmpty {
      counts[counts.count - 1] += UInt32(rows.count)
    } else {
      counts.append(UInt32(start - end))
      counts.append(UInt32(rows.count))
    }
    end = start + rows.count
  }

  /// All lengths.
  consuming func finish() -> [UInt32] {
    let rest = size.area - end
    if rest > 0 || counts.isEmpty { counts.append(UInt32(rest)) }
    return counts
  }
}
