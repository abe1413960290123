/// A bitmap as run lengths, as COCO has them: column by column from the left, each from the top, how many pixels
/// are 0, how many 1, and so on in turn.
///
/// No run is empty but the first, which is where the first pixel is 1; so two masks are equal where their pixels
/// are. Area and bounds are counted once, when the mask is made.
public struct RunLengthMask: Sendable, Hashable {
  /// Size of the bitmap.
  public let size: PixelSize
  /// The lengths, those of 0 first; they sum to the pixels of the bitmap.
  public let counts: [UInt32]
  /// How many pixels are 1.
  public let area: Int
  /// The smallest rectangle around the pixels that are 1; zeros where there are none.
  public let bounds: PixelRectangle

  /// The most pixels that a bitmap may have.
  package static let largestArea = Int(Int32.max)

  /// Makes a mask of its lengths. Empty runs go, and their neighbours become one.
  ///
  /// - Precondition: the lengths sum to the pixels of the bitmap.
  package init(size: PixelSize, runs counts: [UInt32]) {
    let survey = RunSurvey(counts, height: size.height)
    precondition(
      survey.total == size.area,
      "\(survey.total) pixels in runs for a bitmap of \(size.width)x\(size.height)")
    self.init(size: size, counts: counts, survey: survey)
  }

  /// Makes a mask of lengths that are not known to fill the bitmap.
  package init(size: PixelSize, checking counts: [UInt32]) throws(RunLengthError) {
    try Self.check(size)
    let survey = RunSurvey(counts, height: size.height)
    guard survey.total == size.area else {
      throw .doNotFill(covered: survey.total, size: size)
    }
    self.init(size: size, counts: counts, survey: survey)
  }

  private init(size: PixelSize, counts: [UInt32], survey: RunSurvey) {
    self.size = size
    self.counts = survey.hasEmptyRuns ? Self.withoutEmptyRuns(counts) : counts
    area = survey.area
    bounds = survey.bounds
  }

  private static func withoutEmptyRuns(_ counts: [UInt32]) -> [UInt32] {
    var kept: [UInt32] = []
    kept.reserveCapacity(counts.count)
    var isOne = false  // Value of the last run kept.
    for (index, count) in counts.enumerated() {
      if index == 0 {
        kept.append(count)
      } else if count > 0 {
        if isOne == (index % 2 == 1) {
          kept[kept.count - 1] += count
        } else {
          kept.append(count)
          isOne.toggle()
        }
      }
    }
    return kept
  }

  /// Throws where a bitmap of that size cannot be.
  package static func check(_ size: PixelSize) throws(RunLengthError) {
    let area = size.height.multipliedReportingOverflow(by: size.width)
    guard size.height > 0, size.width > 0, !area.overflow, area.partialValue <= largestArea else {
      throw .sizeRefused(size)
    }
  }
}

/// A rectangle of whole pixels.
public struct PixelRectangle: Sendable, Hashable {
  /// Its first column.
  public var x: Int
  /// Its first row.
  public var y: Int
  /// Columns.
  public var width: Int
  /// Rows.
  public var height: Int

  /// Makes a rectangle.
  public init(x: Int, y: Int, width: Int, height: Int) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// Whether two rectangles have a pixel in common.
  @inlinable package func overlaps(_ other: PixelRectangle) -> Bool {
    x < other.x + other.width && other.x < x + width
      && y < other.y + other.height && other.y < y + height
  }
}

/// What one walk over run lengths tells of them.
private struct RunSurvey {
  var total = 0
  var area = 0
  var bounds = PixelRectangle(x: 0, y: 0, width: 0, height: 0)
  /// Whether a run but the first is empty.
  var hasEmptyRuns = false

