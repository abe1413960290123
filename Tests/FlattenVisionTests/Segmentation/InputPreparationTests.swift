import FlattenRegions
import FlattenImage
import FlattenTensor
import Testing

@testable import FlattenVision

@Suite struct InputPreparationTests {
  private func rule(
    scale: (long: Int, short: Int)? = nil, multiple: Int = 1, padding: Int = 1
  ) -> InputRule {
    InputRule(
      Normalisation(mean: [10, 20, 30], std: [2, 4, 8]), scale: scale, multiple: multiple,
      padding: padding)
  }

  @Test(arguments: [
    // ADE20K's rule: the short side to 512 unless the long one would pass 2048.
    (height: 683, width: 512, sizes: [683, 512, 704, 512]),
    (height: 256, width: 512, sizes: [512, 1024, 512, 1024]),
    (height: 100, width: 1000, sizes: [205, 2048, 224, 2048]),
    (height: 1, width: 1, sizes: [512, 512, 512, 512]),
  ])
  func sizesFollowTheRule(height: Int, width: Int, sizes: [Int]) {
    let got = rule(scale: (2048, 512), multiple: 32)
      .sizes(of: PixelSize(height: height, width: width), factor: nil)
    #expect(got.flatMap { [$0.height, $0.width] } == sizes)
  }

  /// What is missing to the least side or to a multiple is padded.
  @Test func inputsArePadded() {
    let image = Image(width: 1, height: 2, pixels: [12, 20, 38, 10, 28, 30])
    let memory = BufferPool()
    let rule = rule(padding: 3)
    for (minimum, side) in [(1, 3), (4, 4)] {
      let size = rule.padded(image, minimum: minimum)
      #expect(size == PixelSize(height: side, width: side))
      #expect(rule.normalised(image, to: size, pool: memory).shape == [1, side, side, 3])
    }
    #expect(rule.padded(image) == PixelSize(height: 32, width: 32))
  }
}
