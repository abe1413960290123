// From a mask to polygons: the outlines along pixel edges.
//
// Between two columns the mask's edge consists of vertical pieces, where a pixel has a neighbour of the other value.
// Each piece is directed: up where the ones lie to its right, down where they lie to its left, so that an outline
// runs clockwise as one sees it, and around a hole the other way. In a line between two rows of pixels the ends of
// pieces are joined two and two, from the left: that gives the horizontal edges. Following the joints gives rings.
// Nothing is as large as the bitmap; the work is that of the pieces.

/// A region with holes, its corners on the corners of pixels.
///
/// Rings run along pixel edges, turn at every corner, and do not repeat their first corner at the end. They may
/// touch, themselves and each other, at corners only.
public struct Polygon: Sendable, Hashable {
  /// A corner of pixels: (0, 0) is the upper left corner of the picture, x grows to the right, y downwards.
  public struct Corner: Sendable, Hashable {
    /// Columns from the left edge.
    public var x: Int
    /// Rows from the upper edge.
    public var y: Int

    /// Makes a corner.
    public init(x: Int, y: Int) {
      self.x = x
      self.y = y
    }
  }

  /// The outer ring, clockwise as one sees it; the positive direction of a y axis that points down.
  public var outline: [Corner]
  /// The rings of the holes, counter-clockwise as one sees them.
  public var holes: [[Corner]]

  /// Makes a polygon.
  public init(outline: [Corner], holes: [[Corner]]) {
    self.outline = outline
    self.holes = holes
  }
}

extension RunLengthMask {
  /// The outlines of the mask: a polygon for each set of pixels that are connected over their edges (4-connected;
  /// two that touch at a corner are apart), from the left, each with its holes.
  ///
  /// No ring comes to a corner twice. Filled by the even-odd rule at the middles of pixels the polygons give the
  /// mask again, exactly. So does pycocotools (``init(polygons:size:)``) with the rings of a mask without holes; it
  /// knows no holes, and takes their rings for regions.
  public func polygons() -> [Polygon] {
    guard area > 0 else { return [] }
    var tracer = OutlineTracer(mask: self)
    return tracer.polygons()
  }
}

/// The vertical edges of a mask, joined to rings.
private struct OutlineTracer {
  /// A stretch of ones in a column.
  private struct Segment {
    var top: Int32
    var bottom: Int32
  }

  /// A vertical piece of the outline.
  private struct Piece {
    var x: Int32
    var top: Int32
    var bottom: Int32
    /// Whether the ones lie to its right, and it runs upwards.
    var isUp: Bool
    /// Whether the pixels across its upper end, and its lower, are of one value: two pieces meet there.
    var meetsAbove = false
    var meetsBelow = false
    /// The stretch of ones beside it.
    var segment: Int32
    /// The piece that follows in the ring.
    var next: Int32 = -1

    var start: Polygon.Corner { Polygon.Corner(x: Int(x), y: Int(isUp ? bottom : top)) }
    var end: Polygon.Corner { Polygon.Corner(x: Int(x), y: Int(isUp ? top : bottom)) }
    var startMeets: Bool { isUp ? meetsBelow : meetsAbove }
    var endMeets: Bool { isUp ? meetsAbove : meetsBelow }
  }

  private var segments: [Segment] = []
  /// Where each column's stretches begin, and the end of the last one's, from the first column of the bounds.
  private var columnStarts: [Int] = []
  private var pieces: [Piece] = []
  /// Union-find over the stretches: a stretch that is connected to this one, or itself.
  private var parents: [Int32]
  /// For each line between rows, from the top of the bounds, the piece whose end on it waits for its partner.
  private var waiting: [Int32]
  private let bounds: PixelRectangle

  init(mask: RunLengthMask) {
    bounds = mask.bounds
    var segments: [Segment] = []
    var starts: [Int] = []
    var next = bounds.x
    mask.forEachSegment { column, rows in
      while next <= column {
        starts.append(segments.count)
        next += 1
      }
      segments.append(Segment(top: Int32(rows.lowerBound), bottom: Int32(rows.upperBound)))
    }
    starts.append(segments.count)
    self.segments = segments
    columnStarts = starts
    parents = segments.indices.map { Int32($0) }
    waiting = [Int32](repeating: -1, count: bounds.height + 1)
    pieces.reserveCapacity(2 * segments.count)
    for line in 0...bounds.width { addPieces(line: line) }
  }