  init(_ counts: [UInt32], height: Int) {
    let height = max(height, 1)
    var (left, right, top, bottom) = (Int.max, -1, Int.max, -1)
    var (column, row) = (0, 0)  // Of the pixel after the runs so far.
    counts.withUnsafeBufferPointer { counts in
      for index in counts.indices {
        let count = Int(counts[index])
        total += count
        if count == 0 {
          hasEmptyRuns = hasEmptyRuns || index > 0
          continue
        }
        let (firstColumn, firstRow) = (column, row)
        row += count
        if row >= height {
          let columns = row / height
          column += columns
          row -= columns * height
        }
        if index & 1 == 0 { continue }
        area += count
        left = min(left, firstColumn)
        // A run that ends with its column has `row` 0 of the next.
        let lastColumn = row == 0 ? column - 1 : column
        right = lastColumn
        if firstColumn == lastColumn {
          top = min(top, firstRow)
          bottom = max(bottom, row == 0 ? height - 1 : row - 1)
        } else {
          (top, bottom) = (0, height - 1)
        }
      }
    }
    if right >= 0 {
      bounds = PixelRectangle(
        x: left, y: top, width: right - left + 1, height: bottom - top + 1)
    }
  }
}

// MARK: - Bitmaps

extension RunLengthMask {
  /// Encodes a bitmap.
  ///
  /// - Parameter bitmap: `height * width` bytes row by row; every byte but 0 is 1.
  /// - Precondition: there is a byte for each pixel, and at most 2^31 - 1 of them.
  public init(bitmap: [UInt8], size: PixelSize) {
    self.init(bitmap: bitmap.span, size: size)
  }

  /// Encodes a bitmap.
  ///
  /// - Parameter bitmap: `height * width` bytes row by row; every byte but 0 is 1.
  /// - Precondition: there is a byte for each pixel, and at most 2^31 - 1 of them.
  public init(bitmap: Span<UInt8>, size: PixelSize) {
    precondition(
      bitmap.count == size.area && bitmap.count <= Self.largestArea,
      "\(bitmap.count) bytes for a bitmap of \(size.width)x\(size.height)")
    var counts: [UInt32] = []
    bitmap.withUnsafeBufferPointer { pixels in
      // A few columns at a time are turned, so that memory is read in the order in which it lies.
      let columns = 32
      var turned = [UInt8](repeating: 0, count: columns * size.height)
      var value = false
      var length: UInt32 = 0
      for first in stride(from: 0, to: size.width, by: columns) {
        let count = min(columns, size.width - first)
        turned.withUnsafeMutableBufferPointer { turned in
          for row in 0..<size.height {
            let start = row * size.width + first
            for column in 0..<count {
              turned[column * size.height + row] = pixels[start + column]
            }
          }
          for pixel in 0..<(count * size.height) {
            if (turned[pixel] != 0) != value {
              counts.append(length)
              length = 0
              value.toggle()
            }
            length += 1
          }
        }
      }
      counts.append(length)
    }
    self.init(size: size, runs: counts)
  }

  /// The bitmap: `height * width` bytes row by row, 0 or 1.
  public func bitmap() -> [UInt8] {
    let width = size.width
    return [UInt8](unsafeUninitializedCapacity: size.area) { pixels, count in
      pixels.initialize(repeating: 0)
      count = pixels.count
      forEachSegment { column, rows in
        var pixel = rows.lowerBound * width + column
        for _ in rows {
          pixels[pixel] = 1
          pixel += width
        }
      }
    }
  }

  /// Calls `body` with each maximal stretch of ones in a column, column by column, each from the top.
  package func forEachSegment(_ body: (_ column: Int, _ rows: Range<Int>) -> Void) {
    let height = size.height
    var (column, row) = (0, 0)
    var isOne = false
    for count in counts {
      var left = Int(count)
      if !isOne {
        row += left
        if row >= height, height > 0 {
          column += row / height
          row %= height
        }
      }
      while isOne, left > 0 {
        let end = min(height, row + left)
        body(column, row..<end)
        left -= end - row
        row = end
        if row == height {
          row = 0
          column += 1
        }
      }
      isOne.toggle()
    }
  }
}
