import FlattenRegions
import TestSupport
import Testing

@Suite struct RunLengthMaskTests {
  /// A bitmap of blobs and noise, the same each time.
  static func bitmap(_ size: PixelSize, seed: UInt64) -> [UInt8] {
    var numbers = Numbers(seed: seed)
    let threshold = [0, 1, 30, 128, 254, 255].randomElement(using: &numbers) ?? 0
    let block = Int.random(in: 1...5, using: &numbers)
    let coarse = PixelSize(
      height: size.height / block + 1, width: size.width / block + 1)
    let values = (0..<coarse.area).map { _ in Int.random(in: 0...255, using: &numbers) }
    return (0..<size.area).map { pixel in
      let (row, column) = (pixel / size.width / block, pixel % size.width / block)
      return values[row * coarse.width + column] < threshold ? 1 : 0
    }
  }

  static let sizes = [
    PixelSize(height: 1, width: 1), PixelSize(height: 1, width: 71),
    PixelSize(height: 53, width: 1), PixelSize(height: 37, width: 53),
    PixelSize(height: 40, width: 96), PixelSize(height: 7, width: 33),
  ]

  /// All sizes with a few bitmaps each.
  static let cases = sizes.flatMap { size in (0..<12).map { (size, UInt64($0)) } }

  @Test(arguments: cases) func bitmapsComeBack(size: PixelSize, seed: UInt64) throws {
    let pixels = Self.bitmap(size, seed: seed)
    let mask = RunLengthMask(bitmap: pixels, size: size)
    #expect(mask.bitmap() == pixels)
    #expect(mask.area == pixels.count { $0 == 1 })
    #expect(mask.counts.dropFirst().allSatisfy { $0 > 0 })
    let ones = pixels.indices.filter { pixels[$0] == 1 }
    let (xs, ys) = (ones.map { $0 % size.width }, ones.map { $0 / size.width })
    if let left = xs.min(), let right = xs.max(), let top = ys.min(), let bottom = ys.max() {
      #expect(
        mask.bounds
          == PixelRectangle(x: left, y: top, width: right - left + 1, height: bottom - top + 1))
    } else {
      #expect(mask.bounds == PixelRectangle(x: 0, y: 0, width: 0, height: 0))
    }
    #expect(try RunLengthMask(cocoString: mask.cocoString, size: size) == mask)
    #expect(try RunLengthMask(size: size, counts: mask.counts.map(Int.init)) == mask)
  }

  @Test(arguments: cases) func setsAreThoseOfTheBitmaps(size: PixelSize, seed: UInt64) {
    let bitmaps = (0..<5).map { Self.bitmap(size, seed: seed * 31 + UInt64($0) + 100) }
    let masks = bitmaps.map { RunLengthMask(bitmap: $0, size: size) }
    let (a, b) = (bitmaps[0], bitmaps[1])
    let both = zip(a, b).map { $0 & $1 }
    let either = zip(a, b).map { $0 | $1 }
    #expect(masks[0].intersection(masks[1]) == RunLengthMask(bitmap: both, size: size))
    #expect(masks[0].union(masks[1]) == RunLengthMask(bitmap: either, size: size))
    let shared = both.count { $0 == 1 }
    #expect(masks[0].intersectionArea(with: masks[1]) == shared)
    let joined = either.count { $0 == 1 }
    let area = a.count { $0 == 1 }
    #expect(
      masks[0].intersectionOverUnion(with: masks[1])
        == (shared == 0 ? 0 : Double(shared) / Double(joined)))
    #expect(
      masks[0].intersectionOverUnion(with: masks[1], isCrowd: true)
        == (shared == 0 ? 0 : Double(shared) / Double(area)))
    let all = size.area == 0 ? [] : (0..<size.area).map { p in bitmaps.map { $0[p] }.min() ?? 0 }
    let any = (0..<size.area).map { p in bitmaps.map { $0[p] }.max() ?? 0 }
    #expect(RunLengthMask.merge(masks, intersect: true) == RunLengthMask(bitmap: all, size: size))
    #expect(RunLengthMask.merge(masks) == RunLengthMask(bitmap: any, size: size))
  }

  @Test func aMergeOfNothingIsNothing() {
    #expect(RunLengthMask.merge([]) == nil)
  }

  @Test func emptyRunsGo() throws {
    let size = PixelSize(height: 4, width: 5)
    let plain = try RunLengthMask(size: size, counts: [3, 4, 13])
    for counts in [
      [3, 4, 13, 0], [3, 0, 0, 4, 13], [0, 0, 3, 4, 13], [3, 1, 0, 3, 13], [3, 4, 5, 0, 8],
      [0, 0, 1, 0, 2, 2, 0, 0, 0, 2, 6, 0, 7, 0],
    ] {
      #expect(try RunLengthMask(size: size, counts: counts) == plain, "\(counts)")
    }
    #expect(try RunLengthMask(size: size, counts: [0, 20, 0]).counts == [0, 20])
    #expect(try RunLengthMask(size: size, counts: [20, 0]).area == 0)
  }

  @Test func masksOfOtherSizesShareNothing() throws {
    let wide = try RunLengthMask(size: PixelSize(height: 2, width: 3), counts: [0, 6])
    let high = try RunLengthMask(size: PixelSize(height: 3, width: 2), counts: [0, 6])
    #expect(wide.intersectionOverUnion(with: high) == 0)
    #expect(wide != high)
  }
}

/// A generator whose numbers are the same each time (SplitMix64).
struct Numbers: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
