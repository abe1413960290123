import FlattenRegions
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
}
