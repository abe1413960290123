import FlattenRegions
import Testing

@testable import FlattenImage

@Suite struct OverlayTests {
  private let palette = Palette([RGBColor(0x000000), RGBColor(0xFF8001)])

  @Test func mixesPictureAndColour() {
    let image = Image(width: 3, height: 1, pixels: [100, 101, 255, 0, 10, 20, 7, 8, 9])
    let map = LabelMap(width: 3, height: 1, ids: [1, 0, 255])
    let half = image.overlaid(with: map, palette: palette, opacity: 0.5)
    // (100 + 255) / 2, (101 + 128) / 2, (255 + 1) / 2, halves rounded up; 255 has no colour.
    #expect(half.pixels == [178, 115, 128, 0, 5, 10, 7, 8, 9])
    #expect(image.overlaid(with: map, palette: palette, opacity: 0) == image)
    #expect(
      image.overlaid(with: map, palette: palette, opacity: 1).pixels
        == [255, 128, 1, 0, 0, 0, 7, 8, 9])
  }

  @Test(arguments: [-1, .nan, -.infinity, 0, 1e-9])
  func opacityBelowShowsThePicture(_ opacity: Double) {
    let image = Sample.image(4, 3)
    #expect(
      image.overlaid(with: Sample.labels(4, 3), palette: palette, opacity: opacity) == image)
  }

  @Test(arguments: [1, 2, .infinity])
  func opacityAboveShowsTheColours(_ opacity: Double) {
    let map = Sample.labels(4, 3)
    let palette = Palette.distinct(count: 20)
    let image = Sample.image(4, 3).overlaid(with: map, palette: palette, opacity: opacity)
    #expect(image == map.coloured(by: palette))
    #expect(image[2, 1] == palette.colour(of: map.ids[6]))
  }
}
