// Polygons and boxes as masks, with the pixels that pycocotools gives them.
//
// It works on a grid five times as fine. Corners go to the nearest points of it; an edge is walked along its longer
// axis, a point each step; and a column of the picture is crossed where the walk steps over its middle, points
// 5 k + 2 and 5 k + 3 across. Below the crossing the column changes between 0 and 1. Here the steps over the
// middles of columns are computed, and the rest of the walk is not made.

extension RunLengthMask {
  /// The pixels of a box, as pycocotools has them.
  ///
  /// - Parameter box: edges in pixels; what is outside the picture is cut off.
  /// - Precondition: the picture has at most 2^31 - 1 pixels.
  public init(box: Box, size: PixelSize) {
    let (left, top) = (Double(box.left), Double(box.top))
    self.init(x: left, y: top, width: Double(box.width), height: Double(box.height), size: size)
  }

  /// The pixels of a box that is given by its corner and its sides.
  package init(x: Double, y: Double, width: Double, height: Double, size: PixelSize) {
    let (right, bottom) = (x + width, y + height)
    self.init(polygons: [[x, y, x, bottom, right, bottom, right, y]], size: size)
  }

  /// How often edges of polygons that a file gives may cross columns: each crossing takes memory.
  public static let mostCrossings = 1 << 24

  /// The pixels inside polygons of an untrusted file, as ``init(polygons:size:)`` has them.
  ///
  /// - Throws: ``RunLengthError`` where no picture has that size, or edges cross more than ``mostCrossings`` columns.
  package init(checking polygons: [[Double]], size: PixelSize) throws(RunLengthError) {
    try Self.check(size)
    var crossings = 0.0
    for polygon in polygons where polygon.count >= 2 {
      var x = polygon[(polygon.count / 2 - 1) * 2]
      for next in stride(from: 0, to: polygon.count - 1, by: 2) {
        crossings += min(Double(size.width), abs(polygon[next] - x) + 1)
        x = polygon[next]
      }
    }
    guard crossings <= Double(Self.mostCrossings) else { throw .tooManyCrossings(size) }
    self.init(polygons: polygons, size: size)
  }

  /// The pixels inside any of the polygons, as pycocotools has them. One that crosses itself is filled by the
  /// even-odd rule.
  ///
  /// Coordinates count pixel edges. Those beyond 400 million pixels are moved to there. A polygon with a coordinate
  /// that is not a number has no pixels.
  ///
  /// - Parameter polygons: `x0, y0, x1, y1, ...` of each; the last point joins the first. A coordinate without its
  ///   partner at the end is left out.
  /// - Precondition: the picture has at most 2^31 - 1 pixels.
  public init(polygons: [[Double]], size: PixelSize) {
    precondition(size.area <= Self.largestArea, "a mask of \(size)")
    let masks = polygons.map { polygon in
      var crossings = ColumnCrossings(size: size, points: polygon.count / 2)
      crossings.add(polygon)
      return RunLengthMask(size: size, runs: crossings.runs())
    }
    self = Self.merge(masks) ?? RunLengthMask(size: size, runs: [UInt32(size.area)])
  }
}

/// Where the outline of a polygon crosses the columns of a picture.
private struct ColumnCrossings {
  private let size: PixelSize
  /// Column-major numbers of the pixels from which on the value is another.
  private var places: [UInt32] = []
  /// How many places there may be before those that cancel each other are taken out.
  private var limit = 1 << 20

  init(size: PixelSize, points: Int) {
    self.size = size
    places.reserveCapacity(min(points * 8, limit))
  }

  mutating func add(_ polygon: [Double]) {
    let count = polygon.count / 2
    guard count > 0, size.area > 0, !polygon.contains(where: \.isNaN) else { return }
    polygon.withUnsafeBufferPointer { xy in
      let first = (x: Self.fine(xy[0]), y: Self.fine(xy[1]))
      var from = first
      for index in 1...count {
        let to =
          index == count ? first : (x: Self.fine(xy[2 * index]), y: Self.fine(xy[2 * index + 1]))
        addEdge(from.x, from.y, to.x, to.y)
        from = to
        if places.count > limit {
          cancel()
          limit = max(limit, 2 * places.count)
        }
      }
    }
  }

  /// A coordinate on the fine grid. Upstream: maskApi.c truncates `5 x + 0.5` towards zero.
  private static func fine(_ coordinate: Double) -> Int {
    Int(max(-2e9, min(2e9, 5 * coordinate + 0.5)))
  }

  private mutating func addEdge(_ x0: Int, _ y0: Int, _ x1: Int, _ y1: Int) {
    // The columns whose middle lies between the ends.
    let (left, right) = (min(x0, x1), max(x0, x1))
    guard left < right, right > 2 else { return }
    let first = left <= 2 ? 0 : (left + 2) / 5
    let last = min(size.width - 1, (right - 3) / 5)
    guard first <= last else { return }

    let (dx, dy) = (right - left, abs(y1 - y0))
    if dx >= dy {
      let (start, end) = x0 <= x1 ? (y0, y1) : (y1, y0)
      let slope = Double(end - start) / Double(dx)
      for column in first...last {
        let step = Double(5 * column + 2 - left)
        // In this order: the rounding is upstream's.
        let before = Int(Double(start) + slope * step + 0.5)
        let after = Int(Double(start) + slope * (step + 1) + 0.5)
        append(column, min(before, after))
      }
    } else {
      let (start, end, top) = y0 <= y1 ? (x0, x1, y0) : (x1, x0, y1)
      let slope = Double(end - start) / Double(dy)
      let across = { (step: Int) in Int(Double(start) + slope * Double(step) + 0.5) }
      for column in first...last {
        let middle = 5 * column + 2
        // The step from point `middle` to the next, or back: estimated, then made exact.
        let estimate = (Double(middle - start) + 0.5) / slope
        var step = max(0, min(dy - 1, Int(estimate)))
        if slope > 0 {
          while across(step) > middle { step -= 1 }
          while across(step + 1) <= middle { step += 1 }
        } else {
          while across(step) <= middle { step -= 1 }
          while across(step + 1) > middle { step += 1 }
        }
        append(column, top + step)
      }
    }
  }

  /// - Parameter y: on the fine grid; the change is at the first row whose middle is not above it.
  private mutating func append(_ column: Int, _ y: Int) {
    let row = y <= 2 ? 0 : min(size.height, (y + 2) / 5)
    places.append(UInt32(column * size.height + row))
  }

  /// Sorts the places; of equal ones two by two go.
  private mutating func cancel() {
    places.sort()
    var kept = 0
    for index in places.indices {
      let place = places[index]
      if kept > 0, places[kept - 1] == place {
        kept -= 1
      } else {
        places[kept] = place
        kept += 1
      }
    }
    places.removeLast(places.count - kept)
  }

  /// The run lengths.
  mutating func runs() -> [UInt32] {
    cancel()
    let area = UInt32(size.area)
    if places.last == area { places.removeLast() }
    var start: UInt32 = 0
    for index in places.indices {
      let end = places[index]
      places[index] = end - start
      start = end
    }
    places.append(area - start)
    return places
  }
}
