#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The boxes that a dense head starts from, of each level of a pyramid (mmdetection's `AnchorGenerator`).
///
/// A level has one set of base anchors, of every ratio and scale; in every cell of its map stands a copy:
///
///     h = base sqrt(ratio) scale      w = base / sqrt(ratio) scale      centre = offset base + cell stride
package struct AnchorShapes: Sendable {
  /// Pixels from one cell of a level to the next.
  package struct Stride: Sendable, Hashable {
    package var x: Int
    package var y: Int

    package init(x: Int, y: Int) {
      self.x = x
      self.y = y
    }

    /// The same in both directions.
    package init(_ step: Int) { self.init(x: step, y: step) }
  }

  /// One a level.
  package let strides: [Stride]
  /// The anchors of the first cell of each level, in their order.
  package let base: [[Box]]

  /// - Parameters:
  ///   - scales: sides in base sizes.
  ///   - ratios: height over width.
  ///   - baseSizes: one a level; `nil` takes the shorter stride.
  ///   - centreOffset: where the centre stands in its cell, in base sizes.
  ///   - isScaleMajor: mmdetection's name for: all scales of the first ratio, then those of the second. Otherwise
  ///     all ratios of the first scale come first.
  package init(
    strides: [Stride], scales: [Float], ratios: [Float], baseSizes: [Int]? = nil,
    centreOffset: Double = 0, isScaleMajor: Bool = true
  ) {
    precondition(
      baseSizes.map { $0.count == strides.count } ?? true,
      "\(baseSizes?.count ?? 0) base sizes for \(strides.count) strides")
    self.strides = strides
    base = strides.enumerated().map { level, stride in
      let size = Float(baseSizes?[level] ?? min(stride.x, stride.y))
      let centre = Float(centreOffset * Double(size))
      func anchor(_ ratio: Float, _ scale: Float) -> Box {
        let factor = ratio.squareRoot()
        // The order of the factors decides the rounding.
        let (width, height) =
          isScaleMajor
          ? (size * (1 / factor) * scale, size * factor * scale)
          : (size * scale * (1 / factor), size * scale * factor)
        return Box(
          left: centre - 0.5 * width, top: centre - 0.5 * height, right: centre + 0.5 * width,
          bottom: centre + 0.5 * height)
      }
      return isScaleMajor
        ? ratios.flatMap { ratio in scales.map { anchor(ratio, $0) } }
        : scales.flatMap { scale in ratios.map { anchor($0, scale) } }
    }
  }

  /// The scales `base 2^(i / count)` that divide an octave.
  package static func octave(base: Double, count: Int) -> [Float] {
    (0..<count).map { Float(exp2(Double($0) / Double(count)) * base) }
  }
}

/// The anchors of maps of known sizes. Any of them can be had without making the others.
package struct AnchorGrid: Sendable {
  /// The base anchors and strides.
  package let shapes: AnchorShapes
  /// Rows and columns of each level's map.
  package let sizes: [PixelSize]

  package init(_ shapes: AnchorShapes, sizes: [PixelSize]) {
    precondition(
      sizes.count == shapes.strides.count,
      "\(sizes.count) maps for anchors of \(shapes.strides.count) levels")
    self.shapes = shapes
    self.sizes = sizes
  }

  /// Anchors of a level.
  package func count(level: Int) -> Int { sizes[level].area * shapes.base[level].count }

  /// One anchor: cells are counted row by row, the anchors of a cell side by side.
  package func anchor(level: Int, index: Int) -> Box {
    let base = shapes.base[level]
    let (cell, number) = index.quotientAndRemainder(dividingBy: base.count)
    let (row, column) = cell.quotientAndRemainder(dividingBy: sizes[level].width)
    let x = Float(column) * Float(shapes.strides[level].x)
    let y = Float(row) * Float(shapes.strides[level].y)
    let anchor = base[number]
    return Box(
      left: anchor.left + x, top: anchor.top + y, right: anchor.right + x, bottom: anchor.bottom + y
    )
  }

  /// All anchors of a level.
  package func anchors(level: Int) -> [Box] {
    (0..<count(level: level)).map { anchor(level: level, index: $0) }
  }

  /// Which anchors of a level stand in cells that begin within the padded picture.
  package func validFlags(level: Int, padded: PixelSize) -> [Bool] {
    let (stride, size) = (shapes.strides[level], sizes[level])
    let rows = (padded.height + stride.y - 1) / stride.y
    let columns = (padded.width + stride.x - 1) / stride.x
    return (0..<count(level: level)).map { index in
      let cell = index / shapes.base[level].count
      return cell / size.width < rows && cell % size.width < columns
    }
  }
}
