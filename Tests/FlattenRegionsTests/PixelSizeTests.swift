import FlattenRegions
import TestSupport
import Testing

@Suite struct PixelSizeTests {
  /// By hand: both limits hold, and halves are rounded up.
  @Test func sizesKeepTheirProportions() {
    let picture = PixelSize(height: 300, width: 500)
    // 2048 / 500 = 4.096, 512 / 300 = 1.7067: the shorter side decides; 500 * 1.7067 = 853.3.
    #expect(picture.fitted(long: 2048, short: 512) == PixelSize(height: 512, width: 853))
    // 600 / 500 = 1.2 decides.
    #expect(picture.fitted(long: 600, short: 512) == PixelSize(height: 360, width: 600))
    #expect(PixelSize(height: 3, width: 5).scaled(by: 0.5) == PixelSize(height: 2, width: 3))
    #expect(PixelSize(height: 1, width: 400).scaled(by: 0.25) == PixelSize(height: 1, width: 100))
  }

  /// mmdetection's keep_ratio resize, its factors and its padding.
  @Test(arguments: regionCases("keep_ratio_size"))
  func sizesAgree(with fixture: FixtureCase) throws {
    let golden = try GoldenCase(fixture)
    let scale = golden.parameters["scale"].ints
    let long = try #require(scale.max())
    let short = try #require(scale.min())
    let sides = try golden.input("sizes").integers
    let old = stride(from: 0, to: sides.count, by: 2).map {
      PixelSize(height: sides[$0], width: sides[$0 + 1])
    }
    let new = old.map { $0.fitted(long: long, short: short) }
    try golden.expect("new_sizes", new.flatMap { [$0.height, $0.width] })
    try golden.expect(
      "scale_factor", zip(old, new).flatMap { [$0.factors(to: $1).x, $0.factors(to: $1).y] })
    try golden.expect("padded", new.map { $0.padded(to: 32) }.flatMap { [$0.height, $0.width] })
  }
}
