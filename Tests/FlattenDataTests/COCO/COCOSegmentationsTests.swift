import FlattenFiles
import FlattenRegions
import TestSupport
import Testing

@testable import FlattenData

@Suite struct COCOSegmentationsTests {
  /// Polygons come back with the bits they had, whether they are hundredths or not.
  @Test func polygonsAreExact() {
    var random = SeededGenerator(seed: 4)
    var masks = COCOSegmentations()
    var expected: [[[Double]]] = []
    for index in 0..<200 {
      let polygons = (0..<Int.random(in: 1...3, using: &random)).map { _ in
        (0..<2 * Int.random(in: 3...9, using: &random)).map { _ in
          switch index % 4 {
          case 0: Double(Int.random(in: -300...60_000, using: &random)) / 100
          case 1: Double.random(in: -1...700, using: &random)
          case 2: Double(Int.random(in: 0...700, using: &random))
          default: Double.random(in: 0...1, using: &random) < 0.9 ? 1.25 : 1e300
          }
        }
      }
      masks.append(polygons: polygons.flatMap(\.self), counts: polygons.map { Int32($0.count) })
      expected.append(polygons)
    }
    for index in expected.indices { #expect(masks.polygons(index) == expected[index]) }
    masks.keep([5, 7])
    #expect(masks.count == 2 && masks.polygons(1) == expected[7])
  }

  /// What is written is read as the same masks.
  @Test func writing() throws {
    let size = PixelSize(height: 9, width: 11)
    let mask = RunLengthMask(polygons: [[1, 1, 9.5, 2, 4.25, 8]], size: size)
    var masks = COCOSegmentations()
    masks.append(mask)
    masks.append(runs: mask.counts, size: (9, 11))
    masks.append(polygons: [1, 1, 9.5, 2, 4.25, 8], counts: [6])
    // 0x5C is a backslash among the characters of run lengths: a difference of 44 begins with it.
    let long = PixelSize(height: 1, width: 100)
    let escaped = RunLengthMask(size: long, runs: [1, 1, 1, 45, 52])
    #expect(escaped.cocoString.contains("\\"))
    masks.append(escaped)
    masks.appendNone()
    var fields = COCOFieldReader()
    var read = COCOSegmentations()
    for index in 0..<4 {
      var out: [UInt8] = []
      masks.write(index, to: &out)
      var json = JSONStream(out, name: "mask")
      fields.begin()
      try fields.segmentation(&json, into: &read)
      try json.finish()
      #expect(fields.notes.isEmpty)
      let size = index == 3 ? long : size
      #expect(try read.mask(index, in: size) == masks.mask(index, in: size))
      #expect(read.form(index) == masks.form(index))
    }
    #expect(try masks.mask(0, in: size) == mask && masks.mask(2, in: size) == mask)
    #expect(try masks.mask(4, in: size) == nil)
  }
}
