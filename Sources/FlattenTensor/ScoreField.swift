import FlattenRegions

/// The class scores of one application of the network at the size of its input, made row by row from
/// the coarse logits: full-size scores never exist.
package struct ScoreField: Sendable {
  /// One window: its coarse logits and where it lies in the input.
  package struct Tile: Sendable {
    /// `[1, h, w, classes]`.
    let logits: Tensor
    let top: Int
    let left: Int
    let height: Int
    let width: Int

    /// The row below the window's last.
    package var end: Int { top + height }

    package init(logits: Tensor, top: Int, left: Int, height: Int, width: Int) {
      self.logits = logits
      self.top = top
      self.left = left
      self.height = height
      self.width = width
    }

    /// The window where it lies when the picture, `height` rows, is turned upside down; what lay in the padding
    /// below the picture now lies above it.
    package func upsideDown(in height: Int) -> Tile {
      let (rows, length) = (logits.shape[1], logits.shape[2] * logits.shape[3])
      let turned = Tensor(uninitialized: logits.shape)
      for row in 0..<rows {
        (turned.mutablePointer + row * length)
          .update(from: logits.pointer + (rows - 1 - row) * length, count: length)
      }
      return Tile(
        logits: turned, top: height - top - self.height, left: left, height: self.height,
        width: width)
    }
  }

  private struct Placed: Sendable {
    let tile: Tile
    let vertical: ResizeTable
    let horizontal: ResizeTable
  }

  /// Size of the resized picture, without padding.
  package let size: PixelSize
  package let classes: Int
  private let tiles: [Placed]
  private let isFlipped: Bool

  /// - Parameters:
  ///   - size: of the picture part of the network's input; padding lies beyond it.
  ///   - isFlipped: whether the input was mirrored; the scores are mirrored back.
  package init(
    _ tiles: [Tile], size: PixelSize, isFlipped: Bool, interpolation: Interpolation
  ) {
    self.size = size
    self.isFlipped = isFlipped
    classes = tiles.first?.logits.shape[3] ?? 0
    self.tiles = tiles.map { tile in
      Placed(
        tile: tile,
        vertical: ResizeTable(from: tile.logits.shape[1], to: tile.height, interpolation),
        horizontal: ResizeTable(from: tile.logits.shape[2], to: tile.width, interpolation))
    }
  }

  /// The rows of a picture for which a field's first `ready` rows suffice, and the first of the field's rows
  /// that a picture's row is made of.
  ///
  /// - Parameters:
  ///   - size: of the field.
  ///   - picture: of the picture that the scores are resized to.
  package static func reach(
    _ size: PixelSize, to picture: PixelSize, _ interpolation: Interpolation
  ) -> (rows: (_ ready: Int) -> Int, first: (_ row: Int) -> Int) {
    if size == picture { return ({ $0 }, { $0 }) }
    let table = ResizeTable(from: size.height, to: picture.height, interpolation)
    return (
      { ready in
        if ready >= size.height { return picture.height }
        let last = table.taps - 1
        return (0..<picture.height).first { table.source($0, last) >= ready } ?? picture.height
      },
      { table.source(min($0, picture.height - 1), 0) }
    )
  }

  /// The scores `[size.width, classes]` of rows that are asked for from top to bottom.
  package struct Rows {
    private let field: ScoreField
    /// For a single window.
    private var resize: ResizedRows?
    /// For several, a row of one of them, and what a cubic one is mixed of.
    private let scratch: Tensor

    init(_ field: ScoreField, memory: BufferPool) {
      self.field = field
      if field.isWhole {
        let placed = field.tiles[0]
        resize = ResizedRows(
          vertical: placed.vertical, horizontal: placed.horizontal,
          sourceWidth: placed.tile.logits.shape[2], channels: field.classes, pool: memory)
      }
      let width = field.tiles.map(\.tile.width).max() ?? 0
      let rows = field.isWhole ? 1 : 1 + (field.tiles.map(\.vertical.taps).max() ?? 0)
      scratch = Tensor(uninitialized: [rows * width * field.classes], pool: memory)
    }

    /// Writes one row; what lies beyond the picture is cut off.
    package mutating func write(_ row: Int, into out: UnsafeMutablePointer<Float>) {
      if resize == nil {
        field.average(row: row, into: out, scratch: scratch.mutablePointer)
      } else {
        let logits = field.tiles[0].tile.logits
        let length = logits.shape[2] * field.classes
        let isWhole = field.tiles[0].horizontal.count == field.size.width
        let target = isWhole ? out : scratch.mutablePointer
        resize?.write(row, into: target) { source, _ in logits.pointer + source * length }
        if !isWhole {
          out.update(from: scratch.pointer, count: field.size.width * field.classes)
        }
      }
      if field.isFlipped { field.mirror(out) }
    }
  }

  /// Whether one window covers all.
  private var isWhole: Bool {
    guard tiles.count == 1 else { return false }
    let tile = tiles[0].tile
    return tile.top == 0 && tile.left == 0 && tile.height >= size.height
      && tile.width >= size.width
  }

  /// Reads the scores row by row.
  package func rows(memory: BufferPool) -> Rows { Rows(self, memory: memory) }

  /// Writes a row of one window; a cubic one takes the memory of four more rows behind it.
  private func write(
    _ placed: Placed, row: Int, into out: UnsafeMutablePointer<Float>
  ) {
    let logits = placed.tile.logits
    let length = logits.shape[2] * classes
    let (vertical, horizontal) = (placed.vertical, placed.horizontal)
    if case .linear(let rows) = vertical, case .linear(let columns) = horizontal {
      return columns.write(
        row - placed.tile.top, of: rows, channels: classes,
        rows: { logits.pointer + $0 * length }, into: out)
    }
    let count = horizontal.count * classes
    let mixed = out + count
    for tap in 0..<vertical.taps {
      horizontal.mixColumns(
        logits.pointer + vertical.source(row - placed.tile.top, tap) * length,
        width: logits.shape[2], channels: classes, into: mixed + tap * count)
    }
    vertical.mixRows(row - placed.tile.top, count: count, into: out) {
      UnsafePointer(mixed + $0 * count)
    }
  }

  /// Sums the windows that cover the row in their order, then divides by how many there are.
  private func average(
    row: Int, into out: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let count = size.width * classes
    out.update(repeating: 0, count: count)
    var cover = [Float](repeating: 0, count: size.width)
    for placed in tiles {
      let tile = placed.tile
      guard row >= tile.top, row < tile.top + tile.height else { continue }
      write(placed, row: row, into: scratch)
      let columns = tile.left..<max(tile.left, min(tile.left + tile.width, size.width))
      for index in 0..<columns.count * classes {
        out[tile.left * classes + index] += scratch[index]
      }
      for column in columns { cover[column] += 1 }
    }
    for column in 0..<size.width {
      for index in column * classes..<(column + 1) * classes { out[index] /= cover[column] }
    }
  }

  private func mirror(_ row: UnsafeMutablePointer<Float>) {
    for column in 0..<size.width / 2 {
      let left = row + column * classes
      let right = row + (size.width - 1 - column) * classes
      for index in 0..<classes { (left[index], right[index]) = (right[index], left[index]) }
    }
  }
}
