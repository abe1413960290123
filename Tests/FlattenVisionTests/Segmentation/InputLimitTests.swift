import FlattenImage
import FlattenRegions
import FlattenTensor
import Testing

@testable import FlattenVision

/// `input.largest`, and what is said of sizes that a model was not trained with.
@Suite struct InputLimitTests {
  private func rule(
    largest: (long: Int, short: Int)?, trained: (long: Int, short: Int)? = nil, multiple: Int = 1
  ) -> InputRule {
    var rule = InputRule(.imageNet, scale: nil, multiple: multiple, padding: 1)
    rule.largest = largest
    rule.trained = trained
    return rule
  }

  @Test(arguments: [
    (picture: (360, 480), scale: nil as AugmentationScale?, sizes: [360, 480, 384, 480]),
    (picture: (480, 360), scale: nil, sizes: [480, 360, 480, 384]),
    (picture: (100, 90), scale: nil, sizes: [100, 90, 128, 96]),
    (picture: (2880, 3840), scale: nil, sizes: [360, 480, 384, 480]),
    // Either side may be the one that is too long.
    (picture: (400, 480), scale: nil, sizes: [360, 432, 384, 448]),
    (picture: (50, 960), scale: nil, sizes: [25, 480, 32, 480]),
    // Factors count from what the picture was shrunk to.
    (picture: (2880, 3840), scale: .factor(0.5), sizes: [180, 240, 192, 256]),
  ])
  func sizesStayWithinTheLimit(picture: (Int, Int), scale: AugmentationScale?, sizes: [Int]) {
    let got = rule(largest: (480, 360), multiple: 32)
      .sizes(of: PixelSize(height: picture.0, width: picture.1), scale: scale)
    #expect(got.flatMap { [$0.height, $0.width] } == sizes)
  }

  /// A picture within the limit is not touched; a larger one is shrunk as if it had come shrunk.
  @Test func shrinkingIsTheFirstStep() {
    let pixels = (0..<80 * 60 * 3).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 2) }
    let picture = Image(width: 80, height: 60, pixels: pixels)
    #expect(rule(largest: (80, 60)).resized(picture) == picture)
    let shrunk = picture.resized(width: 40, height: 30, by: .antialiasedBilinear)
    #expect(rule(largest: (40, 30)).resized(picture) == shrunk)
    let both = rule(largest: (40, 30), multiple: 32)
    #expect(both.resized(picture) == shrunk.resized(width: 64, height: 32, by: .bilinear))
  }

  @Test(arguments: [
    (seen: (360, 480), word: nil as String?), (seen: (1079, 1439), word: nil),
    (seen: (121, 161), word: nil), (seen: (1100, 1460), word: "larger"),
    (seen: (110, 150), word: "smaller"),
  ])
  func unusualSizesAreNamed(seen: (Int, Int), word: String?) {
    let size = PixelSize(height: seen.0, width: seen.1)
    let warning = rule(largest: nil, trained: (480, 360)).warning(seen: size)
    #expect((warning == nil) == (word == nil))
    if let word { #expect(warning?.contains(word) == true && warning?.contains("480x360") == true) }
    #expect(rule(largest: nil).warning(seen: size) == nil)
  }

  @Test func rulesThatDifferAreDifferent() {
    let plain = rule(largest: nil)
    #expect(plain == rule(largest: nil) && plain != rule(largest: (9, 8)))
    #expect(plain != rule(largest: nil, trained: (9, 8)))
  }

  @Test func segmentationsSayWhatTheNetworkSaw() throws {
    let segmenter = try Segmenter.builtIn(threads: 2)
    let picture = Image(width: 960, height: 720, filledWith: RGBColor(red: 90, green: 120, blue: 9))
    let result = try segmenter.segment(picture)
    #expect(result.labels.width == 960 && result.labels.height == 720)
    #expect(result.networkSize == PixelSize(height: 384, width: 480) && result.warnings.isEmpty)

    let tiny = try segmenter.segment(
      Image(width: 60, height: 40, filledWith: RGBColor(red: 9, green: 9, blue: 9)))
    #expect(tiny.warnings.count == 1 && tiny.warnings[0].contains("64x64 pixels"))
    var options = Segmenter.Options()
    options.mode = .slide(
      crop: PixelSize(height: 64, width: 64), stride: PixelSize(height: 64, width: 64))
    #expect(try segmenter.segment(picture, options: options).warnings.count == 1)
  }
}