  /// The pieces between columns `line - 1` and `line` of the bounds.
  private mutating func addPieces(line: Int) {
    var left = line == 0 ? 0..<0 : columnStarts[line - 1]..<columnStarts[line]
    var right = line == bounds.width ? 0..<0 : columnStarts[line]..<columnStarts[line + 1]
    let x = Int32(bounds.x + line)
    // Downwards over the ends of stretches on both sides, with what is on both sides of the line.
    var (isLeft, isRight) = (false, false)
    var open = -1  // The piece that has not ended.
    while !left.isEmpty || !right.isEmpty {
      let leftEnd =
        left.isEmpty
        ? Int32.max : isLeft ? segments[left.lowerBound].bottom : segments[left.lowerBound].top
      let rightEnd =
        right.isEmpty
        ? Int32.max : isRight ? segments[right.lowerBound].bottom : segments[right.lowerBound].top
      let y = min(leftEnd, rightEnd)
      let (wasLeft, wasRight) = (isLeft, isRight)
      let (leftNow, rightNow) = (left.lowerBound, right.lowerBound)
      if leftEnd == y {
        if isLeft { left = left.dropFirst() }
        isLeft.toggle()
      }
      if rightEnd == y {
        if isRight { right = right.dropFirst() }
        isRight.toggle()
      }
      let (differed, differs) = (wasLeft != wasRight, isLeft != isRight)
      let meet = differed && differs
      if differed {
        pieces[open].bottom = y
        pieces[open].meetsBelow = meet
      }
      let above = open
      if differs {
        open = pieces.count
        pieces.append(
          Piece(
            x: x, top: y, bottom: y, isUp: isRight, meetsAbove: meet,
            segment: Int32(isRight ? rightNow : leftNow)))
      }
      if isLeft && isRight { connect(leftNow, rightNow) }
      if meet {
        // Two pixels touch at a corner, and each keeps its own edges: the one on the left has the edge that comes
        // from the left, the other the edge that goes on to the right.
        if wasLeft {
          join(above, at: y, isTop: false)
          join(open, at: y, isTop: true)
        } else {
          join(open, at: y, isTop: true)
          join(above, at: y, isTop: false)
        }
      } else if differed {
        join(above, at: y, isTop: false)
      } else if differs {
        join(open, at: y, isTop: true)
      }
    }
  }

  /// Joins the upper or the lower end of a piece to the end that waits in its line, or lets it wait.
  private mutating func join(_ piece: Int, at y: Int32, isTop: Bool) {
    let line = Int(y) - bounds.y
    let other = Int(waiting[line])
    guard other >= 0 else {
      waiting[line] = Int32(piece)
      return
    }
    waiting[line] = -1
    // The ring goes on from the piece that ends here.
    if pieces[piece].isUp == isTop {
      pieces[piece].next = Int32(other)
    } else {
      pieces[other].next = Int32(piece)
    }
  }

  private mutating func connect(_ a: Int, _ b: Int) {
    let (rootA, rootB) = (root(a), root(b))
    // The first stretch of a region is its root.
    if rootA < rootB { parents[rootB] = Int32(rootA) } else { parents[rootA] = Int32(rootB) }
  }

  private mutating func root(_ segment: Int) -> Int {
    var at = segment
    while Int(parents[at]) != at {
      parents[at] = parents[Int(parents[at])]
      at = Int(parents[at])
    }
    return at
  }

  mutating func polygons() -> [Polygon] {
    var regions: [Int: Int] = [:]  // Root of a region to its polygon.
    var polygons: [Polygon] = []
    var isDone = [Bool](repeating: false, count: pieces.count)
    for first in pieces.indices where !isDone[first] {
      let region = root(Int(pieces[first].segment))
      let number = regions[region] ?? polygons.count
      if number == polygons.count {
        regions[region] = number
        polygons.append(Polygon(outline: [], holes: []))
      }
      for ring in rings(from: first, isDone: &isDone) {
        if Self.isClockwise(ring) {
          polygons[number].outline = ring
        } else {
          polygons[number].holes.append(ring)
        }
      }
    }
    return polygons
  }

  /// The rings that a walk from a piece back to it consists of: at a corner that it comes to twice it is cut.
  private func rings(from first: Int, isDone: inout [Bool]) -> [[Polygon.Corner]] {
    var rings: [[Polygon.Corner]] = []
    var ring: [Polygon.Corner] = []
    // Corners where pieces meet, and their places in the ring.
    var met: [Polygon.Corner: Int] = [:]
    func visit(_ corner: Polygon.Corner, meets: Bool) {
      if meets {
        if let place = met[corner], place < ring.count, ring[place] == corner {
          rings.append(Array(ring[place...]))
          ring.removeLast(ring.count - place)
        }
        met[corner] = ring.count
      }
      ring.append(corner)
    }
    var piece = first
    repeat {
      isDone[piece] = true
      visit(pieces[piece].start, meets: pieces[piece].startMeets)
      visit(pieces[piece].end, meets: pieces[piece].endMeets)
      piece = Int(pieces[piece].next)
    } while piece != first
    rings.append(ring)
    return rings
  }

  /// Whether twice the signed area of a ring is positive.
  private static func isClockwise(_ ring: [Polygon.Corner]) -> Bool {
    var sum = 0
    for (index, corner) in ring.enumerated() {
      let next = ring[index + 1 == ring.count ? 0 : index + 1]
      sum += corner.x * next.y - next.x * corner.y
    }
    return sum > 0
  }
}
