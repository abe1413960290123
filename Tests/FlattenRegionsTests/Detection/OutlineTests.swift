import FlattenRegions
import Testing

@Suite struct OutlineTests {
  @Test(arguments: RunLengthMaskTests.cases) func outlinesGiveTheMaskAgain(
    size: PixelSize, seed: UInt64
  ) throws {
    let pixels = RunLengthMaskTests.bitmap(size, seed: seed)
    let polygons = RunLengthMask(bitmap: pixels, size: size).polygons()
    let rings = polygons.flatMap { [$0.outline] + $0.holes }
    #expect(Self.filled(rings, size) == pixels)

    // A polygon a region, and its rings hold that region alone.
    var regions = Self.regions(pixels, size)
    for polygon in polygons {
      let region = Self.filled([polygon.outline] + polygon.holes, size)
      let index = try #require(regions.firstIndex(of: region), "\(polygon)")
      regions.remove(at: index)
    }
    #expect(regions.isEmpty)
  }

  @Test(arguments: RunLengthMaskTests.cases) func ringsAreSimpleAndDirected(
    size: PixelSize, seed: UInt64
  ) {
    let pixels = RunLengthMaskTests.bitmap(size, seed: seed)
    for polygon in RunLengthMask(bitmap: pixels, size: size).polygons() {
      #expect(Self.doubledArea(polygon.outline) > 0)
      #expect(polygon.holes.allSatisfy { Self.doubledArea($0) < 0 })
      for ring in [polygon.outline] + polygon.holes {
        #expect(Set(ring).count == ring.count, "a corner twice")
        for (index, corner) in ring.enumerated() {
          // Edges run across and down in turn.
          let next = ring[(index + 1) % ring.count]
          let last = ring[(index + ring.count - 1) % ring.count]
          #expect((corner.x == next.x) != (corner.y == next.y))
          #expect((corner.x == next.x) != (corner.x == last.x))
        }
      }
    }
  }

  /// pycocotools' way to fill gives whole pixels for corners on pixel corners.
  @Test(arguments: RunLengthMaskTests.cases) func ringsFillAsPycocotoolsFillsThem(
    size: PixelSize, seed: UInt64
  ) {
    let pixels = RunLengthMaskTests.bitmap(size, seed: seed)
    for polygon in RunLengthMask(bitmap: pixels, size: size).polygons() {
      for ring in [polygon.outline] + polygon.holes {
        let flat = ring.flatMap { [Double($0.x), Double($0.y)] }
        #expect(
          RunLengthMask(polygons: [flat], size: size).bitmap() == Self.filled([ring], size))
      }
    }
  }

  @Test func aHoleAndATouchingCornerAreToldApart() throws {
    // The ring of ones is open at its lower right corner, where its ends touch.
    let ring = """
      11111
      10001
      10001
      10001
      11110
      """
    let polygons = Self.mask(ring).polygons()
    #expect(polygons.count == 1)
    let polygon = try #require(polygons.first)
    #expect(polygon.holes == [[(4, 4), (4, 1), (1, 1), (1, 4)].map(Self.corner)])
    #expect(
      Set(polygon.outline)
        == Set([(0, 0), (5, 0), (5, 4), (4, 4), (4, 5), (0, 5)].map(Self.corner)))

    let pair = """
      110
      110
      001
      """
    #expect(
      Self.mask(pair).polygons()
        == [
          Polygon(outline: [(0, 2), (0, 0), (2, 0), (2, 2)].map(Self.corner), holes: []),
          Polygon(outline: [(2, 3), (2, 2), (3, 2), (3, 3)].map(Self.corner), holes: []),
        ])
  }

  @Test func nothingHasNoOutline() {
    #expect(Self.mask("000\n000").polygons().isEmpty)
  }

  @Test func aBoardOfTwoMillionPiecesIsTraced() {
    // As many pieces as a mask can have, and no recursion to run deep.
    let size = PixelSize(height: 1000, width: 1000)
    let pixels = (0..<size.area).map { UInt8(($0 / size.width + $0) % 2) }
    let polygons = RunLengthMask(bitmap: pixels, size: size).polygons()
    #expect(polygons.count == size.area / 2)
    #expect(polygons.allSatisfy { $0.outline.count == 4 && $0.holes.isEmpty })
    let inverse = pixels.map { 1 - $0 }
    let comb = (0..<size.area).map { pixel in
      UInt8(pixel / size.width == 0 || pixel % size.width % 2 == 0 ? 1 : 0)
    }
    #expect(RunLengthMask(bitmap: inverse, size: size).polygons().count == size.area / 2)
    #expect(RunLengthMask(bitmap: comb, size: size).polygons().count == 1)
  }

  private static func corner(_ x: Int, _ y: Int) -> Polygon.Corner { Polygon.Corner(x: x, y: y) }

  private static func mask(_ drawing: String) -> RunLengthMask {
    let rows = drawing.split(separator: "\n").map { $0.utf8.map { $0 - 48 } }
    return RunLengthMask(
      bitmap: Array(rows.joined()), size: PixelSize(height: rows.count, width: rows[0].count))
  }

  private static func doubledArea(_ ring: [Polygon.Corner]) -> Int {
    ring.indices.reduce(0) { sum, index in
      let (a, b) = (ring[index], ring[(index + 1) % ring.count])
      return sum + a.x * b.y - b.x * a.y
    }
  }

  /// Filled by the even-odd rule at the middles of pixels: a pixel changes with every vertical edge to its left.
  private static func filled(_ rings: [[Polygon.Corner]], _ size: PixelSize) -> [UInt8] {
    var pixels = [UInt8](repeating: 0, count: size.area)
    for ring in rings {
      for (index, corner) in ring.enumerated() {
        let next = ring[(index + 1) % ring.count]
        guard corner.x == next.x else { continue }
        for y in min(corner.y, next.y)..<max(corner.y, next.y) {
          for x in corner.x..<size.width { pixels[y * size.width + x] ^= 1 }
        }
      }
    }
    return pixels
  }

  /// The bitmaps of the 4-connected regions.
  private static func regions(_ pixels: [UInt8], _ size: PixelSize) -> [[UInt8]] {
    var rest = pixels
    var regions: [[UInt8]] = []
    while let first = rest.firstIndex(of: 1) {
      var region = [UInt8](repeating: 0, count: size.area)
      var open = [first]
      rest[first] = 0
      while let pixel = open.popLast() {
        region[pixel] = 1
        let (x, y) = (pixel % size.width, pixel / size.width)
        for (nextX, nextY) in [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
        where (0..<size.width).contains(nextX) && (0..<size.height).contains(nextY) {
          let next = nextY * size.width + nextX
          if rest[next] == 1 {
            rest[next] = 0
            open.append(next)
          }
        }
      }
      regions.append(region)
    }
    return regions
  }
}
