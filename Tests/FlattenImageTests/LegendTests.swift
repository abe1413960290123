import FlattenRegions
import TestSupport
import Testing

@testable import FlattenImage

@Suite struct LegendTests {
  @Test func listsWhatOccursLargestFirst() {
    let map = LabelMap(width: 4, height: 2, ids: [2, 2, 2, 0, 0, 9, 255, 255])
    let legend = Legend(
      of: map, names: ["sky", "road", "tree"], palette: Palette.distinct(count: 3))
    #expect(legend.entries.map(\.name) == ["tree", "sky", "id 255", "id 9"])
    #expect(legend.entries.map(\.pixels) == [3, 2, 2, 1])
    #expect(legend.entries.map { legend.share(of: $0) } == ["37.5%", "25.0%", "25.0%", "12.5%"])
    #expect(legend.entries[2].colour == nil)
    #expect(legend.total == 8)
  }

  @Test func smallSharesAreNotZero() {
    var ids = [UInt16](repeating: 0, count: 10_000)
    ids[5] = 1
    let legend = Legend(
      of: LabelMap(width: 100, height: 100, ids: ids), names: [], palette: Palette([]))
    #expect(legend.entries.map { legend.share(of: $0) } == ["100.0%", "<0.1%"])
  }

  /// The panel holds every class's colour, below a picture that is left as it was.
  @Test(arguments: [(1, 1), (20, 20), (64, 48), (480, 360), (1500, 300)], [1, 2, 11, 150])
  func showsEachColour(_ size: (Int, Int), _ classes: Int) {
    let image = Sample.image(size.0, size.1)
    var generator = SeededGenerator(seed: 5)
    let colours = (0..<classes).map { index in
      RGBColor(
        red: UInt8(index), green: UInt8.random(in: 0...255, using: &generator),
        blue: UInt8.random(in: 1...250, using: &generator))
    }
    let map = LabelMap(width: classes, height: 1, ids: (0..<classes).map { UInt16($0) })
    let names = (0..<classes).map { String(repeating: "long name, ", count: $0 % 7) + "é\($0)" }
    let result = image.withLegend(Legend(of: map, names: names, palette: Palette(colours)))
    #expect(result.width >= image.width && result.height > image.height)
    #expect(result.width <= max(image.width, 400))
    let kept = result.raster.window(left: 0, top: 0, width: image.width, height: image.height)
    #expect(Image(kept) == image)
    var seen: [RGBColor: Int] = [:]
    for y in image.height..<result.height {
      for x in 0..<result.width { seen[result[x, y], default: 0] += 1 }
    }
    for colour in colours { #expect(seen[colour, default: 0] >= 49, "a swatch is missing") }
    #expect(seen[RGBColor(0x202020), default: 0] >= 20 * classes, "there is no text")
  }

  /// Smaller letters, then none: the picture with its legend never becomes longer than it may.
  @Test func theWholeStaysWithinItsLimit() {
    let map = LabelMap(width: 3, height: 1, ids: [0, 1, 2])
    let legend = Legend(
      of: map, names: ["sky", "road", "tree"], palette: Palette.distinct(count: 3))
    let picture = Image(width: 400, height: 1000, filledWith: .black)
    let free = picture.withLegend(legend)
    #expect(picture.withLegend(legend, longestSide: free.height) == free)
    // One line of the smallest letters: 9 dots between two margins of 5.
    for limit in [free.height - 1, 1019] {
      let smaller = picture.withLegend(legend, longestSide: limit)
      #expect(smaller.height > 1000 && smaller.height <= limit)
    }
    #expect(picture.withLegend(legend, longestSide: 1018) == picture)
    #expect(picture.withLegend(legend, longestSide: 1000) == picture)
    let narrow = Image(width: 1, height: 5, filledWith: .black)
    #expect(narrow.withLegend(legend, longestSide: 60) == narrow, "the panel is wider than that")
  }

  @Test func swatchAndTextLieWhereTheyShould() {
    let map = LabelMap(width: 1, height: 1, ids: [0])
    let colour = RGBColor(0xC81E32)
    let result = Image(width: 100, height: 40, filledWith: .black)
      .withLegend(Legend(of: map, names: ["I"], palette: Palette([colour])))
    #expect(result.width == 100)
    #expect(result.height == 40 + 9 + 10)
    #expect(result[0, 40] == .white)
    #expect(result[5, 45] == RGBColor(0x808080))
    #expect(result[6, 46] == colour && result[12, 52] == colour)
    // The I's stem: third dot of the letter, which begins 4 after the swatch.
    #expect(result[18 + 2, 49] == RGBColor(0x202020))
    #expect(result[18 + 1, 49] == .white)
  }
}
